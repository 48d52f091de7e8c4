"""Two clouds on loopback with their event APIs and troubles, for demos and tests; knows nothing of the exporter."""

from exporter.simulator.server import app, running, serve
from exporter.simulator.state.accounts import configuration
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.scenario import Scenario

__all__ = ["Cloud", "Scenario", "app", "configuration", "running", "serve"]
