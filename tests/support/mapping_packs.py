"""Mapping packs for tests: the built-in ones, and small ones of a made-up source ``demo``."""

from exporter.common.yaml_document import parse_document, read_document
from exporter.mapping.loader import built_in, load
from exporter.mapping.rules import MappingPack
from exporter.model.events import Event
from exporter.sources import SOURCES

STATUSES = {name: kind.statuses for name, kind in SOURCES.items()}
FIELDS = {name: kind.fields for name, kind in SOURCES.items()}
RECORDS = {name: kind.record for name, kind in SOURCES.items()}
PACKS = {pack.source: pack for pack in load([read_document(path) for path in built_in()], FIELDS, RECORDS, STATUSES)}
DEMO_FIELDS = frozenset({"severity", "reason", "text", "resource", "kind", "zone"})


def refuse_record(raw: object, resource: str) -> Event:
    """Read no record: the files of ``demo_pack`` carry no tests."""
    raise ValueError("these files carry no tests")


def demo_pack(text: str, source: str = "demo") -> MappingPack:
    """Load a mapping file without its two head lines."""
    document = parse_document(f"mapping: 1\nsource: {source}\n{text}", "demo.yaml")
    return load([document], {source: DEMO_FIELDS}, {source: refuse_record})[0]


def demo_event(text: str = "", severity: str = "", reason: str = "", resource: str = "r-1", **fields: str) -> Event:
    """Make an event of the source ``demo``."""
    return Event(b"", resource, 1_700_000_000_000, text, severity, reason, fields=fields)
