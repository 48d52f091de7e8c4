"""Errors of PostgreSQL and of the way to it, as one line that says where, what and the cure."""

import asyncio
import os
import ssl
from collections.abc import Awaitable
from typing import TypeVar

import asyncpg

from exporter.common.text import one_line
from exporter.model.errors import StoreError, StoreUnusable
from exporter.store.postgresql.url import PostgresUrl

_LOGIN = "28"
"""Class of the codes for refused logins."""

_NO_TLS = "rejected SSL upgrade"  # the driver's words; it has no class for it
_TEXTS = {
    "25006": "is a read-only replica; name the primary, or add target_session_attrs=read-write to the URL",
    "53100": "the disk of the database is full; make room",
    "53300": "the database has no connection left; raise max_connections, or end other programs",
    "55P03": "another transaction keeps the lease locked; it ends by itself within seconds",
    "57P01": "the database shuts down",
    "57P03": "the database starts or shuts down",
    "42P01": "its tables are gone; restore a backup",
    "3F000": "its schema is gone; restore a backup",
}
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
)
"""What a connection or a statement can raise. ``ssl.SSLError`` is an OSError."""

T = TypeVar("T")


async def asked(answer: Awaitable[T]) -> T:
    """Await an answer of the driver, which raises one of ``CONNECTION_ERRORS`` and nothing else.

    The driver reads answers that break the protocol as they come. What it stumbles over then has no class of its own.
    """
    try:
        return await answer
    except CONNECTION_ERRORS:
        raise
    except Exception as error:
        raise asyncpg.InternalClientError(f"no answer of PostgreSQL: {type(error).__name__}: {error}") from error


def store_error(url: PostgresUrl, error: BaseException) -> StoreError:
    """Convert one of ``CONNECTION_ERRORS`` to a StoreError; where a person must act first, to a StoreUnusable."""
    where, code = f"store {url.where}", str(getattr(error, "sqlstate", None) or "")
    if code.startswith(_LOGIN):
        return StoreUnusable(
            f"{where}: the login of {url.user} was refused; check the user, and the password in store_password_file"
            f" ({_short(error)})"
        )
    if code == "3D000":
        return StoreUnusable(
            f"{where}: there is no such database; run CREATE DATABASE {ident(url.database)} OWNER {ident(url.user)}"
        )
    if code == "42501":
        return StoreUnusable(f"{where}: a right is missing ({_short(error)}); {grant(url)}")
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError | ssl.SSLCertVerificationError):
        return StoreUnusable(
            f"{where}: the connection is not as configured ({_short(error)}); check sslmode and its files"
        )
    if code in _TEXTS:
        return StoreError(f"{where}: {_TEXTS[code]}")
    if isinstance(error, OSError):
        return _unreachable(url, error)
    return StoreError(f"{where}: the database refused it ({_short(error)})")


def _unreachable(url: PostgresUrl, error: OSError) -> StoreError:
    where = f"store {url.where}"
    if isinstance(error, TimeoutError):
        return StoreError(f"{where}: the database did not answer in time; check it and the way to it")
    if _NO_TLS in str(error):
        if (url.option("sslmode") or os.environ.get("PGSSLMODE", "prefer")) == "prefer":  # takes no encryption as well
            return StoreError(f"{where}: what answers there is no PostgreSQL; check host and port")
        return StoreUnusable(
            f"{where}: the database takes no encrypted connections; set ssl = on there, or sslmode=disable in the URL"
        )
    return StoreError(f"{where}: the database cannot be reached ({_reason(error)}); check it and the way to it")


def grant(url: PostgresUrl) -> str:
    """Return the statements that give the user its rights in an existing schema."""
    schema, user = ident(url.schema), ident(url.user)
    tables = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}"
    return f"run GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}; {tables}"


def ident(name: str) -> str:
    """Quote a name of the database."""
    return '"' + name.replace('"', '""') + '"'


def _reason(error: OSError) -> str:
    """Return the reason of a failed connection, in the words of the system where it has any."""
    number = error.errno or 0
    return os.strerror(number).lower() if number > 0 else _short(error) or type(error).__name__


def _short(error: BaseException) -> str:
    return one_line(str(error), 200)
