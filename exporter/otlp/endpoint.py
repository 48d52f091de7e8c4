"""How one signal goes out by OTLP: where to, in which form, with which headers and certificates. Reads files, sends nothing."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from exporter.common.secret import Secret
from exporter.model.errors import ConfigError, SourceDenied

Protocol = Literal["http/protobuf", "http/json"]
CONTENT: Mapping[Protocol, str] = {"http/protobuf": "application/x-protobuf", "http/json": "application/json"}


class OtlpEndpoint(msgspec.Struct, frozen=True):
    """``url`` is the whole address. ``headers_file`` holds more headers, which come before ``headers``.

    ``timeout`` is for one request, in seconds. ``certificate`` is whom to trust; the other two say who we are.
    """

    signal: str
    url: str
    protocol: Protocol = "http/protobuf"
    headers: Mapping[str, Secret] = {}
    headers_file: Path | None = None
    gzip: bool = True
    timeout: float = 10.0
    certificate: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    def files(self) -> tuple[Path, ...]:
        """The files of its certificates."""
        return tuple(path for path in (self.certificate, self.client_certificate, self.client_key) if path)


def read_headers(text: str) -> dict[str, str]:
    """Headers of a file, one ``Name: value`` a line, ``#`` before a remark. Raises ValueError, without any value."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not colon or not is_header(name, value):
            raise ValueError(f"line {number} is no header; write one 'Name: value' a line")
        found[name.lower()] = value
    return found


def is_header(name: str, value: str) -> bool:
    """Whether HTTP can carry it."""
    word = name.isascii() and name != "" and all(sign.isalnum() or sign in "!#$%&'*+-.^_`|~" for sign in name)
    return word and value.isascii() and value.isprintable()


def trust(lane: OtlpEndpoint) -> ssl.SSLContext:
    """Whom to trust and who we are. Raises ConfigError for a file that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=str(lane.certificate) if lane.certificate else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"otlp.certificate: {lane.certificate}: {_PEM} ({_short(error)})") from error
    if lane.client_certificate is not None:
        try:
            context.load_cert_chain(lane.client_certificate, lane.client_key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            name = f"otlp.client_certificate: {lane.client_certificate}"
            raise ConfigError(f"{name}: {_PAIR} ({_short(error)})") from error
    return context


_PEM = "is no certificate in PEM form; name the file of the authority that signed the receiver's"
_PAIR = "does not go with otlp.client_key, or is not in PEM form; name a certificate and its key without a password"


def _no_password() -> str:
    """Without this the library would ask at the terminal."""
    raise ssl.SSLError(0, "the key has a password")


def _short(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__


class Headers:
    """The headers of a lane; those of a file are read again when it changes."""

    def __init__(self, lane: OtlpEndpoint) -> None:
        self._headers, self._path = lane.headers, lane.headers_file
        self._file = Secret(path=lane.headers_file) if lane.headers_file else None

    def current(self) -> dict[str, str]:
        """As they are to be sent now. Raises ConfigError if the file is gone or holds something else."""
        found = {name.lower(): secret.reveal() for name, secret in self._headers.items()}
        if self._file is None:
            return found
        try:
            return {**found, **read_headers(self._file.reveal())}
        except ValueError as error:
            raise ConfigError(f"otlp.headers_file: {self._path}: {error}") from None
        except SourceDenied as error:
            raise ConfigError(f"otlp.headers_file: {error}") from None
