"""Reads the web configuration file (a subset of the Prometheus exporter toolkit's): TLS, users, headers. Opens no port.

Anything that is not understood is refused: a key passed over could be the one that was to close the door.
"""

import ssl
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exporter.common.yaml_document import Document, Path_, read_document
from exporter.model.errors import ConfigError

TLS, USERS, HTTP = "tls_server_config", "basic_auth_users", "http_server_config"
SECTIONS = (TLS, USERS, HTTP)
TLS_KEYS = ("cert_file", "key_file", "client_ca_file", "client_auth_type", "client_allowed_sans", "min_version")
AUTH_TYPES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
HEADERS = ("Strict-Transport-Security", "X-Frame-Options", "X-XSS-Protection")
BCRYPT = ("$2a$", "$2b$", "$2y$")
HASH_LENGTH = 60


class Tls(msgspec.Struct, frozen=True):
    """How connections are encrypted, and which client certificates are let in. ``client_auth``: a key of AUTH_TYPES."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_auth: str = "NoClientCert"
    allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"


class WebConfig(msgspec.Struct, frozen=True):
    """What guards the port: TLS or none, bcrypt hashes by user, headers of every answer."""

    tls: Tls | None = None
    users: Mapping[str, bytes] = {}
    headers: Mapping[str, str] = {}


class _Wrong(NamedTuple):
    path: Path_
    text: str


def read_protection(path: Path) -> WebConfig:
    """The content of a web configuration file; its certificates can be loaded. Raises ConfigError, one line a problem."""
    try:
        document = read_document(path)
    except ConfigError as error:
        raise ConfigError([_without_hashes(line) for line in error.problems]) from None
    wrong = sorted(_wrong(document.data), key=lambda problem: document.line(problem.path))
    if wrong:
        raise ConfigError([f"{document.where(problem.path)}: {problem.text}" for problem in wrong])
    protection = _protection(document.data, path.parent)
    if protection.tls is not None:
        _check_files(protection.tls, document)
    return protection


def make_context(tls: Tls) -> ssl.SSLContext:
    """What a server encrypts with. Raises OSError, also for files that hold something else (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[tls.min_version]
    context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")  # an encrypted key must not ask for one
    if tls.client_ca_file is not None:
        context.load_verify_locations(tls.client_ca_file)
    context.verify_mode = AUTH_TYPES[tls.client_auth]
    return context


def _check_files(tls: Tls, document: Document) -> None:
    """Raises ConfigError if they cannot be used, and says which of them it is."""
    given = (("cert_file", tls.cert_file), ("key_file", tls.key_file), ("client_ca_file", tls.client_ca_file))
    for key, file in given:
        try:
            if file is not None:
                file.read_bytes()
        except OSError as error:
            place = document.where((TLS, key))
            what = f"{file} cannot be read ({error.strerror}); check the path and its permissions"
            raise ConfigError(f"{place}: {what}") from None
    try:
        make_context(msgspec.structs.replace(tls, client_ca_file=None, client_auth="NoClientCert"))
    except OSError:
        place, what = document.where((TLS, "cert_file")), "is no PEM certificate with the unencrypted key of key_file"
        raise ConfigError(f"{place}: {what}; correct one of the two") from None
    try:
        make_context(tls)
    except OSError:
        place = document.where((TLS, "client_ca_file"))
        raise ConfigError(f"{place}: holds no certificate in PEM form; write the CA that signs the clients'") from None


def _wrong(data: Any) -> Iterator[_Wrong]:
    if not data:
        yield _Wrong((), f"says nothing; write {TLS} or {USERS}, or remove web.config_file")
        return
    if not isinstance(data, dict):
        yield _Wrong((), f"must be a mapping; begin with {TLS}: or {USERS}:")
        return
    yield from _unknown(data, (), SECTIONS)
    for section, look in ((TLS, _wrong_tls), (USERS, _wrong_users), (HTTP, _wrong_http)):
        if section in data:
            if isinstance(data[section], dict) and data[section]:
                yield from look(data[section])
            else:
                yield _Wrong((section,), "must hold keys and values; write them, or remove the section")


def _wrong_tls(given: Mapping[str, Any]) -> Iterator[_Wrong]:
    yield from _unknown(given, (TLS,), TLS_KEYS)
    for key in ("cert_file", "key_file"):
        if key not in given:
            yield _Wrong((TLS,), f"{key} is missing; write the path of a PEM file")
    for key in ("cert_file", "key_file", "client_ca_file"):
        if key in given and not (isinstance(given[key], str) and given[key]):
            yield _Wrong((TLS, key), "must be the path of a PEM file")
    for key, known in (("client_auth_type", AUTH_TYPES), ("min_version", VERSIONS)):
        if key in given and (not isinstance(given[key], str) or given[key] not in known):
            yield _Wrong((TLS, key), f"is none of those supported here; write {' or '.join(known)}")
    sans = given.get("client_allowed_sans", ["-"])
    if not isinstance(sans, list) or not sans or not all(isinstance(name, str) and name for name in sans):
        yield _Wrong((TLS, "client_allowed_sans"), "must be a list of names; write [prometheus.example.com]")
    yield from _clients(given)


def _clients(given: Mapping[str, Any]) -> Iterator[_Wrong]:
    """Parts of client authentication that make no sense without another."""
    asked = given.get("client_auth_type", "NoClientCert") != "NoClientCert"
    if asked and "client_ca_file" not in given:
        yield _Wrong((TLS, "client_auth_type"), "needs client_ca_file, the CA that signs the clients' certificates")
    for key in ("client_ca_file", "client_allowed_sans"):
        if key in given and not asked:
            yield _Wrong((TLS, key), "has no effect without client_auth_type; write RequireAndVerifyClientCert there")


def _wrong_users(given: Mapping[str, Any]) -> Iterator[_Wrong]:
    for user, hashed in given.items():
        if not user or ":" in user:
            yield _Wrong((USERS,), "a name is empty or holds ':'; write NAME: HASH with a blank after the ':'")
        elif not isinstance(hashed, str) or not hashed.startswith(BCRYPT) or len(hashed) != HASH_LENGTH:
            yield _Wrong((USERS, user), "is no bcrypt hash; make one with: htpasswd -nBC 10 NAME")


def _wrong_http(given: Mapping[str, Any]) -> Iterator[_Wrong]:
    yield from _unknown(given, (HTTP,), ("headers", "http2"))
    if given.get("http2", False) is not False:
        yield _Wrong((HTTP, "http2"), "this port speaks HTTP/1.1; write false or remove the key")
    headers = given.get("headers", {})
    if not isinstance(headers, dict):
        yield _Wrong((HTTP, "headers"), "must hold keys and values; write them, or remove the section")
        return
    for name, value in headers.items():
        if name not in HEADERS:
            yield _Wrong((HTTP, "headers"), f"a name is not to be set here; known here: {', '.join(HEADERS)}")
        elif not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            yield _Wrong((HTTP, "headers", name), "must be one line of text; put it in quotes")


def _unknown(given: Mapping[str, Any], path: Path_, known: tuple[str, ...]) -> Iterator[_Wrong]:
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, 1, 0.6)
            advice = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
            # a value may stand where a key should be: {alice:HASH}, without the blank, is one key to YAML
            known_word = len(key) <= 40 and key.isidentifier()
            place, word = ((*path, key), "key") if known_word else (path, "key '***'")
            yield _Wrong(place, f"unknown {word}; {advice}")


def _protection(data: Mapping[str, Any], folder: Path) -> WebConfig:
    tls, users, http = (data.get(section, {}) for section in SECTIONS)
    return WebConfig(
        tls=_tls(tls, folder) if tls else None,
        users={user: hashed.encode() for user, hashed in users.items()},
        headers=http.get("headers", {}),
    )


def _tls(given: Mapping[str, Any], folder: Path) -> Tls:
    ca = given.get("client_ca_file")
    return Tls(
        cert_file=folder / given["cert_file"],
        key_file=folder / given["key_file"],
        client_ca_file=None if ca is None else folder / ca,
        client_auth=given.get("client_auth_type", "NoClientCert"),
        allowed_sans=tuple(given.get("client_allowed_sans", ())),
        min_version=given.get("min_version", "TLS12"),
    )


def _without_hashes(line: str) -> str:
    """What YAML trips over may be part of a hash; it stands between quotes then."""
    head, quote, rest = line.partition("'")
    return f"{head}'***'{rest.rpartition(quote)[2]}" if quote and "$" in rest else line
