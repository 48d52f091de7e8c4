"""The store of totals, seen keys and progress, all changed in one transaction or not at all."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.common.secret import Secret
from exporter.model.errors import ConfigError, StoreError
from exporter.store.copying import CopySource, CopyTarget
from exporter.store.database import stored_places
from exporter.store.postgresql.url import PostgresUrl
from exporter.store.retrying import CheckedStore, RetryingStore
from exporter.store.sqlite_copy import sqlite_source, sqlite_target
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
    "copy_source",
    "copy_target",
    "leadership",
    "open_store",
    "parse_store",
    "stored_places",
]

Place = StoreUrl | PostgresUrl
LEASE = 10.0  # seconds
_NO_DRIVER = "store: postgresql:// needs asyncpg; run pip install 'platform-events-exporter[postgresql]'"


async def open_store(
    url: str, password: Secret | None = None, lease: float = LEASE, at_once: int | None = None
) -> CheckedStore:
    """Open the store that the ``store:`` line of a configuration names; wait while another process has it.

    Raises ConfigError if the line cannot be used, StoreUnusable if a person must act first, else StoreError.
    """
    place = check_store(url)
    if isinstance(place, PostgresUrl):
        candidate = leadership(place, password, "", lease, at_once)
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


def copy_source(
    place: Place, password: Secret | None, note: Callable[[str], None]
) -> AbstractAsyncContextManager[CopySource]:
    """Open a store that a copy reads, and keep every exporter out of it. ``note`` is told what is waited for.

    Raises ConfigError without the driver, StoreUnusable if there is none or it is in use, else StoreError.
    """
    if not isinstance(place, PostgresUrl):
        return sqlite_source(place)
    try:
        from exporter.store.postgresql.copy import postgres_source
    except ImportError as error:
        raise ConfigError(_NO_DRIVER) from error
    return postgres_source(place, password, note)


def copy_target(
    place: Place, password: Secret | None, note: Callable[[str], None]
) -> AbstractAsyncContextManager[CopyTarget]:
    """Open an empty store that a copy fills: as a whole, or not at all if the block raises.

    Raises ConfigError without the driver, StoreUnusable if it is in use or not empty, else StoreError.
    """
    if not isinstance(place, PostgresUrl):
        return sqlite_target(place)
    try:
        from exporter.store.postgresql.copy import postgres_target
    except ImportError as error:
        raise ConfigError(_NO_DRIVER) from error
    return postgres_target(place, password, note)


def _raise_problem(waiting: "Waiting") -> None:
    if waiting.problem:
        raise StoreError(waiting.problem)


def leadership(
    url: PostgresUrl, password: Secret | None, name: str, lease: float, at_once: int | None = None
) -> "Leadership":
    """Return the way of this process to leading on a database. Raises ConfigError without the driver.

    Of more than ``at_once`` keys, those of a watch are loaded when it is first asked.
    """
    try:
        from exporter.store.postgresql.leadership import Leadership  # the driver is an extra
    except ImportError as error:
        raise ConfigError(_NO_DRIVER) from error
    return Leadership(url, password, name, lease, **({} if at_once is None else {"at_once": at_once}))
