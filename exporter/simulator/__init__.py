"""Two simulated clouds on loopback with their event APIs and faults, for demos and tests.

The simulator imports nothing of the exporter: it is written from the vendors' documents alone.
"""

from exporter.simulator.configuration import configuration
from exporter.simulator.scenario import Scenario
from exporter.simulator.server import app, running, serve
from exporter.simulator.state.cloud import Cloud

__all__ = ["Cloud", "Scenario", "app", "configuration", "running", "serve"]
