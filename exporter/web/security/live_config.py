"""The web configuration in force: read again when one of its files changes.

The last good one stays where that fails.
"""

import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from exporter.model.errors import ConfigError
from exporter.web.security.web_config import Tls, WebConfig, make_context, read_web_config

Stamp = tuple[tuple[int, int, int] | None, ...]
PeerCertificate = Mapping[str, Any]
RESTART = "TLS begins or ends only with a restart; restart, or take the change back"


class LiveWebConfig:
    """The web configuration as its files say now.

    ``warn`` is called with one line when a changed file cannot be used; the former content then stays in force.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        """Read the file.

        Raises ConfigError if it cannot be used: no port opens without what it asks for.
        """
        self._path = path
        self._warn = warn
        self._current = WebConfig() if path is None else read_web_config(path)
        self._context = _make_context(self._current)
        self._stamp = self._read_stamp()

    @property
    def current(self) -> WebConfig:
        """The configuration, read again if a file has changed."""
        if self._path is not None and (stamp := self._read_stamp()) != self._stamp:
            self._stamp = stamp
            self._reload(self._path)
        return self._current

    def server_context(self) -> ssl.SSLContext | None:
        """Return a TLS context that encrypts each new connection as the files then say.

        None without TLS.
        """
        if self._context is None:
            return None
        context = _LiveContext(ssl.PROTOCOL_TLS_SERVER)
        context.current = self._current_context
        return context

    def allows(self, certificate: PeerCertificate | None) -> bool:
        """Return whether a peer with this certificate may connect.

        The certificate has the form of ``SSLSocket.getpeercert``.
        """
        tls = self._current.tls
        if tls is None or not tls.allowed_sans or not certificate:
            return True
        return any(name in tls.allowed_sans for _, name in certificate.get("subjectAltName", ()))

    def _current_context(self) -> ssl.SSLContext:
        _ = self.current  # reads changed files
        assert self._context is not None, "TLS never ends while the server lives"
        return self._context

    def _reload(self, path: Path) -> None:
        try:
            changed = read_web_config(path)
            if (changed.tls is None) != (self._current.tls is None):
                raise ConfigError(f"{path}: {RESTART}")
            self._context = _make_context(changed)
            self._current = changed
        except ConfigError as error:
            for line in error.problems:
                self._warn(f"{line}; what was read before stays in force")
        except OSError:  # changed again meanwhile: the next request reads it
            self._stamp = ()

    def _read_stamp(self) -> Stamp:
        return () if self._path is None else tuple(map(_file_stamp, (self._path, *_files(self._current.tls))))


class _LiveContext(ssl.SSLContext):
    """A context that hands each connection to the current one.

    Event loops call nothing but ``wrap_bio``.
    """

    current: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return self.current().wrap_bio(*arguments, **options)


def _make_context(config: WebConfig) -> ssl.SSLContext | None:
    return None if config.tls is None else make_context(config.tls)


def _files(tls: Tls | None) -> Iterable[Path]:
    files = () if tls is None else (tls.cert_file, tls.key_file, tls.client_ca_file)
    return (file for file in files if file is not None)


def _file_stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
