"""A secret value that never shows itself; one that comes from a file is read again when the file changes."""

from pathlib import Path

from exporter.model.errors import KeysRefused


class Secret:
    """Reads a secret where it lives. ``str()`` and ``repr()`` show asterisks; only ``reveal()`` gives the value."""

    def __init__(self, text: str | None = None, path: Path | None = None) -> None:
        self._text, self._path, self._stamp = text, path, (0, 0, 0)

    def reveal(self) -> str:
        """The current value, without the newline that editors leave. Raises KeysRefused if its file went away."""
        if self._path is not None:
            try:
                stat = self._path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if self._text is None or stamp != self._stamp:
                    self._text, self._stamp = self._path.read_text("utf-8").strip(), stamp
            except (OSError, UnicodeDecodeError) as error:
                # from None: a decoding error carries the whole content
                raise KeysRefused(f"{self._path}: cannot read the secret ({_short(error)}); mount it again") from None
        return self._text or ""

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def _short(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
