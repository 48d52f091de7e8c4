"""Tests with the real systems that people run around the exporter: make interop."""
