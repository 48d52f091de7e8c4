"""Folds the notes of events into runs, phases and incidents."""
