"""Keeps what was counted: totals, remembered keys and progress, all changed together or not at all. Decides nothing."""

from exporter.model.protocols import Store
from exporter.store.sqlite_store import open_sqlite
from exporter.store.url import StoreUrl, check_store, parse_store

__all__ = ["StoreUrl", "check_store", "open_store", "parse_store"]


async def open_store(url: str) -> Store:
    """The store of a configuration's ``store:`` line, ready to be asked.

    Raises ConfigError if the line cannot be used, StoreError if what it names cannot.
    """
    return await open_sqlite(check_store(url))
