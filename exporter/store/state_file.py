"""The open SQLite file of one process, and the check that it is still the file that was opened.

SQLite goes on writing to a file that was deleted or replaced under it, and nobody would ever read that again. Before
every transaction the file and its write-ahead log are therefore compared with what was opened; that costs 5 us.
All methods run in the thread of the store.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from exporter.model.errors import StoreError
from exporter.store.bulk import Statement
from exporter.store.database import Connect, checkpoint, connect, connect_to_read, write
from exporter.store.errors import PERMISSION, store_error
from exporter.store.lock import PRIVATE, Age, age, lock
from exporter.store.url import StoreUrl

Identity = tuple[int, int]
"""Device and inode."""


class StateFile:
    """An open state file and its lock.

    ``where`` names the file in messages. ``problem`` is set while the file could only be opened for reading. ``notes``
    are sentences for the log about what was repaired.
    """

    def __init__(self, url: StoreUrl, open_: Connect = sqlite3.connect) -> None:
        """Open the file, or create it. Raises StoreError and sqlite3.Error."""
        self.where = ":memory:" if url.path is None else str(url.path)
        self.age: Age = "new" if url.path is None else age(url.path)
        self.problem: StoreError | None = None
        self.notes: list[str] = []
        self._url = url
        self._open = open_
        self._largest = 0
        self._file: Identity | None = None
        self._wal: Identity | None = None
        self._unsaved = False
        self._beside = () if url.path is None else tuple(Path(f"{url.path.resolve()}{end}") for end in ("-wal", "-shm"))
        with ExitStack() as closing:
            if url.path is not None:
                closing.enter_context(lock(url.path))
            self.database = self._connect_or_read()
            self._closing = closing.pop_all()

    def write(self, statements: Sequence[Statement]) -> None:
        """Execute ``statements`` in one transaction on a file that is still there. Raises StoreError, sqlite3.Error."""
        self._check()
        write(self.database, statements)
        if not self._unsaved:
            self._unsaved = True
            checkpoint(self.database)  # a copy of the file without its log holds something soon after a start

    def check(self) -> None:
        """Check the file, repair what can be repaired, and copy the log into it. Raises StoreError, sqlite3.Error."""
        self._check()
        if self._unsaved and checkpoint(self.database):
            self._unsaved = False

    def close(self) -> None:
        """Close the file and end its lock."""
        self.database.close()
        self._closing.close()

    def _check(self) -> None:
        path = self._url.path
        if path is None:
            return
        if self.problem is not None:
            self._open_again()
        try:
            found = os.stat(path)  # noqa: PTH116  half the time of Path.stat
        except FileNotFoundError:
            self._put_back(path)
            return
        except OSError as error:
            raise StoreError(f"{path}: cannot be found ({error.strerror}); {PERMISSION}") from error
        if (found.st_dev, found.st_ino) != self._file:
            raise StoreError(
                f"{path}: another file was put in its place; put the old one back, or restart the exporter"
            )
        if found.st_size < self._largest:
            self._check_size(found.st_size)
        self._largest = found.st_size
        if _identity(self._beside[0]) != self._wal:
            self._renew_log()

    def _check_size(self, size: int) -> None:
        """Distinguish a file that was cut short from one that was vacuumed. Raises StoreError."""
        try:
            pages = self.database.execute("PRAGMA page_count").fetchone()[0]
            page = self.database.execute("PRAGMA page_size").fetchone()[0]
            whole = size >= pages * page
        except sqlite3.DatabaseError:
            whole = False
        if not whole:
            raise StoreError(
                f"{self.where}: was cut short while in use; put a backup in its place and restart the exporter"
            )

    def _put_back(self, path: Path) -> None:
        """Write the whole state, which the open connection still reads, to ``path`` again. Raises StoreError.

        The new file gets its name only when it is complete, and never replaces a file that came there meanwhile. The
        old log leaves before that: SQLite would apply it to the new file.
        """
        part = path.with_name(f"{path.name}.part")
        try:
            part.unlink(missing_ok=True)
            part.touch(PRIVATE)
            self.database.execute("VACUUM INTO ?", [str(part)])
            for beside in self._beside:
                beside.unlink(missing_ok=True)
            os.link(part, path)
            part.unlink()
        except (OSError, sqlite3.Error) as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise StoreError(
                f"{path}: was deleted and cannot be written again ({error}); make its folder writable"
            ) from error
        self._connect_again()
        self.notes.append(
            f"{path}: was deleted while in use and has been written again, with everything that was in it"
        )

    def _renew_log(self) -> None:
        """Save what the deleted or replaced write-ahead log holds into the file, and begin a new log."""
        busy = self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError(f"{self.where}: its write-ahead log was deleted; end the programs that read the file")
        self._connect_again()
        self.notes.append(f"{self.where}: its write-ahead log was deleted while in use; nothing that it held is lost")

    def _connect_again(self) -> None:
        self.database.close()
        self.database = self._connect_or_read()
        if self.problem is not None:
            raise self.problem

    def _open_again(self) -> None:
        """Open for writing what could only be read until now. Raises StoreError."""
        path = self._url.path
        if path is not None and self._file != _identity(path):
            raise StoreError(f"{path}: is not the file that was read at the start; restart the exporter")
        self._connect_again()

    def _connect_or_read(self) -> sqlite3.Connection:
        """Connect to the file; where that fails but the file can be read, set ``problem`` and connect to read it."""
        path = self._url.path
        if path is not None:
            with suppress(OSError):  # SQLite says what is the matter
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE))
        try:
            database, self.problem = connect(self._url, self._open), None
        except sqlite3.Error as error:
            problem = store_error(self.where, error)
            if path is None or type(problem) is not StoreError:
                raise
            try:
                database, self.problem = connect_to_read(path, self._open), problem
            except sqlite3.Error:
                raise error from None
        if path is not None:
            for name in (path, *self._beside):  # never opened again: to close a file ends SQLite's locks on it
                with suppress(OSError):
                    name.chmod(PRIVATE)
            self._file = _identity(path)
            self._wal = _identity(self._beside[0])
            self._largest = path.stat().st_size
        return database


def _identity(path: Path) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
