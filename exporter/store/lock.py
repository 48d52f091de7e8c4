"""Lets one process at a time use a state file; the system itself ends the lock with the process, however that ends."""

import fcntl
from pathlib import Path
from typing import BinaryIO, Literal

from exporter.model.errors import StoreError
from exporter.store.errors import RIGHTS


def age(path: Path) -> Literal["kept", "new", "lost"]:
    """Whether there is a state file, none yet, or none any more: the file beside it outlives it."""
    if path.exists():
        return "kept"
    return "lost" if Path(f"{path.resolve()}.lock").exists() else "new"


def lock(path: Path) -> BinaryIO:
    """Locks ``path`` by a file beside it until what is returned is closed. Raises StoreError if another holds it.

    SQLite's own locks would let a second exporter in between two commits, or else keep every backup out.
    The file beside is never removed: whoever opened it just before would then hold a lock that nobody else can see.
    """
    name = f"{path.resolve()}.lock"  # one file may have several names
    try:
        beside = Path(name).open("ab")  # noqa: SIM115
    except OSError as error:
        raise StoreError(f"{name}: cannot be made ({error.strerror}); {RIGHTS}") from error
    try:
        fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        beside.close()
        if isinstance(error, BlockingIOError):
            raise StoreError(f"{path}: another process uses it; stop that one, or give each its own file") from error
        raise StoreError(f"{name}: cannot be locked ({error.strerror}); keep it on a disk that knows locks") from error
    return beside
