"""Spans, log records and metrics by OTLP, from the outbox to the receiver."""
