"""The one connection to the database, opened again when it broke, and transactions on it.

Statements are never sent ahead of an answer: a process that is paused within a transaction would otherwise keep its
locks for as long as it is paused. Nothing is prepared or set beyond a transaction, so that a pooler may stand between.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from exporter.common.secret import Secret
from exporter.common.tls import make_tls_context
from exporter.model.errors import KeysRefused, StoreError, StoreUnusable
from exporter.store.postgresql.errors import CONNECTION_ERRORS, asked, store_error
from exporter.store.postgresql.url import PostgresUrl

Record = Sequence[Any]
Execute = Callable[..., Awaitable[Sequence[Record]]]
"""Executes one statement with its arguments; returns its rows."""

_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '4s';"
    " SET LOCAL lock_timeout = '4s'"
)


class InDoubt(StoreError):
    """The connection broke while a transaction was being committed: it may have been made, or not."""


class Connection:
    """A connection to ``url`` that is opened when it is needed. ``timeout`` bounds the opening and each transaction."""

    def __init__(self, url: PostgresUrl, password: Secret | None, timeout: float) -> None:
        self.url = url
        self._password = password
        self._timeout = timeout
        self._open: Any = None
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def transaction(self, limit: float | None = None) -> AsyncIterator[Execute]:
        """Begin a transaction; commit it at the end of the block, or undo it if the block raises.

        It takes at most ``limit`` seconds, with the opening of the connection. Raises StoreError; then nothing has
        changed. Raises InDoubt if only the end of the commit is not known.
        """
        committing = False
        async with self._lock:
            try:
                async with asyncio.timeout(limit or self._timeout):
                    connection = await self._connected()
                    await asked(connection.execute(_BEGIN))
                    yield lambda *statement: asked(connection.fetch(*statement))
                    committing = True
                    await asked(connection.execute("COMMIT"))
            except BaseException as error:
                lost = await self._undo(error)
                if not isinstance(error, CONNECTION_ERRORS):
                    raise
                if committing and lost:
                    raise InDoubt(str(store_error(self.url, error))) from error
                raise store_error(self.url, error) from error

    async def close(self) -> None:
        """Close the connection, without waiting long for a server that does not answer."""
        if self._open is not None:
            with contextlib.suppress(*CONNECTION_ERRORS):
                async with asyncio.timeout(1.0):
                    await asked(self._open.close())
            self.terminate()

    def terminate(self) -> None:
        """Break the connection off; the next transaction opens another one."""
        if self._open is not None:
            self._open.terminate()
            self._open = None

    async def _undo(self, error: BaseException) -> bool:
        """Undo a transaction that failed; return whether the connection was lost."""
        usable = isinstance(error, asyncpg.PostgresError) and self._open is not None and not self._open.is_closed()
        if not usable and isinstance(error, StoreError):
            usable = self._open is not None and not self._open.is_closed()
        if usable:
            with contextlib.suppress(*CONNECTION_ERRORS):
                async with asyncio.timeout(1.0):
                    await asked(self._open.execute("ROLLBACK"))
                return False
        self.terminate()
        return True

    async def _connected(self) -> Any:
        if self._open is None or self._open.is_closed():
            self._open = None
            self._open = await self._connect()
        return self._open

    async def _connect(self) -> Any:
        """Open a connection; one that was opened as the wait for it ended is closed."""
        opening = asyncio.create_task(
            asyncpg.connect(
                self.url.dsn,
                password=self._reveal(),
                timeout=self._timeout,
                statement_cache_size=0,
                ssl=system_authorities(self.url),
                server_settings={"application_name": "platform-events-exporter"},
            )
        )
        try:
            return await asked(opening)
        except BaseException:
            opening.cancel()
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().terminate()
            raise

    def _reveal(self) -> str | None:
        """Return the password; a file is read again when it changes. Raises StoreUnusable."""
        try:
            return self._password.reveal() if self._password else self.url.password
        except KeysRefused as error:
            raise StoreUnusable(f"store_password_file: {error}") from error


def system_authorities(url: PostgresUrl) -> ssl.SSLContext | None:
    """Return a context with the authorities of this system, where the URL names none of its own but wants a check."""
    mode = url.option("sslmode")
    if mode not in ("verify-ca", "verify-full") or url.option("sslrootcert") or url.option("sslcert"):
        return None
    context = make_tls_context()
    context.check_hostname = mode == "verify-full"
    return context
