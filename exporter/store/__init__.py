"""The store of totals, seen keys and progress, all changed in one transaction or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING

from exporter.common.secret import Secret
from exporter.model.errors import ConfigError, StoreError
from exporter.store.database import stored_places
from exporter.store.postgresql.url import PostgresUrl
from exporter.store.retrying import CheckedStore, RetryingStore
from exporter.store.sqlite_store import SqliteStore, open_sqlite
from exporter.store.url import StoreUrl, check_store, parse_store

if TYPE_CHECKING:
    from exporter.store.postgresql.leadership import Leadership, Waiting

__all__ = [
    "LEASE",
    "CheckedStore",
    "PostgresUrl",
    "RetryingStore",
    "SqliteStore",
    "StoreUrl",
    "check_database",
    "check_store",
    "leadership",
    "open_store",
    "parse_store",
    "stored_places",
]

LEASE = 10.0  # seconds
_NO_DRIVER = "store: postgresql:// needs asyncpg; run pip install 'platform-events-exporter[postgresql]'"


async def open_store(url: str, password: Secret | None = None, lease: float = LEASE) -> CheckedStore:
    """Open the store that the ``store:`` line of a configuration names; wait while another process has it.

    Raises ConfigError if the line cannot be used, StoreUnusable if a person must act first, else StoreError.
    """
    place = check_store(url)
    if isinstance(place, PostgresUrl):
        candidate = leadership(place, password, "", lease)
        try:
            return (await candidate.lead(_raise_problem)).store
        except BaseException:
            await candidate.close()
            raise
    return await open_sqlite(place)


async def check_database(url: PostgresUrl, password_file: Path | None) -> list[tuple[str, str]]:
    """Check what ``run`` needs of a database; return the sources of targets that it knows. Changes nothing.

    Raises ConfigError without the driver, StoreUnusable if a person must act, StoreError if the database is away.
    """
    try:
        from exporter.store.postgresql.examine import check_postgres
    except ImportError as error:
        raise ConfigError(_NO_DRIVER) from error
    return await check_postgres(url, Secret(path=password_file) if password_file else None)


def _raise_problem(waiting: "Waiting") -> None:
    if waiting.problem:
        raise StoreError(waiting.problem)


def leadership(url: PostgresUrl, password: Secret | None, name: str, lease: float) -> "Leadership":
    """Return the way of this process to leading on a database. Raises ConfigError without the driver."""
    try:
        from exporter.store.postgresql.leadership import Leadership  # the driver is an extra
    except ImportError as error:
        raise ConfigError(_NO_DRIVER) from error
    return Leadership(url, password, name, lease)
