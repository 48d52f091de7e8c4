"""The state of the simulated clouds: resources, events, accounts and faults."""
