"""Writes grafana/dashboards, grafana/alerts and grafana/provisioning/alerting; ``python -m grafana.builder``."""
