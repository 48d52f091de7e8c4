"""The schema of the state file, as numbered migrations that are applied in order and never edited.

Labels are stored as JSON arrays: whatever a label holds is escaped, so that two label sets never look the same.
"""

import sqlite3
from collections.abc import Sequence

from exporter.model.errors import StoreUnusable
from exporter.store.bulk import Statement
from exporter.store.errors import DAMAGED

APPLICATION_ID = 0x70656578  # "peex": tells our files from those of other programs

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # ``closed`` is NULL until progress was committed: the row then only gives a number to the watch of some keys.
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
        # What events say of runs, until the read that returned the events is complete.
        """CREATE TABLE notes (
            id INTEGER PRIMARY KEY, target TEXT NOT NULL, source TEXT NOT NULL, resource TEXT NOT NULL,
            body BLOB NOT NULL
        )""",
        # ``at`` is when the row was written, Unix ms of this machine; ``refused`` is why the receiver refused it for good.
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
    (
        # What a source has learned of its events, for the schedule of reads.
        """CREATE TABLE learned (
            target TEXT, source TEXT, body BLOB NOT NULL, PRIMARY KEY (target, source)
        ) WITHOUT ROWID""",
    ),
)
CHECKED_TABLES = (
    "watches", "counters", "histograms", "gauges", "states", "held", "contacts", "resources", "runs", "notes", "outbox",
    "learned",
)  # fmt: skip


def check_origin(database: sqlite3.Connection, where: str) -> None:
    """Check, without writing, that the file ``where`` is ours and of a version that this program knows.

    Raises StoreUnusable.
    """
    application, seen = _pragma(database, "application_id"), schema_version(database)
    empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION_ID and not (empty and seen == 0):
        raise StoreUnusable(f"{where}: belongs to another program; give the exporter a file of its own")
    if seen > len(STEPS):
        raise StoreUnusable(
            f"{where}: was written by a newer version (schema {seen}, this one knows {len(STEPS)}); "
            "run the newer version, or begin a new history in another file"
        )


def schema_version(database: sqlite3.Connection) -> int:
    """Return how many migrations the file has seen."""
    return _pragma(database, "user_version")


def migration(number: int, steps: Sequence[Sequence[str]] = STEPS) -> list[Statement]:
    """Return the statements of migration ``number``, with those that record it in the file."""
    marks = (f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {number}")
    return [(statement, []) for statement in (*steps[number - 1], *marks)]


def check_tables(database: sqlite3.Connection, where: str) -> None:
    """Check that no table but ``keys`` is damaged. Raises StoreUnusable.

    ``keys`` is by far the largest table: the store reads every row of it anyway when it opens, and each must fit.
    """
    for table in CHECKED_TABLES:
        found = database.execute(f"PRAGMA quick_check({table})").fetchone()[0]
        if found != "ok":
            raise StoreUnusable(f"{where}: {DAMAGED} ({' '.join(found.split())})")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    value = database.execute(f"PRAGMA {name}").fetchone()[0]
    assert isinstance(value, int)
    return value
