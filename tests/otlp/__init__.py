"""Tests of otlp."""
