"""Reads and checks mapping files."""
