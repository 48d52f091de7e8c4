"""Basic authentication of the web port.

An accepted password is remembered by a keyed digest, never in the clear.

bcrypt is slow on purpose (70 ms at cost 10), so passwords are checked in a thread, one at a time, and a scrape with a
remembered password never waits. Each peer has a queue of its own and the queues take turns: a flood of wrong passwords
delays those of other peers by one check. Health is answered without a password: the kubelet has none.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import bcrypt
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.web.middleware import PROBES, plain_text
from exporter.web.security.live_config import LiveWebConfig

CHALLENGE = {"WWW-Authenticate": 'Basic realm="platform-events-exporter", charset="UTF-8"'}
MAX_ACCEPTED = 100  # passwords that are remembered
MAX_WAITING = 128  # passwords that wait for their check
MAX_QUEUE = 32  # of one peer
NAME_QUEUES = 16  # queues of one peer, by name: guesses at one name rarely delay another
IPV6_PREFIX = 64  # bits that one peer usually has for itself
DUMMY = b"$2b$%02d$Tfp8hL3zpeuGjfOUm8O0V.ks0YmrSjUl0P6QFsX2bDLXq1LoiVyVa"
MIN_COST = 4


class BasicAuth:
    """Passes requests with a right password, and those of probes, to an application."""

    def __init__(self, app: ASGIApp, web_config: LiveWebConfig, prefix: str) -> None:
        self._app = app
        self._web_config = web_config
        self._open = {f"{prefix}{path}" for path in PROBES}
        self._accepted: set[bytes] = set()
        self._pepper = secrets.token_bytes(32)
        self._queue = PasswordQueue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        users = self._web_config.current.users
        if not users or scope["path"] in self._open:
            answer: ASGIApp = self._app
        else:
            answer = await self._authenticate(scope, users)
        await answer(scope, receive, send)

    async def _authenticate(self, scope: Scope, users: Mapping[str, bytes]) -> ASGIApp:
        """Return the application, or the refusal of a request without a right password."""
        given = read_basic(Headers(scope=scope).get("authorization", ""))
        if given is None:
            return plain_text("Unauthorized", 401, CHALLENGE)
        user, password = given
        hashed = users.get(user)
        digest = self._digest(b"\0".join((user.encode(), hashed or b"", password)))
        if hashed is not None and digest in self._accepted:
            return self._app
        cost = max(read_cost(one) for one in users.values())
        peer = (peer_network(scope), self._digest(user.encode())[0] % NAME_QUEUES)
        try:
            is_right = await self._queue.run(peer, lambda: check_password(password, hashed, cost))
        except QueueFullError:
            return plain_text("too many passwords at once; try again", 503, {"Retry-After": "5"})
        if not is_right:
            return plain_text("Unauthorized", 401, CHALLENGE)
        if len(self._accepted) >= MAX_ACCEPTED:
            self._accepted.clear()
        self._accepted.add(digest)
        return self._app

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self._pepper, text, hashlib.sha256)


class QueueFullError(Exception):
    """Too many passwords wait for their check."""


class _Check(NamedTuple):
    check: Callable[[], bool]
    result: asyncio.Future[bool]


class PasswordQueue:
    """Runs checks one at a time in a thread; the peers that wait take turns."""

    def __init__(self) -> None:
        self._queues: OrderedDict[object, deque[_Check]] = OrderedDict()
        self._waiting = 0
        self._worker: asyncio.Task[None] | None = None

    async def run(self, peer: object, check: Callable[[], bool]) -> bool:
        """Return what ``check`` returns when it is the peer's turn. Raises QueueFullError."""
        if len(self._queues.get(peer, ())) >= MAX_QUEUE:
            raise QueueFullError
        if self._waiting >= MAX_WAITING:
            self._make_room(peer)
        entry = _Check(check, asyncio.get_running_loop().create_future())
        self._queues.setdefault(peer, deque()).append(entry)
        self._waiting += 1
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await entry.result

    def _make_room(self, peer: object) -> None:
        """Refuse the last check of the peer with the most of them.

        QueueFullError if that is ``peer`` itself.
        """
        longest = max(self._queues, key=lambda other: len(self._queues[other]))
        if len(self._queues[longest]) <= len(self._queues.get(peer, ())):
            raise QueueFullError
        refused = self._queues[longest].pop()
        if not self._queues[longest]:
            del self._queues[longest]
        self._waiting -= 1
        if not refused.result.done():
            refused.result.set_exception(QueueFullError())

    async def _work(self) -> None:
        while self._queues:
            peer, queue = self._queues.popitem(last=False)
            entry = queue.popleft()
            self._waiting -= 1
            if queue:
                self._queues[peer] = queue
            if entry.result.done():  # the server stops
                continue
            is_right = await asyncio.to_thread(entry.check)
            if not entry.result.done():
                entry.result.set_result(is_right)


def peer_network(scope: Scope) -> str:
    """Return the address of a request's peer.

    Of IPv6 the network, which one host has for itself.
    """
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def check_password(password: bytes, hashed: bytes | None, cost: int) -> bool:
    """Return whether a password has this bcrypt hash.

    None is the hash of an unknown name.

    ``cost`` is the highest of all users. A wrong password takes as long as one check of that cost, whoever's it is: the
    checks that are added have the costs ``c``, ``c + 1``, …, ``cost - 1``, and each cost doubles the time.
    """
    if hashed is not None and _matches(password, hashed):
        return True
    for added in (cost,) if hashed is None else range(read_cost(hashed), cost):
        _matches(password, DUMMY % added)
    return False


def read_cost(hashed: bytes) -> int:
    """Return the cost of a bcrypt hash."""
    digits = hashed[4:6]
    return int(digits) if digits.isdigit() else MIN_COST


def _matches(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # longer than bcrypt can tell from others, or a NUL in it
        return False


def read_basic(header: str) -> tuple[str, bytes] | None:
    """Return name and password of an Authorization header; None if it holds none."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None
