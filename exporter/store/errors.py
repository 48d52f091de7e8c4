"""Errors of SQLite as one line that says where, what and the cure."""

import sqlite3

import msgspec

from exporter.model.errors import StoreError, StoreUnusable

PERMISSION = "give the exporter's user the right to write the file and its folder"
DAMAGED = "is damaged or no state file; put a backup in its place, or move it away and begin a new history"
_LOCKED = "another program keeps it locked; end that program"
_TEXTS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk refused it; check its space, quota and health",
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: f"cannot be written; make its disk writable, or {PERMISSION}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; {PERMISSION}",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
_UNUSABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DATABASE_ERRORS = (sqlite3.Error, OverflowError, msgspec.DecodeError)
"""What work on a state file can raise: errors of SQLite, numbers beyond 64 bits, text that is not ours."""


def store_error(where: str, error: Exception) -> StoreError:
    """Convert ``error``, one of ``DATABASE_ERRORS``, to a StoreError; of damage, to a StoreUnusable.

    What was committed before the error is safe.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind of error, the others say more
    if isinstance(error, msgspec.DecodeError) or code in _UNUSABLE:
        return StoreUnusable(f"{where}: {DAMAGED} ({error})")
    return StoreError(f"{where}: {_TEXTS.get(code, 'cannot be used')} ({error})")
