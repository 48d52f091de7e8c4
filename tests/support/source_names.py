"""The names of all sources, for tests that hold for each of them."""

from exporter.sources import SOURCES as _KINDS

SOURCES = tuple(_KINDS)
HUAWEI = tuple(name for name, kind in _KINDS.items() if kind.platform == "huaweicloud")
APIS = tuple(dict.fromkeys(kind.api for kind in _KINDS.values()))
"""The APIs that sources ask, as the configuration calls them."""
PROJECT_WIDE = frozenset(name for name, kind in _KINDS.items() if not kind.resource)
"""Sources whose one watch reads the events of a whole project."""
STATING_OUTCOMES = frozenset({"pai_dsw"})
"""Sources whose answers repeat their outcome in the body, and may refuse with status 200."""
WITH_IDS = frozenset({"dws", "modelarts_notebook", "modelarts_scheduled", "modelarts_pool_job", "modelarts_service_v2"})
"""Sources whose events have ids: of these, equal rows are one event."""
