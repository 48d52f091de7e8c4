"""The only file that awaits a vendor: sends what a source asks, signed and within the budget; ``verdict`` judges what comes back.

A passing fault (no answer, 5xx, a short refusal) is tried again inside the budget; what
lasts is the schedule's to handle.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from urllib.parse import quote

import httpx
import msgspec

from exporter import __version__
from exporter.client.status import classify_response, describe_transport_error, read_date
from exporter.client.transport import Sender
from exporter.model.errors import KeysRefused, SourceBusy, SourceDenied, SourceDown, SourceError, SourceGarbled
from exporter.model.events import Millis, Request, Response
from exporter.model.protocols import Budget, Clock, Tell
from exporter.model.telemetry import BudgetLeft, RequestDone, Skewed, Throttled

TRIES = 3
LONGEST_PAUSE = 20.0  # seconds; a longer wish of the vendor is left to the schedule
REFUSED_PAUSE = 60.0  # seconds: Huawei Cloud locks keys for five minutes after five refusals in a row
HEADERS = (
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
    ("User-Agent", f"platform-events-exporter/{__version__}"),
)
CONNECT = 10.0  # seconds


class Route(msgspec.Struct, frozen=True):
    """How one target reaches its platform: base URL and budget by API, headers for every request, the largest answer.

    ``refuses_keys`` says of a status and a body whether they refuse the credentials, ``stamp`` changes when those do.
    """

    target: str
    endpoints: Mapping[str, str]
    budgets: Mapping[str, Budget]
    headers: tuple[tuple[str, str], ...] = ()
    project_header: str = ""
    largest: int = 16 * 2**20
    refuses_keys: Callable[[int, bytes], bool] = lambda status, _: status == 401
    stamp: Callable[[], int] = lambda: 0


class Fetcher:
    """Asks one target's platform. ``lookup`` finds the project id when the configuration gave none."""

    def __init__(self, route: Route, sender: Sender, clock: Clock, tell: Tell, project: str | None) -> None:
        self._route, self._sender, self._clock, self._tell = route, sender, clock, tell
        self.project, self.skew = project, 0.0
        self._finding: asyncio.Task[str] | None = None
        self._refused: tuple[float, int, str] | None = None  # until when, or until what changes, nobody asks, and why
        self.lookup: tuple[Request, Callable[[Response], str]] | None = None

    async def ask(self, ask: Request) -> Response:
        """The vendor's good answer. Raises SourceError, naming the API and what is to be done.

        After refused credentials nobody of this target asks for a minute, unless they change: they all use the same.
        """
        if self._refused is not None:
            until, stamp, why = self._refused
            if self._clock.steady() < until and stamp == self._route.stamp():
                raise KeysRefused(why)
        project = await self._project_id() if "{project_id}" in ask.path else None
        for attempt in range(TRIES):
            try:
                return await self._once(ask, project)
            except (SourceDown, SourceBusy) as error:
                pause = getattr(error, "wait", None) or random.uniform(0.1, 1.0) * 2.0**attempt  # noqa: S311
                if attempt == TRIES - 1 or pause > LONGEST_PAUSE:
                    raise
                await self._clock.sleep(pause)
        raise AssertionError("the last try answers or raises")

    async def _project_id(self) -> str:
        """All who ask meanwhile share one lookup and its outcome; after a failure the next one looks again."""
        if self.project is not None:
            return self.project
        if self._finding is None:
            self._finding = asyncio.create_task(self._find_project())
            self._finding.add_done_callback(self._found)
        return await asyncio.shield(self._finding)

    async def _find_project(self) -> str:
        if self.lookup is None:
            raise SourceDenied(f"{self._route.target}: no project id; set project_id")
        ask, read = self.lookup
        return read(await self.ask(ask))

    def _found(self, finding: asyncio.Task[str]) -> None:
        self._finding = None
        if not finding.cancelled() and finding.exception() is None:
            self.project = finding.result()

    async def _once(self, ask: Request, project: str | None) -> Response:
        budget = await self._budget(ask)
        began, code = self._clock.steady(), "error"
        try:
            response = await self._sender.send(self._request(ask, project), self._turn)
            code = str(response.status_code)
            try:
                date = self._date(response, began)
                answer = Response(response.status_code, await self._body(response, ask), date, response.headers)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise SourceDown(f"{self._place(ask)}: {describe_transport_error(error)}") from error
        finally:
            self._tell(RequestDone(self._route.target, ask.api, code, self._clock.steady() - began))
            self._tell(BudgetLeft(self._route.target, ask.api, budget.remaining))
        refusal = self._refusal(answer, ask, response.request)
        if isinstance(refusal, SourceBusy):
            budget.throttled(refusal.wait)
            self._tell(Throttled(self._route.target, ask.api, refusal.wait))
        if refusal is not None:
            raise refusal
        return answer

    async def _turn(self, request: httpx.Request) -> None:
        """A login, or a second try with new keys, takes from the budget of its host too. Raises SourceBusy."""
        url = str(request.url)
        for api, base in self._route.endpoints.items():
            if api in self._route.budgets and url.startswith(f"{base.rstrip('/')}/"):
                await self._route.budgets[api].take()
                return

    async def _budget(self, ask: Request) -> Budget:
        budget = self._route.budgets[ask.api]
        try:
            await budget.take()
        except SourceBusy as error:
            raise SourceBusy(f"{self._place(ask)}: {error}", error.wait) from None
        return budget

    def _refusal(self, answer: Response, ask: Request, sent: httpx.Request) -> SourceError | None:
        refused, secrets = self._route.refuses_keys(answer.status, answer.body), list[str]()
        if not 200 <= answer.status < 300:
            headers = sent.headers.items()
            secrets = [value for name, value in headers if name == "authorization" or name.endswith("-token")]
        refusal = classify_response(answer, self._place(ask), ask.permission, refused, secrets)
        until = self._clock.steady() + REFUSED_PAUSE
        self._refused = (until, self._route.stamp(), str(refusal)) if refused else None
        return refusal

    def _request(self, ask: Request, project: str | None) -> httpx.Request:
        path = quote(ask.path.replace("{project_id}", project or ""), safe="/~")
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in ask.query)
        url = self._route.endpoints[ask.api].rstrip("/") + path + (f"?{query}" if query else "")
        headers = [*HEADERS, *self._route.headers, *ask.headers]
        if project is not None and self._route.project_header:
            headers.append((self._route.project_header, project))
        if ask.body and all(name.lower() != "content-type" for name, _ in ask.headers):
            headers.append(("Content-Type", "application/json"))
        try:
            return httpx.Request(ask.method, url, headers=headers, content=ask.body or None)
        except httpx.InvalidURL as error:
            raise SourceGarbled(f"{self._place(ask)[:200]}: an id of the vendor makes no URL ({error})") from error

    async def _body(self, response: httpx.Response, ask: Request) -> bytes:
        body, largest = bytearray(), self._route.largest
        async for part in response.aiter_bytes():
            body += part
            if len(body) > largest:
                raise SourceGarbled(
                    f"{self._place(ask)}: the answer is larger than {largest // 2**20} MiB; it was refused; raise max_answer"
                )
        return bytes(body)

    def _date(self, response: httpx.Response, began: float) -> Millis | None:
        date = read_date(response.headers.get("date"))
        if date is not None:
            middle = self._clock.now() - (self._clock.steady() - began) / 2
            skew = date / 1000 + 0.5 - middle
            self.skew = skew if abs(skew) > 1.5 else 0.0
            self._tell(Skewed(self._route.target, self.skew))
        return date

    def _place(self, ask: Request) -> str:
        return f"{self._route.target}: {ask.api} {ask.method} {ask.path}"
