"""Tests of helm."""
