"""A secret value that never shows itself.

One that comes from a file is read again when the file changes.
"""

import os
import stat
from pathlib import Path

from exporter.model.errors import KeysRefused

MAX_BYTES = 65_536
"""The largest file of a secret; tokens of identity providers take a few kilobytes."""


class Secret:
    """A secret read where it lives. ``str()`` and ``repr()`` show asterisks.

    Only ``reveal()`` gives the value.
    """

    def __init__(self, text: str | None = None, path: Path | None = None) -> None:
        self._text = text
        self._path = path
        self._stamp = (0, 0, 0)

    def reveal(self) -> str:
        """Return the current value, without the newline that editors leave.

        Only a regular file of at most ``MAX_BYTES`` is read: a pipe or a device would hang the process or fill its
        memory. Raises KeysRefused if the file is gone or is no such file.
        """
        if self._path is None:
            return self._text or ""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._text is None or stamp != self._stamp:
                self._text = _read(self._path).strip()
                self._stamp = stamp
        except (OSError, UnicodeDecodeError, ValueError) as error:
            # from None: a decoding error carries the whole content
            raise KeysRefused(f"{self._path}: cannot read the secret ({_reason(error)}); {_cure(error)}") from None
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class _NotASecret(ValueError):
    """A file that is not of the kind that secrets are kept in."""


def _read(path: Path) -> str:
    """Read a small regular file as text.

    Raises OSError, UnicodeDecodeError and _NotASecret.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _NotASecret("not a regular file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _NotASecret(f"larger than {MAX_BYTES // 1024} kB")
    return content.decode("utf-8")


def _reason(error: Exception) -> str:
    if isinstance(error, _NotASecret):
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__


def _cure(error: Exception) -> str:
    return "name a small text file" if isinstance(error, _NotASecret) else "mount it, or correct its path"
