"""The client of ``doctor``: it notes whether the credentials are accepted.

The module stands alone because a locked account is the only harm that ``doctor`` can do.
"""

import asyncio

from exporter.app.accounts import Account
from exporter.model.errors import KeysRefused, SourceDenied, SourceGone
from exporter.model.events import Request, Response


class GuardedClient:
    """The client of all sources of a target.

    The first request is sent alone: a vendor locks credentials that it has to refuse several times. ``accepted`` is
    ``None`` until an answer says whether the credentials are accepted.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._first = asyncio.Lock()
        self._tried = False
        self.accepted: bool | None = None
        self.refused: KeysRefused | None = None

    async def ask(self, request: Request) -> Response:
        """Return the vendor's answer. Raises SourceError."""
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
            response = await self._account.fetcher.fetch(request)
        except KeysRefused as error:
            self.accepted = False
            self.refused = error
            raise
        except (SourceDenied, SourceGone):
            self.accepted = True  # the vendor knew who asked
            raise
        self.accepted = True
        return response
