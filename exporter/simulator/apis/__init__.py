"""The HTTP APIs of the simulated clouds."""
