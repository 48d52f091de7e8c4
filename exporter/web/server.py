"""The HTTP server, with limits on connections, time and sizes.

Signals, the event loop and the log belong to the caller.
"""

import asyncio
import contextlib
import functools
import os
import socket
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporter.model.errors import ConfigError
from exporter.web.middleware import PIPELINED
from exporter.web.security.live_config import LiveWebConfig

STOP_TIMEOUT = 2  # seconds that open answers may take when the server stops
KEEP_ALIVE = 75  # seconds: longer than the interval of usual scrapers
MAX_CONNECTIONS = 512
SPARE_CONNECTIONS = 64  # more, until those that make room are closed
HEAD_TIMEOUT = 30.0  # seconds from the connection, or from the first byte of a request, to the end of its head
WRITE_TIMEOUT = 30.0  # seconds that a peer may read nothing of its answer
MAX_HEAD = 65_536  # bytes of the head of a request
MAX_DISCARDED = 1_048_576  # bytes of a refused body that are read, so that the peer reads the refusal


def listen(address: str) -> socket.socket:
    """Open a listening socket at ``host:port``, ``[host]:port`` for IPv6.

    ``[::]`` takes both. Raises ConfigError.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not (host + port).isascii() or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"web.listen: '{address}' is not an address; write it as 0.0.0.0:10186")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server((host, int(port)), family=family, backlog=128, dualstack_ipv6=both)
    except OSError as error:
        what = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ConfigError(f"web.listen: {address}: {what}; choose another address, or stop what uses it") from error
    # accepted sockets inherit this; without it the body of an answer waits 40 ms until its head is acknowledged
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def serve(
    application: ASGIApp, listening: socket.socket, stop: asyncio.Event, web_config: LiveWebConfig | None = None
) -> None:
    """Serve until ``stop`` is set or the task is cancelled.

    Then give open answers two seconds and close.

    ``web_config`` says how connections are encrypted; without it they are not.
    """
    server = _Server(_settings(application, web_config))
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


def _settings(application: ASGIApp, web_config: LiveWebConfig | None) -> uvicorn.Config:
    context = web_config.server_context() if web_config else None
    protocol: Any = functools.partial(_Protocol, web_config.allows if web_config else lambda certificate: True)
    return uvicorn.Config(
        application,
        http=protocol,
        ssl_context_factory=None if context is None else lambda *_: context,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS + SPARE_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_TIMEOUT,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Protocol(HttpToolsProtocol):
    """A connection with limits on what its peer sends and how slowly.

    The library waits and reads without limit. Where there are too many connections, the one that has waited longest for
    its peer makes room: for a request, for the rest of a body, or for the peer to read its answer.
    """

    def __init__(self, allows: Callable[[Any], bool], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._allows = allows
        self._received = 0  # bytes since the request began
        self._max_received = MAX_HEAD
        self._body_open = False
        self._deadline: TimerHandle | None = None
        self._idle_since: float | None = self.loop.time()
        self._body_since: float | None = None
        self._unread_since: float | None = None
        self.is_leaving = False

    @property
    def waiting_since(self) -> float | None:
        """When the wait for the peer began; None while the exporter works on an answer."""
        waits = (self._idle_since, self._body_since, self._unread_since)
        return min((since for since in waits if since is not None), default=None)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline(HEAD_TIMEOUT)
        if not self._allows(transport.get_extra_info("peercert")):
            self.abort()
        elif len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._idle_since is not None and self._deadline is None and not self._body_open:
            self._received, self._max_received = 0, MAX_HEAD
            self._set_deadline(HEAD_TIMEOUT)
        self._received += len(data)
        super().data_received(data)
        if self._received > self._max_received:
            self.abort()

    def on_headers_complete(self) -> Any:
        self._received, self._max_received = 0, MAX_DISCARDED
        self._body_open = True
        self._body_since = self.loop.time()
        self._idle_since = None
        self._clear_deadline()
        if self.cycle is not None and not self.cycle.response_complete:
            self.scope["extensions"] = {PIPELINED: {}}
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_open = False
        self._body_since = None
        self._clear_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # and no request was waiting behind it
            self._idle_since = self.loop.time()
            if self._body_open:  # answered before all of its body was here
                self._set_deadline(HEAD_TIMEOUT)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()
        self._set_deadline(WRITE_TIMEOUT)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None
        self._clear_deadline()

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def abort(self) -> None:
        """Close the connection at once; what was not sent is lost."""
        self.is_leaving = True
        self.transport.abort()

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its peer, never this one."""
        waiting = [
            (since, id(one), one)
            for one in self.connections
            if isinstance(one, _Protocol) and one is not self and not one.is_leaving
            if (since := one.waiting_since) is not None
        ]
        if waiting:
            min(waiting)[2].abort()
