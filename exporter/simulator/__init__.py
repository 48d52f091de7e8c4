"""Two clouds on loopback with their event APIs and troubles, for demos and tests; knows nothing of the exporter."""

from exporter.simulator.cloud import Cloud
from exporter.simulator.configuration import configuration
from exporter.simulator.scenario import Scenario
from exporter.simulator.server import app, running, serve

__all__ = ["Cloud", "Scenario", "app", "configuration", "running", "serve"]
