"""Frozen values and every seam between packages; imports nothing of the exporter."""
