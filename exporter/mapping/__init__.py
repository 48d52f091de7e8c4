"""Mapping files: what a vendor's events mean.

Reads, checks and applies them; never fetches, waits or counts. ``rules`` has the list of files of a new action.
"""
