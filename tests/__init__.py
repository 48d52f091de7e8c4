"""Tests of the exporter, one folder a package; ``support`` holds what they share."""
