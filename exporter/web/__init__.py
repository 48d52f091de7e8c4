"""The web port: metrics, health, pages and an API."""
