"""Tests of the model: values and seams."""
