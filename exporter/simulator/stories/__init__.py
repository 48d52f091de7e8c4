"""What happens in the simulated clouds over time."""
