"""The one way by which a target is asked: it sees whether the credentials are accepted, and never provokes a lock."""

import asyncio

from exporter.app.assembly import Account
from exporter.model.errors import KeysRefused, SourceDenied, SourceGone
from exporter.model.events import Request, Response


class GuardedClient:
    """Asks for all sources of a target. The first request goes alone: a vendor locks keys that it refuses time and again."""

    def __init__(self, account: Account) -> None:
        self._account, self._first, self._tried = account, asyncio.Lock(), False
        self.accepted: bool | None = None
        self.refused: KeysRefused | None = None

    async def ask(self, request: Request) -> Response:
        """The vendor's answer. Raises SourceError."""
        if not self._tried:
            async with self._first:
                if not self._tried:
                    try:
                        return await self._ask(request)
                    finally:
                        self._tried = True
        return await self._ask(request)

    async def _ask(self, request: Request) -> Response:
        try:
            answer = await self._account.fetcher.ask(request)
        except KeysRefused as error:
            self.accepted, self.refused = False, error
            raise
        except (SourceDenied, SourceGone):
            self.accepted = True  # who we are was not in doubt
            raise
        self.accepted = True
        return answer
