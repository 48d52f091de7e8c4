"""One process at a time for a state file: a lock that the system ends together with the process."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from exporter.model.errors import StoreError, StoreUnusable
from exporter.store.errors import PERMISSION

Age = Literal["kept", "new", "lost"]
PRIVATE = 0o600  # mode of the state file and of every file beside it


def age(path: Path) -> Age:
    """Return whether the state file exists, never existed, or is gone or empty.

    The lock file beside it is never removed, so a lock file without a state means that the state was lost.
    """
    if path.exists() and path.stat().st_size:
        return "kept"
    return "lost" if lock_path(path).exists() else "new"


def lock_path(path: Path) -> Path:
    """Return the name of the lock file of a state file; the same for all links to that file."""
    return Path(f"{path.resolve()}.lock")


def lock(path: Path) -> BinaryIO:
    """Lock ``path`` by a file beside it, until the returned file is closed.

    SQLite's own locks do not serve: they would either let a second exporter commit between two commits of this one, or
    keep every backup out. The lock file is never removed: whoever opened it just before would hold a lock that nobody
    else can see. Raises StoreUnusable if another process holds the lock, StoreError if it cannot be made.
    """
    name = lock_path(path)
    try:
        file = _open(name)
    except OSError as error:
        raise StoreError(f"{name}: cannot be made ({error.strerror}); {PERMISSION}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError):
            raise StoreUnusable(f"{path}: another process uses it; stop that one, or give each its own file") from error
        raise StoreUnusable(
            f"{name}: cannot be locked ({error.strerror}); keep it on a disk that knows locks"
        ) from error
    with suppress(OSError):  # the file of another user
        os.fchmod(file.fileno(), PRIVATE)
    return file


def _open(name: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE), "ab")
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return name.open("rb")  # a disk that became read-only: its state can still be read
