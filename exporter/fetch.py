"""The only file that awaits a vendor: sends what a source asks, signed and within the budget, and judges what comes back.

Foreign errors become ours here. A passing fault (no answer, 5xx, a short refusal) is tried again inside the budget; what
lasts is the schedule's to handle.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
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
TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Route(msgspec.Struct, frozen=True):
    """How one target reaches its platform: base URL and budget by API, headers for every request, the largest answer."""

    target: str
    endpoints: Mapping[str, str]
    budgets: Mapping[str, Budget]
    headers: tuple[tuple[str, str], ...] = ()
    project_header: str = ""
    largest: int = 16 * 2**20


class Fetcher:
    """Asks one target's platform. ``lookup`` finds the project id when the configuration gave none."""

    def __init__(self, route: Route, client: httpx.AsyncClient, clock: Clock, tell: Tell, project: str | None) -> None:
        self._route, self._client, self._clock, self._tell = route, client, clock, tell
        self._project, self._lookup = project, asyncio.Lock()
        self.lookup: tuple[Ask, Callable[[Answer], str]] | None = None
        self.skew = 0.0

    async def ask(self, ask: Ask) -> Answer:
        """The vendor's good answer. Raises SourceError, naming the API and what is to be done."""
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
        async with self._lookup:
            if self._project is None:
                if self.lookup is None:
                    raise SourceDenied(f"{self._route.target}: no project id; set project_id")
                ask, read = self.lookup
                self._project = read(await self.ask(ask))
            return self._project

    async def _once(self, ask: Ask, project: str | None) -> Answer:
        budget = self._route.budgets[ask.api]
        await budget.take()
        began, code = self._clock.steady(), "error"
        try:
            response = await self._client.send(self._request(ask, project), stream=True)
            code = str(response.status_code)
            try:
                answer = Answer(
                    response.status_code, await self._body(response, ask), self._date(response, began), response.headers
                )
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise SourceDown(f"{self._place(ask)}: {foreign(error)}") from error
        finally:
            self._tell(Asked(self._route.target, ask.api, code, self._clock.steady() - began))
            self._tell(BudgetLeft(self._route.target, ask.api, getattr(budget, "remaining", 0.0)))
        refusal = judge(answer, self._place(ask), ask.permission)
        if isinstance(refusal, SourceBusy):
            budget.throttled(refusal.wait)
            self._tell(Throttled(self._route.target, ask.api, refusal.wait))
        if refusal is not None:
            raise refusal
        return answer

    def _request(self, ask: Ask, project: str | None) -> httpx.Request:
        path = quote(ask.path.replace("{project_id}", project or ""), safe="/~")
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in ask.query)
        url = self._route.endpoints[ask.api].rstrip("/") + path + (f"?{query}" if query else "")
        headers = [*self._route.headers, *ask.headers]
        if project is not None and self._route.project_header:
            headers.append((self._route.project_header, project))
        if ask.body:
            headers.append(("Content-Type", "application/json"))
        return self._client.build_request(ask.method, url, headers=headers, content=ask.body or None)

    async def _body(self, response: httpx.Response, ask: Ask) -> bytes:
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self._route.largest:
                raise SourceGarbled(
                    f"{self._place(ask)}: the answer is larger than {self._route.largest // 2**20} MiB; it was refused"
                )
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

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
        return int(parsedate_to_datetime(text).timestamp()) * 1000 if text else None
    except (ValueError, TypeError):
        return None


def judge(answer: Answer, place: str, permission: str = "") -> SourceError | None:
    """None for a good answer, else the error that says who acts. The status decides; codes only refine it."""
    if 200 <= answer.status < 300:
        return None
    code, message = read_error(answer.body)
    said = f"{answer.status}{f' {code}' if code else ''}{f': {message}' if message else ''}"
    if answer.status == 429 or code.startswith(THROTTLED):
        return SourceBusy(f"{place}: {said}", wished(answer, message))
    if answer.status == 401:
        return SourceDenied(f"{place}: {said}; the credentials were refused: check that they exist and are enabled")
    if answer.status == 403:
        return SourceDenied(f"{place}: {said}; grant {permission or 'read permission'} to these credentials")
    if answer.status == 404:
        return SourceGone(f"{place}: {said}")
    if answer.status >= 500 or answer.status == 408:
        return SourceDown(f"{place}: {said}")
    if answer.status < 400:
        return SourceGarbled(f"{place}: {answer.status}, a redirect; set endpoints to the final address")
    return SourceGarbled(f"{place}: {said}")


def read_error(body: bytes) -> tuple[str, str]:
    """(code, message) of any form the two vendors use, one line, at most 160 characters; ("", "") where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", " ".join(body[:400].decode("utf-8", "replace").split())[:160] if body[:1] != b"<" else ""
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        said = said["error"]
    if not isinstance(said, dict):
        return "", ""
    code = next((said[key] for key in ("error_code", "errorCode", "Code", "code") if said.get(key)), "")
    text = next((said[key] for key in ("error_msg", "errorMsg", "Message", "message") if said.get(key)), "")
    return str(code)[:64], " ".join(str(text).split())[:160]


def wished(answer: Answer, message: str) -> float | None:
    """Seconds the vendor asks to wait: Retry-After (s), x-acs-retry-after (ms), or Huawei's ``limit:60,time:1 minute``."""
    if (text := answer.headers.get("x-acs-retry-after", "")).strip().isdigit():
        return int(text) / 1000
    if (text := answer.headers.get("retry-after", "").strip()).isdigit():
        return float(text)
    if text and (until := read_date(text)) is not None:
        return max(0.0, (until - (answer.date or until)) / 1000)
    return limit_pause(message)


def limit_pause(message: str) -> float | None:
    """One request's share of a stated limit, in seconds: ``limit:60,time:1 minute`` gives 1.0."""
    _, found, rest = message.partition("limit:")
    number, _, span = rest.partition(",time:")
    words = span.replace(".", " ").split()
    unit = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
    if not found or not number.strip().isdigit() or int(number) == 0 or len(words) < 2 or not words[0].isdigit():
        return None
    seconds = unit.get(words[1].rstrip("s"))
    return None if seconds is None else int(words[0]) * seconds / int(number)


def foreign(error: httpx.HTTPError) -> str:
    """What went wrong on the way, and the cure, without the URL's query."""
    text = str(error).split("?")[0][:200]
    if isinstance(error, httpx.ConnectTimeout | httpx.ReadTimeout | httpx.TimeoutException):
        return "no answer in time; check network, proxy and endpoint"
    if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
        return f"TLS failed ({text}); check the endpoint's certificate and SSL_CERT_FILE"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect ({text}); check the endpoint, DNS and proxy"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused ({text}); check HTTPS_PROXY"
    return f"the connection broke ({text or type(error).__name__})"
