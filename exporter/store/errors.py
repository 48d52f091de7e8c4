"""Says what is wrong with a state file in one line: where, what, cure. Decides nothing."""

import sqlite3

import msgspec

from exporter.model.errors import StoreError

RIGHTS = "give the exporter's user the right to write the file and its folder"
DAMAGED = "is damaged or no state file; put a backup in its place, or move it away and begin a new history"
_LOCKED = "another program keeps it locked; end that program and start again"
_TOLD = {
    sqlite3.SQLITE_FULL: "the disk is full; make room and start again",
    sqlite3.SQLITE_IOERR: "the disk refused it; check its space, quota and health, then start again",
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: f"cannot be written; {RIGHTS}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; {RIGHTS}",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
FOREIGN = (sqlite3.Error, OverflowError, msgspec.DecodeError)
"""What work on a state file can raise: SQLite's errors, numbers beyond 64 bits, text that is not ours."""


def store_error(where: str, error: Exception) -> StoreError:
    """``error``, one of ``FOREIGN``, in our words. What was committed before it is safe."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest says more of it
    garbled = isinstance(error, msgspec.DecodeError)
    return StoreError(f"{where}: {DAMAGED if garbled else _TOLD.get(code, 'cannot be used')} ({error})")
