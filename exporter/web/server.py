"""Serves an application on a socket until told to stop; leaves signals, the event loop and logging to others."""

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
from exporter.web.security.live_config import LiveWebConfig

STOP = 2  # seconds that answers under way may take when the server stops
KEEP_ALIVE = 75  # seconds: longer than the interval of usual scrapers
CONNECTIONS = 512
ROOM = 64  # connections more, while those that make room for them are leaving
FIRST_REQUEST = 30.0  # seconds until the head of a request is here, from the connection or from its first byte on
STALLED = 30.0  # seconds that a peer may take nothing of an answer that waits for it
HEAD = 65_536  # bytes of the head of a request
BODY = 1_048_576  # bytes that are read away so that the refusal of a large body is heard; then the connection ends


def listen(address: str) -> socket.socket:
    """A listening socket at ``host:port``, ``[host]:port`` for IPv6; ``[::]`` takes both. Raises ConfigError."""
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
    # inherited by all it accepts; else the body of an answer waits 40 ms for its head to be acknowledged
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def serve(
    application: ASGIApp, listening: socket.socket, stop: asyncio.Event, guard: LiveWebConfig | None = None
) -> None:
    """Answers until ``stop`` is set, or this task is cancelled; then gives open answers two seconds and closes.

    ``guard`` says how connections are encrypted; without it they are not.
    """
    server = _Server(_settings(application, guard))
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


def _settings(application: ASGIApp, guard: LiveWebConfig | None) -> uvicorn.Config:
    context = guard.server_context() if guard else None
    protocol: Any = functools.partial(_Protocol, guard.lets_in if guard else lambda certificate: True)
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
        limit_concurrency=CONNECTIONS + ROOM,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals alone: who started it knows when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Protocol(HttpToolsProtocol):
    """Closes a connection that sends nothing, takes nothing or sends too much: the library waits, and reads, for ever.

    Where connections get many, one that waits for its next request makes room for a new one.
    """

    def __init__(self, lets_in: Callable[[Any], bool], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lets_in = lets_in
        self._unread, self._most, self._unasked = 0, HEAD, False
        self._deadline: TimerHandle | None = None
        self.idle: float | None = self.loop.time()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit(FIRST_REQUEST)
        if not self._lets_in(transport.get_extra_info("peercert")):
            transport.abort()
        elif len(self.connections) > CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.idle is not None and self._deadline is None and not self._unasked:
            self._unread, self._most = 0, HEAD
            self._limit(FIRST_REQUEST)
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self._most:
            self.transport.abort()

    def on_headers_complete(self) -> Any:
        self._unread, self._most, self._unasked, self.idle = 0, BODY, True, None
        self._unlimit()
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._unasked = False
        self._unlimit()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # and none was waiting behind it
            self.idle = self.loop.time()
            if self._unasked:  # answered before all of its body was here
                self._limit(FIRST_REQUEST)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._limit(STALLED)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unlimit()

    def _limit(self, seconds: float) -> None:
        self._unlimit()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _unlimit(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        waiting = [(one.idle, id(one), one) for one in self.connections if isinstance(one, _Protocol) and one.idle]
        if waiting:
            min(waiting)[2].transport.abort()
