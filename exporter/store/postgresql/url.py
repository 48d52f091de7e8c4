"""The place of the database, read from the ``store:`` line of the configuration; connects to nothing.

No message repeats more of the line than the names of its options: the line may hold a password.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from exporter.model.errors import ConfigError

SCHEMES = ("postgresql", "postgres")
EXAMPLE = "postgresql://USER@HOST:5432/DATABASE"
DEFAULT_SCHEMA = "platform_events"
_PORT = 5432
_OPTIONS: dict[str, tuple[str, ...]] = {
    "schema": (),
    "host": (),
    "port": (),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslrootcert": (),
    "sslcert": (),
    "sslkey": (),
    "target_session_attrs": ("any", "read-write", "primary"),
}
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(?::(\d{1,5}))?")


class PostgresUrl(NamedTuple):
    """A database and the schema in it.

    ``hosts`` are pairs of a host, or of the folder of a socket, and a port. ``options`` are those that the driver
    takes. ``where`` names the database in messages. ``password`` is None where a file or the environment has it.
    """

    hosts: tuple[tuple[str, int], ...]
    database: str
    user: str
    password: str | None
    schema: str
    options: tuple[tuple[str, str], ...]

    @property
    def where(self) -> str:
        """The hosts and the database, for messages."""
        return f"{','.join(f'{host}:{port}' for host, port in self.hosts)}/{self.database}"

    @property
    def dsn(self) -> str:
        """The address without the password, as the driver reads it."""
        hosts = ",".join(f"{quote(host, safe='[]:')}:{port}" for host, port in self.hosts)  # a folder is quoted
        options = f"?{urlencode(self.options)}" if self.options else ""
        return f"postgresql://{quote(self.user, safe='')}@{hosts}/{quote(self.database, safe='')}{options}"

    def option(self, name: str) -> str | None:
        """Return the value of an option; None if it is not stated."""
        return dict(self.options).get(name)


def parse_postgres(url: str) -> PostgresUrl:
    """Parse ``postgresql://user[:password]@host[:port][,…]/database[?options]``. Raises ConfigError."""
    rest, _, query = url.partition("://")[2].partition("?")
    options = _read_options(query)
    authority, _, database = rest.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, has_password, password = login.partition(":")
    if not user:
        raise ConfigError(f"store: the database URL names no user; write {EXAMPLE}")
    if not database or "/" in database:
        raise ConfigError(f"store: the database URL names no database; write {EXAMPLE}")
    schema = options.pop("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise ConfigError("store: schema is no plain name; write lower-case letters, digits and _")
    return PostgresUrl(
        hosts=_read_hosts(hosts, options.pop("host", ""), options.pop("port", "")),
        database=unquote(database),
        user=unquote(user),
        password=unquote(password) if has_password else None,
        schema=schema,
        options=tuple(options.items()),
    )


def _read_hosts(text: str, folder: str, folder_port: str) -> tuple[tuple[str, int], ...]:
    """Read the hosts before the path, or the folder of a socket from the options."""
    if text and (folder or folder_port):
        raise ConfigError("store: the database URL names a host twice; leave the options host and port away")
    if folder:
        if not folder.startswith("/") or not (folder_port or "0").isdecimal():
            raise ConfigError("store: host is no folder of a socket; write ?host=/var/run/postgresql")
        return ((folder, int(folder_port or _PORT)),)
    hosts = []
    for part in text.split(","):
        found = _HOST.fullmatch(part)
        port = int(found[2] or _PORT) if found else 0
        if found is None or not 0 < port < 65536:
            raise ConfigError(f"store: the database URL names no host and port; write {EXAMPLE}")
        hosts.append((found[1], port))
    return tuple(hosts)


def _read_options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise ConfigError(f"store: unknown option {name} (known: {', '.join(_OPTIONS)})")
        known = _OPTIONS[name]
        if not value or (known and value not in known):
            raise ConfigError(f"store: {name} takes {', '.join(known) or 'a value'}")
        options[name] = value
    return options
