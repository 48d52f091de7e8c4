"""Measures what the exporter promises to be good at, each beside a baseline in the same run; asserts nothing."""
