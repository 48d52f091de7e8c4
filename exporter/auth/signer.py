"""Signs every request with current keys and sees that they stay current; decides when, while a ``LoginMethod`` says how.

Theory. Keys are renewed ahead of their end, when a request needs them, by one task at a time; the others go on with the
old keys while these are good. An answer that refuses the keys makes them be renewed at once and is asked once more; if
the new keys are refused too, the keys are not the trouble and the answer stands. Nothing here may turn into a storm of
logins (five wrong passwords lock an account): a refused login is not repeated until a secret changes or time has passed.

A network error never reaches this flow: httpx closes it where it waits. Then the way in is taken as down for a moment.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from typing import NamedTuple

import httpx

from exporter.auth.keys import Keys, LoginMethod
from exporter.auth.refusals import refuses_keys
from exporter.model.errors import SourceDenied, SourceDown, SourceError
from exporter.model.events import Millis
from exporter.model.protocols import Clock

AHEAD = 40 * 60.0  # seconds before their end at which keys are renewed; half their life where that is shorter
SELDOM = 10.0  # seconds between renewals at the least, however short the keys live
DOWN = 5.0  # seconds that a way in which failed is left alone
STUBBORN = 300.0  # seconds without a forced renewal after new keys were refused as well


class _Failure(NamedTuple):
    """A renewal that failed: until when (steady time) that stands, and a hash of the secrets it was tried with."""

    kind: type[SourceError]
    message: str
    until: float
    tried: int


class Signer(httpx.Auth):
    """Credentials: an ``httpx.Auth`` that keeps itself valid. Raises SourceDenied, SourceDown or SourceBusy if it cannot."""

    requires_request_body = True

    def __init__(self, way: LoginMethod, clock: Clock) -> None:
        self._way, self._clock, self._lock = way, clock, asyncio.Lock()
        self._keys: Keys | None = None
        self._failure: _Failure | None = None
        self._renew_at = self._unforced_until = 0.0

    @property
    def account(self) -> str:
        """Whose budget a request takes from."""
        return self._way.account

    @property
    def expires(self) -> Millis | None:
        """Unix ms at which the current keys end; None if they do not, or there are none yet."""
        return self._keys.expires if self._keys else None

    def stamp(self) -> int:
        """A number that changes when somebody changes what is signed with; 0 while that cannot be read."""
        try:
            return self._tried()
        except SourceDenied:
            return 0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Yields ``request`` signed, before it what it takes to get keys, and after a refusal once more."""
        await request.aread()
        refused: Keys | None = None
        while True:
            if self._due(refused) and not (self._lock.locked() and self._good(refused)):
                async with self._lock:
                    with closing(self._renewal(refused)) as renewal:
                        ask = next(renewal, None)
                        while ask is not None:
                            answer = yield ask
                            await answer.aread()
                            ask = _go_on(renewal, answer)
            assert self._keys is not None, "a renewal gives keys or raises"
            keys = self._keys
            if keys == refused:
                return
            self._way.sign(request, keys, self._clock.now())
            response = yield request
            if response.is_success or not refuses_keys(response.status_code, await response.aread()):
                return
            if refused is not None:
                self._unforced_until = self._clock.steady() + STUBBORN
                return
            refused = keys

    def _due(self, refused: Keys | None) -> bool:
        if self._keys is None:
            return True
        if refused is None:
            return self._clock.now() >= self._renew_at
        return self._keys == refused and self._clock.steady() >= self._unforced_until

    def _good(self, refused: Keys | None) -> bool:
        """Whether the keys in hand will do, should a renewal fail. Keys without an end are never kept beyond their file."""
        keys = self._keys
        return keys is not None and keys != refused and (keys.expires or 0) > self._clock.now() * 1000

    def _renewal(self, refused: Keys | None) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._due(refused):
            return  # another task has just done it
        tried = 0
        try:
            tried = self._tried()
            if failure := self._standing(tried):
                raise failure.kind(failure.message)
            self._take((yield from self._way.obtain()))
        except SourceError as error:
            self._remember(error, tried)
            if not self._good(refused):
                raise
        except GeneratorExit:
            silence = f"{self._way.place}: no answer; check the endpoint, the network and the proxy"
            self._remember(SourceDown(silence), tried)
            raise

    def _take(self, keys: Keys) -> None:
        now = self._clock.now()
        end = now if keys.expires is None else keys.expires / 1000
        self._renew_at = end if keys.expires is None else max(now + SELDOM, end - min(AHEAD, (end - now) / 2))
        self._keys, self._failure = keys, None

    def _remember(self, error: SourceError, tried: int) -> None:
        if self._standing(tried) is None:
            stands = self._way.patience if isinstance(error, SourceDenied) else DOWN
            self._failure = _Failure(type(error), str(error), self._clock.steady() + stands, tried)

    def _standing(self, tried: int) -> _Failure | None:
        failure = self._failure
        return failure if failure and self._clock.steady() < failure.until and failure.tried == tried else None

    def _tried(self) -> int:
        return hash(tuple(secret.reveal() for secret in self._way.secrets))


def _go_on(renewal: Generator[httpx.Request, httpx.Response, None], answer: httpx.Response) -> httpx.Request | None:
    try:
        return renewal.send(answer)
    except StopIteration:
        return None
