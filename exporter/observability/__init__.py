"""What the exporter reports about itself: metrics, log and event lines."""
