"""Tests of exposition."""
