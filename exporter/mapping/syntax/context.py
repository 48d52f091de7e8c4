"""What the checks of one mapping file share: where to note faults, and which names exist. Plain values."""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.common.yaml_document import Document, Path_
from exporter.mapping.patterns.capture_types import Kind
from exporter.mapping.rules import REASON_FIELDS
from exporter.model.metrics import Metric


class FileContext(NamedTuple):
    """A file under check. ``fields``: what ``when`` may ask for; ``metrics``: built-in ones and the file's own."""

    document: Document
    faults: list[str]
    source: str
    fields: frozenset[str]
    vocab: Mapping[str, tuple[str, ...]]
    metrics: Mapping[str, Metric]

    def say(self, path: Path_, what: str) -> None:
        """Notes a fault: what is wrong; what to write instead."""
        self.faults.append(f"{self.document.where(path)}: {what}")


class Names(NamedTuple):
    """What an action may refer to: what every shape of its rule captures, and the fields of the event."""

    captures: Mapping[str, Kind]
    fields: frozenset[str]

    def kind(self, name: str) -> Kind | None:
        """What a name holds; ``None`` if there is no such name."""
        if name in self.captures or name not in self.fields:
            return self.captures.get(name)
        return "text" if name in ("severity", *REASON_FIELDS) else "any"

    def known(self, *, single: bool = False) -> str:
        """All names, or those of ``single`` values, for a message."""
        captures = [name for name, kind in self.captures.items() if not (single and kind in ("texts", "numbers"))]
        return ", ".join([*captures, *sorted(self.fields)])
