"""Keeps the protection of the port as its file says now: read again when a file changes, the last good one if it cannot be."""

import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from exporter.model.errors import ConfigError
from exporter.web.security.web_config import Tls, WebConfig, make_context, read_protection

Stamp = tuple[tuple[int, int, int] | None, ...]
Said = Mapping[str, Any]
RESTART = "TLS begins or ends only with a restart; restart, or take the change back"


class LiveWebConfig:
    """What guards the port now. ``warn`` hears one line when a changed file cannot be used; the old content then stays."""

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        """Raises ConfigError if the file cannot be used: without what it asks for, no port opens."""
        self._path, self._warn = path, warn
        self._protection = WebConfig() if path is None else read_protection(path)
        self._context = _context(self._protection)
        self._stamp = self._look()

    @property
    def protection(self) -> WebConfig:
        """As the files say now."""
        if self._path is not None and (stamp := self._look()) != self._stamp:
            self._stamp = stamp
            self._renew(self._path)
        return self._protection

    def server_context(self) -> ssl.SSLContext | None:
        """A context for as long as the server lives: every new connection is made as the files say then."""
        if self._context is None:
            return None
        context = _Renewed(ssl.PROTOCOL_TLS_SERVER)
        context.now = self._now
        return context

    def lets_in(self, certificate: Said | None) -> bool:
        """Whether a peer with this certificate (as ``SSLSocket.getpeercert`` tells it) may speak at all."""
        tls = self._protection.tls
        if tls is None or not tls.allowed_sans or not certificate:
            return True
        return any(name in tls.allowed_sans for _, name in certificate.get("subjectAltName", ()))

    def _now(self) -> ssl.SSLContext:
        _ = self.protection  # looks at the files
        assert self._context is not None, "TLS never ends while the server lives"
        return self._context

    def _renew(self, path: Path) -> None:
        try:
            fresh = read_protection(path)
            if (fresh.tls is None) != (self._protection.tls is None):
                raise ConfigError(f"{path}: {RESTART}")
            self._context, self._protection = _context(fresh), fresh
        except ConfigError as error:
            for line in error.problems:
                self._warn(f"{line}; what was read before stays in force")
        except OSError:  # changed again between two looks: the next look finds it
            self._stamp = ()

    def _look(self) -> Stamp:
        return () if self._path is None else tuple(map(_stamp, (self._path, *_files(self._protection.tls))))


class _Renewed(ssl.SSLContext):
    """Makes each connection with the context of the moment: event loops ask nothing else of it."""

    now: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return self.now().wrap_bio(*arguments, **options)


def _context(protection: WebConfig) -> ssl.SSLContext | None:
    return None if protection.tls is None else make_context(protection.tls)


def _files(tls: Tls | None) -> Iterable[Path]:
    files = () if tls is None else (tls.cert_file, tls.key_file, tls.client_ca_file)
    return (file for file in files if file is not None)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
