"""The rows that a batch of commits writes, whatever database keeps them.

A ``Write`` names a kind of statement; each database has the text of each kind. The writes of a batch are executed in
their order, in one transaction. Two rows of one write may concern the same key only where the kind is ``histograms``.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Value = str | bytes | int | float | None
Row = tuple[Value, ...]

StatementName = Literal[
    "counters", "histograms", "gauges", "states", "held", "contacts", "resources", "runs", "notes",
    "watches", "keys", "outbox", "learned",
    "drop_counters", "drop_histograms", "drop_gauges", "drop_states", "drop_held",
    "drop_contacts", "drop_learned", "drop_resources", "drop_runs", "drop_notes", "drop_watches", "drop_keys", "drop_outbox",
]  # fmt: skip


class Write(NamedTuple):
    """Rows for one kind of statement; ``drop_`` before a table deletes the rows of these keys."""

    statement: StatementName
    rows: Sequence[Row]
