"""Serves an application on a socket until told to stop; leaves signals, the event loop and logging to others."""

import asyncio
import contextlib
import os
import socket
from asyncio import TimerHandle, Transport
from collections.abc import Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporter.errors import ConfigError

STOP = 2  # seconds that answers under way may take when the server stops
KEEP_ALIVE = 75  # seconds: longer than the interval of usual scrapers
CONNECTIONS = 512
FIRST_REQUEST = 30.0  # seconds until a new connection has sent the head of a request
HEAD = 65_536  # bytes of a request; nothing here takes a body


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


async def serve(application: ASGIApp, listening: socket.socket, stop: asyncio.Event) -> None:
    """Answers until ``stop`` is set, or this task is cancelled; then gives open answers two seconds and closes."""
    server = _Server(_settings(application))
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


def _settings(application: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals alone: who started it knows when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Protocol(HttpToolsProtocol):
    """Closes a connection that sends nothing or too much: the library waits for ever, and reads without a limit."""

    _unread = 0
    _deadline: TimerHandle

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(FIRST_REQUEST, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        if self._unread > HEAD:
            self.transport.abort()
        else:
            super().data_received(data)

    def on_headers_complete(self) -> Any:
        self._unread = 0
        self._deadline.cancel()
        return super().on_headers_complete()
