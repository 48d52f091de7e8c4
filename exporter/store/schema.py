"""The tables of the state file, as numbered steps that are applied in order and never edited; fills none of them.

Labels are JSON arrays: whatever a label holds is escaped, so that ``,"text"`` can only be a whole label.
"""

import sqlite3
from collections.abc import Sequence

from exporter.model.errors import StoreError
from exporter.store.bulk import Statement
from exporter.store.errors import DAMAGED

APPLICATION = 0x70656578  # "peex": tells our files from those of other programs

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # ``closed`` is NULL as long as no progress was committed: the row then only names the watch of its keys.
        """CREATE TABLE watches (
            id INTEGER PRIMARY KEY, target TEXT NOT NULL, source TEXT NOT NULL, resource TEXT NOT NULL,
            complete INTEGER, reconciled INTEGER, ended INTEGER, closed INTEGER,
            UNIQUE (target, source, resource)
        )""",
        # ``day`` and ``newest`` are days since 1970; ``records`` are 20 bytes each: a key and its count.
        """CREATE TABLE keys (
            id INTEGER PRIMARY KEY, watch INTEGER NOT NULL, day INTEGER, newest INTEGER, records BLOB NOT NULL
        )""",
        """CREATE TABLE counters (
            metric TEXT, labels TEXT, value REAL NOT NULL, PRIMARY KEY (metric, labels)
        ) WITHOUT ROWID""",
        """CREATE TABLE histograms (
            metric TEXT, labels TEXT, buckets TEXT NOT NULL, sum REAL NOT NULL, PRIMARY KEY (metric, labels)
        ) WITHOUT ROWID""",
        # SQLite has no NaN: the value of a gauge that is none is NULL.
        """CREATE TABLE gauges (
            metric TEXT, labels TEXT, value REAL, at INTEGER NOT NULL, PRIMARY KEY (metric, labels)
        ) WITHOUT ROWID""",
        """CREATE TABLE states (
            metric TEXT, labels TEXT, value TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (metric, labels)
        ) WITHOUT ROWID""",
        "CREATE TABLE held (metric TEXT, labels TEXT, PRIMARY KEY (metric, labels)) WITHOUT ROWID",
        """CREATE TABLE contacts (
            target TEXT, source TEXT, at INTEGER NOT NULL, PRIMARY KEY (target, source)
        ) WITHOUT ROWID""",
        """CREATE TABLE resources (
            target TEXT, source TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (target, source, id)
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE runs (
            target TEXT, source TEXT, resource TEXT, body BLOB NOT NULL, PRIMARY KEY (target, source, resource)
        ) WITHOUT ROWID""",
        # What events say of runs, until the read that brought them is complete.
        """CREATE TABLE notes (
            id INTEGER PRIMARY KEY, target TEXT NOT NULL, source TEXT NOT NULL, resource TEXT NOT NULL,
            body BLOB NOT NULL
        )""",
        # ``at`` is when it was put there, Unix ms of this machine; ``refused`` is why the receiver will never take it.
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY, signal TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
            at INTEGER NOT NULL, refused TEXT
        )""",
    ),
    (
        "CREATE INDEX outbox_waiting ON outbox (signal, id) WHERE refused IS NULL",
        "CREATE INDEX outbox_refused ON outbox (signal, id) WHERE refused IS NOT NULL",
    ),
    ("ALTER TABLE watches ADD COLUMN floor INTEGER",),
)
TOTALS = (
    "watches", "counters", "histograms", "gauges", "states", "held", "contacts", "resources", "runs", "notes", "outbox",
)  # fmt: skip


def recognise(database: sqlite3.Connection, where: str) -> None:
    """Raises StoreError if the file, ``where`` it is, belongs to another program or a newer version; writes nothing."""
    application, seen = _pragma(database, "application_id"), version(database)
    empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION and not (empty and seen == 0):
        raise StoreError(f"{where}: belongs to another program; give the exporter a file of its own")
    if seen > len(STEPS):
        raise StoreError(
            f"{where}: was written by a newer version (schema {seen}, this one knows {len(STEPS)}); "
            "run the newer version, or begin a new history in another file"
        )


def version(database: sqlite3.Connection) -> int:
    """How many steps the file has seen."""
    return _pragma(database, "user_version")


def transaction(number: int, steps: Sequence[Sequence[str]] = STEPS) -> list[Statement]:
    """The statements of one step; together they make the file one that has seen ``number`` of them."""
    marks = (f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {number}")
    return [(statement, []) for statement in (*steps[number - 1], *marks)]


def examine(database: sqlite3.Connection, where: str) -> None:
    """Raises StoreError if a table of totals is damaged.

    ``keys``, by far the largest, is left out, so that a large file opens no slower: the store reads every row of it
    when it opens, and each must fit.
    """
    for table in TOTALS:
        found = database.execute(f"PRAGMA quick_check({table})").fetchone()[0]
        if found != "ok":
            raise StoreError(f"{where}: {DAMAGED} ({' '.join(found.split())})")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    value = database.execute(f"PRAGMA {name}").fetchone()[0]
    assert isinstance(value, int)
    return value
