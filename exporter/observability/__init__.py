"""What the exporter says of itself: metrics, log and event lines."""
