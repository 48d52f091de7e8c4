"""What the simulated clouds hold: resources, events, accounts and faults."""
