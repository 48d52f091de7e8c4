"""Runs the simulated clouds on a socket: inside a running loop, or in a thread of their own for tests."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporter.simulator.cloud import Cloud
from exporter.simulator.server import CONNECTION, app


class _Protocol(HttpToolsProtocol):
    """Leaves its transport where a request can find it: a fault may have to break the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: transport}


class _Server(uvicorn.Server):
    """Leaves signals to the program that it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configured(cloud: Cloud) -> uvicorn.Config:
    return uvicorn.Config(
        app(cloud),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,  # the vendor's clock writes it
        server_header=False,
        backlog=2048,
    )


async def serve(cloud: Cloud, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serves until it is cancelled; open connections are then broken off.

    ``port`` 0 takes any free one; ``ready`` hears which, as soon as clients can connect. Raises OSError if it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    server = _Server(_configured(cloud))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        ready(listener.getsockname()[1])
        await asyncio.shield(running)
    finally:
        server.should_exit = server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await running
        listener.close()


@contextlib.contextmanager
def running(cloud: Cloud) -> Iterator[str]:
    """The clouds in a thread with its own loop, on a free port of 127.0.0.1; gives the base URL."""
    port: Future[int] = Future()
    stop: Future[Callable[[], object]] = Future()

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        stop.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        with contextlib.suppress(asyncio.CancelledError):
            await serve(cloud, "127.0.0.1", 0, port.set_result)

    def run() -> None:
        with asyncio.Runner(loop_factory=_configured(cloud).get_loop_factory()) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port.result(timeout=10)}"
    finally:
        stop.result(timeout=10)()
        thread.join(timeout=10)
