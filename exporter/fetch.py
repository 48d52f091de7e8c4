"""The only file that awaits a vendor: sends what a source asks, signed and within the budget, and judges what comes back.

Foreign errors become ours here. A passing fault (no answer, 5xx, a short refusal) is tried again inside the budget; what
lasts is the schedule's to handle.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Collection, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx
import msgspec

from exporter.errors import SourceBusy, SourceDenied, SourceDown, SourceError, SourceGarbled, SourceGone
from exporter.events import Answer, Ask, Millis
from exporter.facts import Asked, BudgetLeft, Skewed, Throttled
from exporter.ports import Budget, Clock, Tell

TRIES = 3
LONGEST_PAUSE = 20.0  # seconds; a longer wish of the vendor is left to the schedule
THROTTLED = ("APIGW.0308", "APIG.0308", "ModelArts.2799", "ModelArts.6101", "Throttling")
UNPUBLISHED = ("APIGW.0101", "APIG.0101")  # API Gateway, Error Codes: with a 404, yet no resource is missing
LONGEST_WISH = 3600.0  # seconds; nobody means to be asked never again
REFUSED_PAUSE = 60.0  # seconds: Huawei Cloud locks keys for five minutes after five refusals in a row
TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Route(msgspec.Struct, frozen=True):
    """How one target reaches its platform: base URL and budget by API, headers for every request, the largest answer.

    ``refuses_keys`` says of a status and a body whether they refuse the credentials.
    """

    target: str
    endpoints: Mapping[str, str]
    budgets: Mapping[str, Budget]
    headers: tuple[tuple[str, str], ...] = ()
    project_header: str = ""
    largest: int = 16 * 2**20
    refuses_keys: Callable[[int, bytes], bool] = lambda status, _: status == 401


class Fetcher:
    """Asks one target's platform. ``lookup`` finds the project id when the configuration gave none."""

    def __init__(self, route: Route, client: httpx.AsyncClient, clock: Clock, tell: Tell, project: str | None) -> None:
        self._route, self._client, self._clock, self._tell = route, client, clock, tell
        self.project, self.skew = project, 0.0
        self._finding: asyncio.Task[str] | None = None
        self._refused: tuple[float, str] | None = None  # until when nobody asks, and what the vendor said
        self.lookup: tuple[Ask, Callable[[Answer], str]] | None = None

    async def ask(self, ask: Ask) -> Answer:
        """The vendor's good answer. Raises SourceError, naming the API and what is to be done.

        After refused credentials nobody of this target asks for a minute: they all use the same.
        """
        if self._refused is not None and self._clock.steady() < self._refused[0]:
            raise SourceDenied(self._refused[1])
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

    async def _once(self, ask: Ask, project: str | None) -> Answer:
        budget = await self._budget(ask)
        began, code = self._clock.steady(), "error"
        try:
            response = await self._client.send(self._request(ask, project), stream=True)
            code = str(response.status_code)
            try:
                date = self._date(response, began)
                answer = Answer(response.status_code, await self._body(response, ask), date, response.headers)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise SourceDown(f"{self._place(ask)}: {foreign(error)}") from error
        finally:
            self._tell(Asked(self._route.target, ask.api, code, self._clock.steady() - began))
            self._tell(BudgetLeft(self._route.target, ask.api, getattr(budget, "remaining", 0.0)))
        refusal = self._refusal(answer, ask, response.request)
        if isinstance(refusal, SourceBusy):
            budget.throttled(refusal.wait)
            self._tell(Throttled(self._route.target, ask.api, refusal.wait))
        if refusal is not None:
            raise refusal
        return answer

    async def _budget(self, ask: Ask) -> Budget:
        budget = self._route.budgets[ask.api]
        try:
            await budget.take()
        except SourceBusy as error:
            raise SourceBusy(f"{self._place(ask)}: {error}", error.wait) from None
        return budget

    def _refusal(self, answer: Answer, ask: Ask, sent: httpx.Request) -> SourceError | None:
        secrets = [value for name, value in sent.headers.items() if name == "authorization" or name.endswith("-token")]
        refused = self._route.refuses_keys(answer.status, answer.body)
        refusal = judge(answer, self._place(ask), ask.permission, refused, secrets)
        self._refused = (self._clock.steady() + REFUSED_PAUSE, str(refusal)) if refused else None
        return refusal

    def _request(self, ask: Ask, project: str | None) -> httpx.Request:
        path = quote(ask.path.replace("{project_id}", project or ""), safe="/~")
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in ask.query)
        url = self._route.endpoints[ask.api].rstrip("/") + path + (f"?{query}" if query else "")
        headers = [*self._route.headers, *ask.headers]
        if project is not None and self._route.project_header:
            headers.append((self._route.project_header, project))
        if ask.body and all(name.lower() != "content-type" for name, _ in ask.headers):
            headers.append(("Content-Type", "application/json"))
        return self._client.build_request(ask.method, url, headers=headers, content=ask.body or None)

    async def _body(self, response: httpx.Response, ask: Ask) -> bytes:
        body, largest = bytearray(), self._route.largest
        async for part in response.aiter_bytes():
            body += part
            if len(body) > largest:
                raise SourceGarbled(
                    f"{self._place(ask)}: the answer is larger than {largest // 2**20} MiB; it was refused"
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

    def _place(self, ask: Ask) -> str:
        return f"{self._route.target}: {ask.api} {ask.method} {ask.path}"


def read_date(text: str | None) -> Millis | None:
    """A Date header as Unix ms; None where it is missing or wrong."""
    try:
        at = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp()) * 1000


def judge(
    answer: Answer, place: str, permission: str = "", keys_refused: bool = False, secrets: Collection[str] = ()
) -> SourceError | None:
    """None for a good answer, else the error that says who acts. The status decides; codes only refine it.

    ``secrets`` are what was sent and may not be repeated: some gateways print the request that they did not like.
    """
    if 200 <= answer.status < 300:
        return None
    code, message = read_error(answer.body, secrets)
    said = f"{answer.status}{f' {code}' if code else ''}{f': {message}' if message else ''}"
    if answer.status == 429 or code.startswith(THROTTLED):
        wish = wished(answer, message)
        return SourceBusy(f"{place}: {said}", wish and min(wish, LONGEST_WISH))
    if answer.status == 401 or keys_refused:
        return SourceDenied(f"{place}: {said}; the credentials were refused: check that they exist and are enabled")
    if answer.status == 403:
        return SourceDenied(f"{place}: {said}; grant {permission or 'read permission'} to these credentials")
    if answer.status == 404 and code not in UNPUBLISHED:
        return SourceGone(f"{place}: {said}")
    if answer.status >= 500 or answer.status == 408:
        return SourceDown(f"{place}: {said}")
    return SourceGarbled(f"{place}: {said}{_cure(answer.status)}")


def _cure(status: int) -> str:
    if status < 400:
        return ", a redirect; set endpoints to the final address"
    return "; this API is not offered there: check endpoints and region" if status == 404 else ""


def read_error(body: bytes, secrets: Collection[str] = ()) -> tuple[str, str]:
    """(code, message) of any form the two vendors use, on one line, cut to size; ("", "") where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[:65_536].decode("utf-8", "replace").strip()
        return "", "" if text.startswith("<") else _line(text, 160, secrets)
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        said = said["error"]
    if not isinstance(said, dict):
        return "", ""
    code = next((said[key] for key in ("error_code", "errorCode", "Code", "code") if said.get(key)), "")
    text = next((said[key] for key in ("error_msg", "errorMsg", "Message", "message") if said.get(key)), "")
    return _line(str(code), 64, secrets), _line(str(text), 160, secrets)


def _line(text: str, most: int, secrets: Collection[str] = ()) -> str:
    """A text of others: one line, nothing that moves a terminal, no secrets, and not long."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * most]).split())[:most]


def wished(answer: Answer, message: str) -> float | None:
    """Seconds the vendor asks to wait: x-acs-retry-after (ms), Retry-After (s or a date), or Huawei's ``limit:60,time:1 minute``."""
    if (text := answer.headers.get("x-acs-retry-after", "").strip()).isdecimal():
        return float(text) / 1000
    if (text := answer.headers.get("retry-after", "").strip()).isdecimal():
        return float(text)
    if answer.date is not None and (until := read_date(text)) is not None:
        return max(0.0, (until - answer.date) / 1000)
    return limit_pause(message)


def limit_pause(message: str) -> float | None:
    """One request's share of a stated limit, in seconds: ``limit:60,time:1 minute`` gives 1.0."""
    _, found, rest = message.partition("limit:")
    number, _, span = rest.partition(",time:")
    words = span.replace(".", " ").split()
    unit = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
    if not found or not number.strip().isdecimal() or len(words) < 2 or not words[0].isdecimal():
        return None
    seconds = unit.get(words[1].rstrip("s"))
    return None if seconds is None or int(number) == 0 else int(words[0]) * seconds / int(number)


def foreign(error: httpx.HTTPError) -> str:
    """What went wrong on the way, and the cure, without the URL's query."""
    text = _line(str(error).split("?")[0], 200) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time; check network, proxy and endpoint"
    if isinstance(error.__cause__, ssl.SSLError):
        return f"TLS failed ({text}); check the endpoint's certificate and SSL_CERT_FILE"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect ({text}); check the endpoint, DNS and proxy"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused ({text}); check HTTPS_PROXY"
    return f"the connection broke ({text})"
