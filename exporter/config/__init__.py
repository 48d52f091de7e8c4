"""Files, environment and command line become one checked configuration, once; the only door of this room."""

from exporter.config.load import load
from exporter.config.models import Config, Filter, LogOptions, Otlp, SourceOptions, Target, Web
from exporter.config.schema import json_schema
from exporter.config.show import masked

__all__ = ["Config", "Filter", "LogOptions", "Otlp", "SourceOptions", "Target", "Web", "json_schema", "load", "masked"]
