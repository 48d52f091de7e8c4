"""The simulated clouds as an ASGI application: the way of one call through faults, checks and answer."""

import asyncio
import contextlib
import socket
import struct

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.simulator.apis import ALIBABA, CONTROL, DRIFT, GROWTH, HUAWEI, UNKNOWN, Api
from exporter.simulator.calls import Call, Refused, Reply
from exporter.simulator.cloud import Cloud
from exporter.simulator.times import SECOND, http_date
from exporter.simulator.troubles import refuse, spoil

CONNECTION = "connection"  # where the server leaves the transport, in the state of a request


def app(cloud: Cloud) -> ASGIApp:
    """Both clouds and the control paths under /simulator/."""
    apis = (*HUAWEI, *ALIBABA, *CONTROL, UNKNOWN)
    return Starlette(routes=[Route(api.path, _Door(cloud, api), methods=list(api.methods)) for api in apis])


class _Door:
    """One kind of call, as an ASGI application of its own."""

    def __init__(self, cloud: Cloud, api: Api) -> None:
        self._cloud, self._api, self._faulty = cloud, api, api not in CONTROL

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
        """The answer, and the Date header that goes with it."""
        cloud, name, skew = self._cloud, self._api.name, 0.0
        with cloud.lock:
            now = cloud.clock()
            cloud.advance(now)
            cloud.requests[name] += 1
            faulty = self._faulty and bool(cloud.faults.on)
            try:
                if faulty:
                    refuse(cloud, name, call)
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
        """What happens in the cloud while a client turns the page."""
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
    """Waits, but no longer than the client does."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reset(scope: Scope, receive: Receive) -> None:
    """Ends the connection with a TCP reset. Raises ConnectionResetError where there is no connection."""
    transport = scope.get("state", {}).get(CONNECTION)
    if transport is None:
        raise ConnectionResetError
    # lingering for no time makes the kernel send RST instead of FIN
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _close(scope: Scope, receive: Receive) -> None:
    """Ends the connection in the middle of a body."""
    transport = scope.get("state", {}).get(CONNECTION)
    if transport is None:
        raise ConnectionResetError
    transport.close()
    await _gone(receive)
