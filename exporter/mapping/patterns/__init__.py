"""Patterns over vendor texts: dissect, RE2, and the choice among many."""
