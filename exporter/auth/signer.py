"""Signs every request with current keys and keeps the keys current.

``LoginMethod`` says how, this module when. Keys are renewed ahead of their end, when a request needs them, by one task
at a time; other tasks go on with the old keys while these are good. An answer that refuses the keys makes them be
renewed at once, and the request is sent once more; if the new keys are refused too, the keys are not the cause and the
answer stands. A refused login is not repeated until a secret changes or a time has passed, for five wrong passwords
lock an account.

A network error never reaches this flow: httpx2 closes the flow where it waits. Then the login counts as down for a
moment.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import closing
from typing import NamedTuple

import httpx2
import msgspec

from exporter.auth.keys import Keys, LoginMethod
from exporter.auth.refusals import refuses_keys
from exporter.common.guard import guard
from exporter.common.plausible_time import plausible
from exporter.model.errors import SourceDenied, SourceDown, SourceError
from exporter.model.events import Millis
from exporter.model.protocols import Clock, Report

RENEW_AHEAD = 40 * 60.0  # seconds before their end at which keys are renewed; half their life where that is shorter
MIN_RENEWAL_INTERVAL = 10.0  # seconds between renewals at the least, however short the keys live
DOWN_WAIT = 5.0  # seconds before a login that failed is tried again
FORCED_RENEWAL_PAUSE = 300.0  # seconds without a forced renewal after new keys were refused as well
MAX_LIFE_MS = 48 * 3_600_000  # keys and tokens of both vendors live for a day at most
UNKNOWN_LIFE_MS = 3_600_000  # for keys whose stated end cannot be true


class _Failure(NamedTuple):
    """A renewal that failed.

    It is not repeated until a steady time, or until the hash of the secrets changes.
    """

    kind: type[SourceError]
    message: str
    until: float
    secrets_hash: int


class Signer(httpx2.Auth):
    """Credentials: an ``httpx2.Auth`` that keeps itself valid.

    Raises SourceError if it cannot.
    """

    requires_request_body = True

    def __init__(self, method: LoginMethod, clock: Clock, report: Report) -> None:
        self._method = method
        self._clock = clock
        self._report = report
        self._lock = asyncio.Lock()
        self._keys: Keys | None = None
        self._used_ids: tuple[str, ...] = ()
        self._failure: _Failure | None = None
        self._renew_at = 0.0
        self._forced_renewal_at = 0.0

    @property
    def account(self) -> str:
        """The name of the account whose budget a request takes from."""
        return self._method.account

    @property
    def expires(self) -> Millis | None:
        """Unix ms at which the current keys end.

        None if no end is known or there are no keys yet.
        """
        return self._keys.expires if self._keys else None

    def stamp(self) -> int:
        """Return a number that changes when the configured secrets change.

        0 while they cannot be read.
        """
        try:
            return self._secrets_hash()
        except SourceDenied:
            return 0

    def secrets(self) -> Collection[str]:
        """Return the values that no message may repeat.

        They are the keys in use with their ids, and recent ids.
        """
        keys = self._keys
        return self._used_ids if keys is None else (*self._used_ids, keys.secret, keys.token)

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Yield ``request`` signed, before it the requests of a login.

        After a refusal of the keys ``request`` is yielded once more.
        """
        await request.aread()
        refused: Keys | None = None
        while True:
            if self._is_due(refused) and not (self._lock.locked() and self._has_good_keys(refused)):
                async with self._lock:
                    with closing(self._renew(refused)) as renewal:
                        login = next(renewal, None)
                        while login is not None:
                            answer = yield login
                            login = await self._resume(renewal, answer)
            assert self._keys is not None, "a renewal gives keys or raises"
            keys = self._keys
            if keys == refused:
                return
            self._method.sign(request, keys, self._clock.now())
            response = yield request
            if response.is_success or not refuses_keys(response.status_code, await response.aread()):
                return
            if refused is not None:
                self._forced_renewal_at = self._clock.steady() + FORCED_RENEWAL_PAUSE
                return
            refused = keys

    def _is_due(self, refused: Keys | None) -> bool:
        if self._keys is None:
            return True
        if refused is None:
            return self._clock.now() >= self._renew_at
        return self._keys == refused and self._clock.steady() >= self._forced_renewal_at

    def _has_good_keys(self, refused: Keys | None) -> bool:
        """Return whether the current keys will do if a renewal fails.

        Keys without an end come from files and are never kept beyond them.
        """
        keys = self._keys
        return keys is not None and keys != refused and (keys.expires or 0) > self._clock.now() * 1000

    def _renew(self, refused: Keys | None) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Yield the requests of a login and keep the new keys.

        Raises SourceError if there are no good keys then.
        """
        if not self._is_due(refused):
            return  # another task has just renewed the keys
        secrets_hash = 0
        try:
            with guard("login", self._method.place, self._report):
                secrets_hash = self._secrets_hash()
                if failure := self._current_failure(secrets_hash):
                    raise _repeat(failure)
                self._keep((yield from self._method.obtain()))
        except SourceError as error:
            self._remember_failure(error, secrets_hash)
            if not self._has_good_keys(refused):
                raise
        except GeneratorExit:
            silence = f"{self._method.place}: no answer; check the endpoint, the network and the proxy"
            self._remember_failure(SourceDown(silence), secrets_hash)
            raise

    async def _resume(
        self, renewal: Generator[httpx2.Request, httpx2.Response, None], answer: httpx2.Response
    ) -> httpx2.Request | None:
        """Read an answer and return the next request of the login, None at its end.

        Raises SourceError.
        """
        try:
            await answer.aread()
        except httpx2.DecodingError as error:
            problem = f"{self._method.place}: {answer.status_code}, but the answer cannot be read ({error})"
            return _next_request(lambda: renewal.throw(SourceDown(f"{problem}; correct the endpoint")))
        return _next_request(lambda: renewal.send(answer))

    def _keep(self, keys: Keys) -> None:
        """Use new keys from now on.

        An end that cannot be true is replaced by a short life.
        """
        now = self._clock.now()
        if keys.expires is not None and plausible(keys.expires, int(now * 1000) + MAX_LIFE_MS) is None:
            keys = msgspec.structs.replace(keys, expires=int(now * 1000) + UNKNOWN_LIFE_MS)
        if keys.expires is None:
            self._renew_at = now
        else:
            end = keys.expires / 1000
            self._renew_at = max(now + MIN_RENEWAL_INTERVAL, end - min(RENEW_AHEAD, (end - now) / 2))
        self._keys = keys
        self._failure = None
        if keys.id and keys.id not in self._used_ids:
            self._used_ids = (*self._used_ids[-3:], keys.id)

    def _remember_failure(self, error: SourceError, secrets_hash: int) -> None:
        if self._current_failure(secrets_hash) is None:
            wait = self._method.refusal_wait if isinstance(error, SourceDenied) else DOWN_WAIT
            self._failure = _Failure(type(error), str(error), self._clock.steady() + wait, secrets_hash)

    def _current_failure(self, secrets_hash: int) -> _Failure | None:
        failure = self._failure
        if failure is None or self._clock.steady() >= failure.until or failure.secrets_hash != secrets_hash:
            return None
        return failure

    def _secrets_hash(self) -> int:
        return hash(tuple(secret.reveal() for secret in self._method.secrets))


def _repeat(failure: _Failure) -> SourceError:
    """Return the error of a failure that still stands."""
    return failure.kind(failure.message)


def _next_request(resume: Callable[[], httpx2.Request]) -> httpx2.Request | None:
    try:
        return resume()
    except StopIteration:
        return None
