"""The web configuration file: TLS, users and headers of the web port.

Its form is a subset of the Prometheus exporter toolkit's.

Unknown keys are errors: an ignored key could be the one that was to protect the port.
"""

import ssl
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exporter.common.yaml_document import Document, KeyPath, read_document
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
    """How connections are encrypted and which client certificates are allowed.

    ``client_auth`` is a key of AUTH_TYPES.
    """

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_auth: str = "NoClientCert"
    allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"


class WebConfig(msgspec.Struct, frozen=True):
    """TLS or None, bcrypt hashes by user, and headers of every answer."""

    tls: Tls | None = None
    users: Mapping[str, bytes] = {}
    headers: Mapping[str, str] = {}


class _Problem(NamedTuple):
    path: KeyPath
    text: str


def read_web_config(path: Path) -> WebConfig:
    """Read a web configuration file whose certificates can be loaded.

    Raises ConfigError, one line a problem.
    """
    try:
        document = read_document(path)
    except ConfigError as error:
        raise ConfigError([_without_hashes(line) for line in error.problems]) from None
    problems = sorted(_check(document.data), key=lambda problem: document.line(problem.path))
    if problems:
        raise ConfigError([f"{document.where(problem.path)}: {problem.text}" for problem in problems])
    config = _make_config(document.data, path.parent)
    if config.tls is not None:
        _check_files(config.tls, document)
    return config


def make_context(tls: Tls) -> ssl.SSLContext:
    """Make the TLS context of a server.

    Raises OSError, also for files of other content (ssl.SSLError is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[tls.min_version]
    context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")  # an encrypted key must not ask for one
    if tls.client_ca_file is not None:
        context.load_verify_locations(tls.client_ca_file)
    context.verify_mode = AUTH_TYPES[tls.client_auth]
    return context


def _check_files(tls: Tls, document: Document) -> None:
    """Raise ConfigError for the first file of ``tls`` that cannot be used."""
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


def _check(data: Any) -> Iterator[_Problem]:
    if not data:
        yield _Problem((), f"says nothing; write {TLS} or {USERS}, or remove web.config_file")
        return
    if not isinstance(data, dict):
        yield _Problem((), f"must be a mapping; begin with {TLS}: or {USERS}:")
        return
    yield from _check_keys(data, (), SECTIONS)
    for section, check in ((TLS, _check_tls), (USERS, _check_users), (HTTP, _check_http)):
        if section in data:
            if isinstance(data[section], dict) and data[section]:
                yield from check(data[section])
            else:
                yield _Problem((section,), "must hold keys and values; write them, or remove the section")


def _check_tls(given: Mapping[str, Any]) -> Iterator[_Problem]:
    yield from _check_keys(given, (TLS,), TLS_KEYS)
    for key in ("cert_file", "key_file"):
        if key not in given:
            yield _Problem((TLS,), f"{key} is missing; write the path of a PEM file")
    for key in ("cert_file", "key_file", "client_ca_file"):
        if key in given and not (isinstance(given[key], str) and given[key]):
            yield _Problem((TLS, key), "must be the path of a PEM file")
    for key, known in (("client_auth_type", AUTH_TYPES), ("min_version", VERSIONS)):
        if key in given and (not isinstance(given[key], str) or given[key] not in known):
            yield _Problem((TLS, key), f"is none of those supported here; write {' or '.join(known)}")
    sans = given.get("client_allowed_sans", ["-"])
    if not isinstance(sans, list) or not sans or not all(isinstance(name, str) and name for name in sans):
        yield _Problem((TLS, "client_allowed_sans"), "must be a list of names; write [prometheus.example.com]")
    yield from _check_clients(given)


def _check_clients(given: Mapping[str, Any]) -> Iterator[_Problem]:
    """Yield parts of client authentication that have no effect without another."""
    asked = given.get("client_auth_type", "NoClientCert") != "NoClientCert"
    if asked and "client_ca_file" not in given:
        yield _Problem((TLS, "client_auth_type"), "needs client_ca_file, the CA that signs the clients' certificates")
    for key in ("client_ca_file", "client_allowed_sans"):
        if key in given and not asked:
            yield _Problem((TLS, key), "has no effect without client_auth_type; write RequireAndVerifyClientCert there")


def _check_users(given: Mapping[str, Any]) -> Iterator[_Problem]:
    for user, hashed in given.items():
        if not user or ":" in user:
            yield _Problem((USERS,), "a name is empty or holds ':'; write NAME: HASH with a blank after the ':'")
        elif not isinstance(hashed, str) or not hashed.startswith(BCRYPT) or len(hashed) != HASH_LENGTH:
            yield _Problem((USERS, user), "is no bcrypt hash; make one with: htpasswd -nBC 10 NAME")


def _check_http(given: Mapping[str, Any]) -> Iterator[_Problem]:
    yield from _check_keys(given, (HTTP,), ("headers", "http2"))
    if given.get("http2", False) is not False:
        yield _Problem((HTTP, "http2"), "this port speaks HTTP/1.1; write false or remove the key")
    headers = given.get("headers", {})
    if not isinstance(headers, dict):
        yield _Problem((HTTP, "headers"), "must hold keys and values; write them, or remove the section")
        return
    for name, value in headers.items():
        if name not in HEADERS:
            yield _Problem((HTTP, "headers"), f"a name is not to be set here; known here: {', '.join(HEADERS)}")
        elif not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            yield _Problem((HTTP, "headers", name), "must be one line of text; put it in quotes")


def _check_keys(given: Mapping[str, Any], path: KeyPath, known: tuple[str, ...]) -> Iterator[_Problem]:
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, 1, 0.6)
            advice = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
            # a value may stand where a key should be: {alice:HASH}, without the blank, is one key to YAML
            known_word = len(key) <= 40 and key.isidentifier()
            place, word = ((*path, key), "key") if known_word else (path, "key '***'")
            yield _Problem(place, f"unknown {word}; {advice}")


def _make_config(data: Mapping[str, Any], folder: Path) -> WebConfig:
    tls, users, http = (data.get(section, {}) for section in SECTIONS)
    return WebConfig(
        tls=_make_tls(tls, folder) if tls else None,
        users={user: hashed.encode() for user, hashed in users.items()},
        headers=http.get("headers", {}),
    )


def _make_tls(given: Mapping[str, Any], folder: Path) -> Tls:
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
    """Hide the quoted part of a YAML error: it may be part of a password hash."""
    head, quote, rest = line.partition("'")
    return f"{head}'***'{rest.rpartition(quote)[2]}" if quote and "$" in rest else line
