"""Applies checked rules to events."""
