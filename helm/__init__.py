"""The chart, and what writes its files."""
