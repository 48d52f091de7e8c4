"""The tables in the database, as numbered migrations that are applied in order and never edited.

Only a leader migrates, in the transaction that makes it the leader. ``{s}`` is the schema.
"""

_SERIES = "id bytea PRIMARY KEY, metric text NOT NULL, labels text NOT NULL"

# One row: who leads. ``seq`` counts the commits; ``lease`` is in milliseconds; ``version`` counts the migrations.
LEADER = """CREATE TABLE IF NOT EXISTS {s}.leader (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    term bigint NOT NULL DEFAULT 0, seq bigint NOT NULL DEFAULT 0, beat bigint NOT NULL DEFAULT 0,
    owner text NOT NULL DEFAULT '', name text NOT NULL DEFAULT '', lease bigint NOT NULL DEFAULT 0,
    released boolean NOT NULL DEFAULT true, version integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50)"""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # ``closed`` is NULL until progress was committed: the row then only gives a number to the watch of some keys.
        """CREATE TABLE {s}.watches (
            id bigint PRIMARY KEY, target text NOT NULL, source text NOT NULL, resource text NOT NULL,
            complete bigint, reconciled bigint, ended bigint, closed boolean, floor bigint,
            UNIQUE (target, source, resource)
        ) WITH (fillfactor = 80)""",
        # ``day`` and ``newest`` are days since 1970; ``records`` are 20 bytes each: a key and its count.
        """CREATE TABLE {s}.keys (
            id bigint PRIMARY KEY, watch bigint NOT NULL, day bigint, newest bigint, records bytea NOT NULL
        )""",
        "ALTER TABLE {s}.keys ALTER COLUMN records SET STORAGE EXTERNAL",
        f"CREATE TABLE {{s}}.counters ({_SERIES}, value float8 NOT NULL) WITH (fillfactor = 80)",
        f"""CREATE TABLE {{s}}.histograms (
            {_SERIES}, buckets bigint[] NOT NULL, sum float8 NOT NULL
        ) WITH (fillfactor = 80)""",
        # the value of a gauge that is no number is NULL
        f"CREATE TABLE {{s}}.gauges ({_SERIES}, value float8, at bigint NOT NULL) WITH (fillfactor = 80)",
        f"CREATE TABLE {{s}}.states ({_SERIES}, value text NOT NULL, at bigint NOT NULL)",
        f"CREATE TABLE {{s}}.held ({_SERIES})",
        """CREATE TABLE {s}.contacts (
            target text, source text, at bigint NOT NULL, PRIMARY KEY (target, source)
        )""",
        # What a source has learned of its events, for the schedule of reads.
        """CREATE TABLE {s}.learned (
            target text, source text, body bytea NOT NULL, PRIMARY KEY (target, source)
        )""",
        """CREATE TABLE {s}.resources (
            target text, source text, id text, body text NOT NULL, PRIMARY KEY (target, source, id)
        )""",
        """CREATE TABLE {s}.runs (
            target text, source text, resource text, body bytea NOT NULL, PRIMARY KEY (target, source, resource)
        )""",
        # What events say of runs, until the read that returned the events is complete.
        """CREATE TABLE {s}.notes (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, target text NOT NULL, source text NOT NULL,
            resource text NOT NULL, body bytea NOT NULL
        )""",
        "CREATE INDEX notes_place ON {s}.notes (target, source, resource)",
        # ``at`` is when the row was written, Unix ms of the exporter; ``refused`` is why it was refused for good.
        """CREATE TABLE {s}.outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, signal text NOT NULL, number bigint NOT NULL,
            body bytea NOT NULL, at bigint NOT NULL, refused text
        )""",
        "CREATE INDEX outbox_waiting ON {s}.outbox (signal, id) WHERE refused IS NULL",
        "CREATE INDEX outbox_refused ON {s}.outbox (signal, id) WHERE refused IS NOT NULL",
    ),
    # The keys of one watch are read when it is first asked.
    ("CREATE INDEX keys_watch ON {s}.keys (watch, id)",),
)
VERSION = len(STEPS)


def migration(version: int, schema: str) -> str:
    """Return one statement that brings a schema from ``version`` to the newest."""
    steps = "".join(f"{statement.format(s=schema)};" for step in STEPS[version:] for statement in step)
    return f"DO $migration$ BEGIN {steps} END $migration$"
