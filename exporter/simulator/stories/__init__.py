"""Stories: the events of the simulated clouds over time."""
