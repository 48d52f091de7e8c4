"""The store of totals, seen keys and progress, all changed in one transaction or not at all."""

from exporter.store.database import stored_places
from exporter.store.retrying import RetryingStore
from exporter.store.sqlite_store import SqliteStore, open_sqlite
from exporter.store.url import StoreUrl, check_store, parse_store

__all__ = ["RetryingStore", "SqliteStore", "StoreUrl", "check_store", "open_store", "parse_store", "stored_places"]


async def open_store(url: str) -> SqliteStore:
    """Open the store that the ``store:`` line of a configuration names.

    Raises ConfigError if the line cannot be used, StoreUnusable if a person must act first, else StoreError.
    """
    return await open_sqlite(check_store(url))
