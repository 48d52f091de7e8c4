"""Previews of the dashboards: real exporter, real Prometheus, same queries; drawn by Grafana's own components."""
