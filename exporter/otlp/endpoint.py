"""How one signal is sent by OTLP: address, protocol, headers and certificates.

Reads files, sends nothing.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from exporter.common.secret import Secret
from exporter.common.tls import make_tls_context
from exporter.model.errors import ConfigError, SourceDenied

Protocol = Literal["http/protobuf", "http/json"]
CONTENT: Mapping[Protocol, str] = {"http/protobuf": "application/x-protobuf", "http/json": "application/json"}


class OtlpEndpoint(msgspec.Struct, frozen=True):
    """The receiver of one signal.

    ``url`` is the whole address. ``headers_file`` holds more headers, which override ``headers``. ``timeout`` is for
    one step of a request, in seconds. ``certificate`` is the authority to trust; ``client_certificate`` and
    ``client_key`` identify this exporter.
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
        """Return the files of certificates and keys that are configured."""
        return tuple(path for path in (self.certificate, self.client_certificate, self.client_key) if path)


def read_headers(text: str) -> dict[str, str]:
    """Read headers, one ``Name: value`` a line, comments after ``#``.

    Raises ValueError, which repeats no value.
    """
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
    """Return whether HTTP can carry the header."""
    word = name.isascii() and name != "" and all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in name)
    return word and value.isascii() and value.isprintable()


def receiver_tls_context(endpoint: OtlpEndpoint) -> ssl.SSLContext:
    """Make the TLS context of an endpoint.

    Raises ConfigError for a file that cannot be used.
    """
    try:
        context = make_tls_context(endpoint.certificate, alone=True)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"otlp.certificate: {endpoint.certificate}: {_PEM} ({_short(error)})") from error
    if endpoint.client_certificate is not None:
        try:
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            name = f"otlp.client_certificate: {endpoint.client_certificate}"
            raise ConfigError(f"{name}: {_PAIR} ({_short(error)})") from error
    return context


_PEM = "is no certificate in PEM form; name the file of the authority that signed the receiver's"
_PAIR = "does not go with otlp.client_key, or is not in PEM form; name a certificate and its key without a password"


def _no_password() -> str:
    """Refuse a key with a password.

    Without this function the library would ask at the terminal.
    """
    raise ssl.SSLError(0, "the key has a password")


def _short(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__


class Headers:
    """The headers of an endpoint; those of a file are read again when it changes."""

    def __init__(self, endpoint: OtlpEndpoint) -> None:
        self._headers = endpoint.headers
        self._path = endpoint.headers_file
        self._file = Secret(path=endpoint.headers_file) if endpoint.headers_file else None

    def current(self) -> dict[str, str]:
        """Return the headers to send now.

        Raises ConfigError if the file is gone or holds no headers.
        """
        found = {name.lower(): secret.reveal() for name, secret in self._headers.items()}
        if self._file is None:
            return found
        try:
            return {**found, **read_headers(self._file.reveal())}
        except ValueError as error:
            raise ConfigError(f"otlp.headers_file: {self._path}: {error}") from None
        except SourceDenied as error:
            raise ConfigError(f"otlp.headers_file: {error}") from None
