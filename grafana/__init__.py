"""Dashboards and alerts for Grafana and Prometheus, and the builder that writes them."""
