"""Asks for a password where the web configuration has users; a right one is remembered by its seal.

bcrypt is slow on purpose (70 ms at cost 10), so it runs in a thread, one at a time, and never in the way of a scrape
whose verdict is known. Health is told to anybody: the kubelet has no password.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import bcrypt
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.web.middleware import line
from exporter.web.security.live_config import LiveWebConfig

OPEN = ("/-/healthy", "/-/ready")
CHALLENGE = {"WWW-Authenticate": 'Basic realm="platform-events-exporter", charset="UTF-8"'}
REMEMBERED = 100  # passwords that were right
WAITING = 16  # passwords that may wait for their verdict
NOBODY = b"$2b$10$Tfp8hL3zpeuGjfOUm8O0V.ks0YmrSjUl0P6QFsX2bDLXq1LoiVyVa"  # so that an unknown name takes as long


class BasicAuth:
    """An application that lets a request through to another if it may pass."""

    def __init__(self, inner: ASGIApp, guard: LiveWebConfig, prefix: str) -> None:
        self._inner, self._guard = inner, guard
        self._open = {f"{prefix}{path}" for path in OPEN}
        self._right: set[bytes] = set()
        self._pepper, self._turn, self._waiting = secrets.token_bytes(32), asyncio.Lock(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        users = self._guard.protection.users
        if not users or scope["path"] in self._open:
            answer: ASGIApp = self._inner
        else:
            answer = await self._judged(Headers(scope=scope).get("authorization", ""), users)
        await answer(scope, receive, send)

    async def _judged(self, header: str, users: Mapping[str, bytes]) -> ASGIApp:
        """What answers to who came with this header."""
        given = read_basic(header)
        if given is None:
            return line("Unauthorized", 401, CHALLENGE)
        user, password = given
        hashed = users.get(user, NOBODY)
        seal = hmac.digest(self._pepper, b"\0".join((user.encode(), hashed, password)), hashlib.sha256)
        if seal in self._right:
            return self._inner
        if self._waiting >= WAITING:
            return line("too many passwords at once; try again", 503, {"Retry-After": "5"})
        if not await self._verdict(password, hashed) or user not in users:
            return line("Unauthorized", 401, CHALLENGE)
        if len(self._right) >= REMEMBERED:
            self._right.clear()
        self._right.add(seal)
        return self._inner

    async def _verdict(self, password: bytes, hashed: bytes) -> bool:
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(matches, password, hashed)
        finally:
            self._waiting -= 1


def matches(password: bytes, hashed: bytes) -> bool:
    """Whether a password has this bcrypt hash; no longer one than bcrypt can tell from others does."""
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:
        return False


def read_basic(header: str) -> tuple[str, bytes] | None:
    """Name and password of an Authorization header; None if there are none in it."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None
