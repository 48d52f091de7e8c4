"""The only module that awaits a vendor.

It sends what a source asks for, signed and within the budget. A passing fault (no answer, 5xx, a short refusal) is
tried again inside the budget; what lasts is left to the schedule. ``exporter.client.status`` says what an answer means.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from exporter import __version__
from exporter.client.status import apply_stated_outcome, classify_response, describe_transport_error
from exporter.client.transport import PROXY_VARIABLE, Sender
from exporter.client.vendor_clock import VendorClock
from exporter.common.http_body import BodyTooLarge, UnknownCoding
from exporter.model.errors import KeysRefused, SourceBusy, SourceDenied, SourceDown, SourceError, SourceGarbled
from exporter.model.events import Request, Response
from exporter.model.protocols import Budget, Clock, Report
from exporter.model.telemetry import BudgetLeft, RequestDone, Throttled
from exporter.model.tracing import StartSpan, no_spans

TRIES = 3
LONGEST_PAUSE = 20.0  # seconds; a longer wish of the vendor is left to the schedule
REFUSED_PAUSE = 60.0  # seconds: Huawei Cloud locks keys for five minutes after five refusals in a row
HEADERS = (
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
    ("User-Agent", f"platform-events-exporter/{__version__}"),
)
CONNECT = 10.0  # seconds
_LOGIN_APIS = ("iam", "sts")

ProjectLookup = tuple[Request, Callable[[Response], str]]
"""The request for a target's project id, and what reads the id from its answer (raises SourceError)."""


class Route(msgspec.Struct, frozen=True):
    """How one target reaches its platform.

    ``endpoints`` and ``budgets`` are by API, ``headers`` go with every request, ``largest`` is the most bytes of an
    answer. ``refuses_keys`` tells of a status and a body whether they refuse the credentials; ``stamp`` changes when
    the credentials do; ``secrets`` are values that no message may repeat.
    """

    target: str
    endpoints: Mapping[str, str]
    budgets: Mapping[str, Budget]
    headers: tuple[tuple[str, str], ...] = ()
    project_header: str = ""
    largest: int = 16 * 2**20
    refuses_keys: Callable[[int, bytes], bool] = lambda status, _: status == 401
    stamp: Callable[[], int] = lambda: 0
    secrets: Callable[[], Collection[str]] = tuple


class _KeysRefusal(NamedTuple):
    """Refused credentials.

    Nobody of the target asks until a time (steady), or until the stamp changes.
    """

    until: float
    stamp: int
    message: str


class Fetcher:
    """Fetches from one target's platform.

    ``project`` is the id of the target's project; where the configuration gave none, ``lookup`` finds it. ``span``
    begins a span of each request, and of each wait for the budget.
    """

    def __init__(
        self,
        route: Route,
        sender: Sender,
        clock: Clock,
        report: Report,
        project: str | None,
        lookup: ProjectLookup | None = None,
        span: StartSpan = no_spans,
    ) -> None:
        self._route = route
        self._sender = sender
        self._clock = clock
        self._report = report
        self.project = project
        self.lookup = lookup
        self._span = span
        self._vendor_clock = VendorClock(route.target, clock, report)
        self._project_task: asyncio.Task[str] | None = None
        self._refused: _KeysRefusal | None = None

    @property
    def skew(self) -> float:
        """The vendor's clock minus ours, in seconds."""
        return self._vendor_clock.skew

    async def fetch(self, request: Request) -> Response:
        """Return the vendor's good answer.

        Raises SourceError, which names the API and the cure. After refused credentials nobody of this target asks for a
        minute, unless they change: they all use the same.
        """
        if (refused := self._refused) is not None and self._clock.steady() < refused.until:  # noqa: SIM102
            if refused.stamp == self._route.stamp():
                raise KeysRefused(refused.message)
        project = await self._project_id() if "{project_id}" in request.path else None
        for attempt in range(TRIES):
            try:
                return await self._fetch_once(request, project, attempt)
            except (SourceDown, SourceBusy) as error:
                pause = getattr(error, "wait", None) or random.uniform(0.1, 1.0) * 2.0**attempt  # noqa: S311
                if attempt == TRIES - 1 or pause > LONGEST_PAUSE:
                    raise
                await self._clock.sleep(pause)
        raise AssertionError("the last try answers or raises")

    async def _project_id(self) -> str:
        """Return the project id.

        Those who ask at the same time share one lookup and its outcome.
        """
        if self.project is not None:
            return self.project
        if self._project_task is None:
            self._project_task = asyncio.create_task(self._find_project())
            self._project_task.add_done_callback(self._keep_project)
        return await asyncio.shield(self._project_task)

    async def _find_project(self) -> str:
        if self.lookup is None:
            raise SourceDenied(f"{self._route.target}: no project id; set project_id")
        request, read = self.lookup
        return read(await self.fetch(request))

    def _keep_project(self, task: asyncio.Task[str]) -> None:
        """Keep the id that was found; after a failure the next request looks again."""
        self._project_task = None
        if not task.cancelled() and task.exception() is None:
            self.project = task.result()

    async def _fetch_once(self, request: Request, project: str | None, attempt: int) -> Response:
        with self._span("wait for budget", {"platform.api": request.api}, "internal"):
            budget = await self._take_budget(request)
        with self._span(request.method, self._span_attributes(request, attempt), "client") as span:
            response, sent = await self._exchange(request, project, budget)
            span.set_attribute("http.response.status_code", response.status)
            if request.states_outcome:
                response = apply_stated_outcome(response)
            if response.status >= 400:
                span.set_attribute("error.type", str(response.status))
        error = self._classify(response, request, sent)
        if isinstance(error, SourceBusy):
            budget.slow_down(error.wait)
            self._report(Throttled(self._route.target, request.api, error.wait))
        if error is not None:
            raise error
        return response

    def _span_attributes(self, request: Request, attempt: int) -> dict[str, str | int]:
        """Return the attributes of a request's span by OpenTelemetry's conventions, without path and query: ids are there."""
        address = urlsplit(self._route.endpoints[request.api])
        about: dict[str, str | int] = {
            "platform.api": request.api,
            "http.request.method": request.method,
            "server.address": address.hostname or "",
            "server.port": address.port or (80 if address.scheme == "http" else 443),
        }
        return {**about, "http.request.resend_count": attempt} if attempt else about

    async def _exchange(self, request: Request, project: str | None, budget: Budget) -> tuple[Response, httpx2.Request]:
        """Send a request and read its answer, whatever the status.

        Also return the request as it was sent.
        """
        began, code = self._clock.steady(), "error"
        prepared = self._prepare(request, project)
        try:
            answer = await self._sender.send(prepared, lambda signed: self._take_turn(request.api, prepared, signed))
            code = str(answer.status_code)
            try:
                date, refused = self._vendor_clock.read(answer.headers.get("date"), began)
                body = await answer.aread()
                return Response(answer.status_code, body, date, answer.headers, date_refused=refused), answer.request
            finally:
                await answer.aclose()
        except BodyTooLarge:
            largest = f"{self._route.largest // 2**20} MiB"
            raise SourceGarbled(
                f"{self._place(request)}: the answer is larger than {largest}; it was refused; raise max_answer"
            ) from None
        except UnknownCoding as error:
            raise SourceGarbled(
                f"{self._place(request)}: {code}, {describe_transport_error(error)}; check endpoints and proxy"
            ) from None
        except httpx2.HTTPError as error:
            variable = prepared.extensions.get(PROXY_VARIABLE, "")
            raise SourceDown(f"{self._place(request)}: {describe_transport_error(error, variable)}") from error
        finally:
            self._report(RequestDone(self._route.target, request.api, code, self._clock.steady() - began))
            self._report(BudgetLeft(self._route.target, request.api, budget.remaining))

    async def _take_turn(self, api: str, own: httpx2.Request, signed: httpx2.Request) -> None:
        """Take from a budget for a login or a second try. Raises SourceBusy.

        Where APIs share one address, a login counts as one of IAM or STS.
        """
        if signed is own:
            await self._route.budgets[api].take()
            return
        url = str(signed.url)
        for name in sorted(self._route.endpoints, key=lambda name: name not in _LOGIN_APIS):
            base = self._route.endpoints[name].rstrip("/")
            if name in self._route.budgets and url.startswith(f"{base}/"):
                await self._route.budgets[name].take()
                return

    async def _take_budget(self, request: Request) -> Budget:
        budget = self._route.budgets[request.api]
        try:
            await budget.take()
        except SourceBusy as error:
            raise SourceBusy(f"{self._place(request)}: {error}", error.wait) from None
        return budget

    def _classify(self, response: Response, request: Request, sent: httpx2.Request) -> SourceError | None:
        refused = self._route.refuses_keys(response.status, response.body)
        is_usual = 200 <= response.status < 300 and response.body[:1] in b"{["
        secrets = () if is_usual else self._secrets(sent)
        error = classify_response(response, self._place(request), request.permission, refused, secrets)
        until = self._clock.steady() + REFUSED_PAUSE
        self._refused = _KeysRefusal(until, self._route.stamp(), str(error)) if refused else None
        return error

    def _secrets(self, sent: httpx2.Request) -> Collection[str]:
        """Return what no message may repeat.

        These are the keys, also their ids, and the headers that carry them.
        """
        headers = sent.headers.items()
        carried = [value for name, value in headers if name == "authorization" or name.endswith("-token")]
        return [*self._route.secrets(), *carried]

    def _prepare(self, request: Request, project: str | None) -> httpx2.Request:
        path = request.path.replace(
            "{project_id}", quote(project or "", safe="")
        )  # ids in the path are encoded already
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in request.query)
        url = self._route.endpoints[request.api].rstrip("/") + path + (f"?{query}" if query else "")
        headers = [*HEADERS, *self._route.headers, *request.headers]
        if project is not None and self._route.project_header:
            headers.append((self._route.project_header, project))
        if request.body and all(name.lower() != "content-type" for name, _ in request.headers):
            headers.append(("Content-Type", "application/json"))
        try:
            return httpx2.Request(request.method, url, headers=headers, content=request.body or None)
        except httpx2.InvalidURL as error:
            raise SourceGarbled(f"{self._place(request)[:200]}: an id of the vendor makes no URL ({error})") from error

    def _place(self, request: Request) -> str:
        return f"{self._route.target}: {request.api} {request.method} {request.path}"
