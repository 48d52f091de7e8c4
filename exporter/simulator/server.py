"""The simulated clouds as an ASGI application: each call passes faults, checks and the answer of its API."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporter.simulator.apis.api import SimulatedApi
from exporter.simulator.apis.routes import APIS, CONTROL, DRIFT, GROWTH
from exporter.simulator.fault_responses import refuse, spoil
from exporter.simulator.http import Call, Refused, Reply
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.times import SECOND, http_date

CONNECTION = "connection"  # where the server leaves the transport, in the state of a request


def app(cloud: Cloud) -> ASGIApp:
    """Return both clouds and the control paths under /simulator/ as one ASGI application."""
    apis = (*CONTROL, *APIS)  # the last one takes every other path
    return Starlette(routes=[Route(api.path, _Endpoint(cloud, api), methods=list(api.methods)) for api in apis])


class _Endpoint:
    """The ASGI application of one API call."""

    def __init__(self, cloud: Cloud, api: SimulatedApi) -> None:
        self._cloud, self._api, self._platform = cloud, api, APIS.get(api)
        self._faulty = self._platform is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await _read(scope, receive)
        faults = self._cloud.faults if self._faulty and self._cloud.faults.on else None
        if faults and faults.take("reset", self._api.name, call.path):
            return await _reset(scope, receive)
        if faults and (slow := faults.take("slow", self._api.name, call.path)):
            await _wait(slow.seconds, receive)
        reply, date = self._reply(call)
        cut = faults and faults.take("cut", self._api.name, call.path)
        await _send(reply, date, send, break_off=bool(cut))
        if cut:
            await _close(scope, receive)
        return None

    def _reply(self, call: Call) -> tuple[Reply, bytes]:
        """Return the answer to a call and its Date header."""
        cloud, name, skew = self._cloud, self._api.name, 0.0
        with cloud.lock:
            now = cloud.clock()
            cloud.advance(now)
            cloud.requests[name] += 1
            faulty = self._faulty and bool(cloud.faults.on)
            try:
                if faulty and self._platform:
                    refuse(cloud, self._platform, name, call)
                self._api.check(cloud, call, now)
                reply = self._api.answer(cloud, call, now)
                if faulty:
                    reply = spoil(cloud, name, call, reply)
                    self._move(call, now)
            except Refused as refused:
                reply = refused.reply
            if faulty and (fault := cloud.faults.take("skew", name, call.path)):
                skew = fault.seconds
        number = (b"x-request-id", b"%032x" % cloud.requests.total())
        return reply._replace(headers=(*reply.headers, number)), http_date(now + round(skew * SECOND))

    def _move(self, call: Call, now: int) -> None:
        """Add the events that appear between two pages, if such a fault is on."""
        name = self._api.name
        if name in DRIFT and (fault := self._cloud.faults.take("drift", name, call.path)):
            DRIFT[name](self._cloud, call, now, fault.size)
        if name in GROWTH and (fault := self._cloud.faults.take("growth", name, call.path)):
            GROWTH[name](self._cloud, call, now, fault.size)


async def _read(scope: Scope, receive: Receive) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = b""
    more = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    client = scope.get("client")
    return Call(
        scope["method"],
        scope["raw_path"].decode("ascii"),
        scope["query_string"].decode("ascii"),
        headers,
        scope["path_params"],
        body,
        client[0] if client else "",
    )


async def _send(reply: Reply, date: bytes, send: Send, *, break_off: bool) -> None:
    body = reply.joined()
    headers = [*reply.headers, (b"date", date), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    part = body[: len(body) // 2] if break_off else body
    await send({"type": "http.response.body", "body": part, "more_body": break_off})


async def _wait(seconds: float, receive: Receive) -> None:
    """Wait for some seconds, or until the client disconnects."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reset(scope: Scope, receive: Receive) -> None:
    """End the connection with a TCP reset. Raises ConnectionResetError if there is no connection."""
    transport = scope.get("state", {}).get(CONNECTION)
    if transport is None:
        raise ConnectionResetError
    # lingering for no time makes the kernel send RST instead of FIN
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _close(scope: Scope, receive: Receive) -> None:
    """Close the connection in the middle of a body. Raises ConnectionResetError if there is no connection."""
    transport = scope.get("state", {}).get(CONNECTION)
    if transport is None:
        raise ConnectionResetError
    transport.close()
    await _gone(receive)


# Runs the simulated clouds on a socket: inside a running loop, or in a thread of their own for tests.


class _Protocol(HttpToolsProtocol):
    """An HTTP protocol that puts its transport into the state of a request: a fault may break the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: transport}


class _Server(uvicorn.Server):
    """A server that leaves signals to the program that it is part of."""

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
    """Serve until cancelled; open connections are then closed.

    ``port`` 0 means any free port; ``ready`` is called with the port once clients can connect. Raises OSError if the
    port is taken.
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
    """Run the clouds in a thread of their own, on a free port of 127.0.0.1; yield the base URL."""
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
