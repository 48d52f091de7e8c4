"""Turns the events of managed AI and data platforms into metrics and traces, each event exactly once."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("platform-events-exporter")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"
