"""Previews of the dashboards: real exporter, real Prometheus, same queries; drawn without Grafana."""
