"""The names of all sources, for tests that hold for each of them."""

from exporter.sources import SOURCES as _KINDS

SOURCES = tuple(_KINDS)
HUAWEI = tuple(name for name, kind in _KINDS.items() if kind.platform == "huaweicloud")
PROJECT_WIDE = frozenset(name for name, kind in _KINDS.items() if not kind.resource)
"""Sources whose one watch reads the events of a whole project."""
WITH_IDS = frozenset({"dws", "modelarts_notebook", "modelarts_scheduled", "modelarts_service_v2"})
"""Sources whose events have ids: of these, equal rows are one event."""
