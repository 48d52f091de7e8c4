"""What a vendor may answer and what becomes of it: the error, its exact words, and when it is asked again."""

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from email.utils import formatdate

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.client.fetcher import REFUSED_PAUSE, Fetcher, Route
from exporter.client.status import classify_response, describe_transport_error, limit_pause, read_date
from exporter.client.transport import Sender
from exporter.model.errors import (
    KeysRefused,
    RequestRefused,
    SourceBusy,
    SourceDenied,
    SourceDown,
    SourceError,
    SourceGarbled,
    SourceGone,
)
from exporter.model.events import Request, Response
from exporter.model.telemetry import BudgetLeft, RequestDone, SelfEvent, Skewed, Throttled
from exporter.sources.limits import segment
from tests.support.clocks import ManualClock

REQUEST = Request("modelarts", "/v2/{project_id}/jobs", permission="modelarts:trainJob:list")
PLACE = "research: modelarts GET /v2/{project_id}/jobs"
REFUSED = "the credentials were refused: check that they exist, are enabled and have not expired"
GOOD = httpx2.Response(200, content=b"{}")

Reply = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response]


class Vendor:
    """A vendor that gives its replies in turn, the last one for ever; ``requests`` are those it saw."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.requests = list(replies), list[httpx2.Request]()

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await asyncio.sleep(0)  # others may come in between
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(reply, httpx2.Response):
            return reply(request)
        return httpx2.Response(reply.status_code, headers=reply.headers, content=reply.content)


class CountingBudget:
    """A budget that counts what was taken, and is closed for ``closed`` seconds."""

    def __init__(self) -> None:
        self.taken, self.refusals, self.closed = 0, list[float | None](), 0.0

    async def take(self) -> None:
        if self.closed:
            raise SourceBusy("asked for no requests in the next 90 s", self.closed)
        self.taken += 1

    def slow_down(self, wait: float | None) -> None:
        self.refusals.append(wait)

    @property
    def remaining(self) -> float:
        return 10.0 - self.taken


class FetcherSetup:
    """A fetcher with a fake vendor, a counting budget, a manual clock and the events it reported."""

    def __init__(self, vendor: Vendor, project: str | None = "p1", auth: httpx2.Auth | None = None, **route: object):
        self.vendor, self.budget, self.clock, self.events = vendor, CountingBudget(), ManualClock(), list[SelfEvent]()
        base = {
            "endpoints": {"modelarts": "https://m.test", "iam": "https://iam.test"},
            "project_header": "X-Project-Id",
        }
        settings = {"budgets": {"modelarts": self.budget, "iam": self.budget}, **base, **route}
        made = Route("research", **settings)  # type: ignore[arg-type]
        sender = Sender(httpx2.MockTransport(vendor), auth, httpx2.Timeout(30.0), limit=made.largest)
        self.fetcher = Fetcher(made, sender, self.clock, self.events.append, project)

    def get(self, request: Request = REQUEST) -> Response:
        return asyncio.run(self.fetcher.fetch(request))

    def fail(self, request: Request = REQUEST) -> SourceError:
        with pytest.raises(SourceError) as caught:
            asyncio.run(self.fetcher.fetch(request))
        return caught.value

    def reported(self, kind: type[SelfEvent]) -> list[SelfEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def date(after: float = 0.0) -> dict[str, str]:
    return {"Date": formatdate(ManualClock().now() + after, usegmt=True)}


# --- what an answer means

HUAWEI = '{"error_code": "ModelArts.0001", "error_msg": "Went wrong.", "request_id": "r"}'
INTERMEDIARY = " came instead of JSON: a proxy, firewall or portal answers, not the vendor; check endpoints and proxy"
PROXY_LOGIN = "a proxy wants a login: write user and password into the proxy's address"
HTML = "\r\n <html><head><title>502 Bad Gateway</title></head></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        # every form of an error body
        (400, HUAWEI, RequestRefused, "400 ModelArts.0001: Went wrong."),
        (400, '{"errorCode": "DWS.1", "errorMsg": "No."}', RequestRefused, "400 DWS.1: No."),
        (400, '{"code": "C.1", "message": "No."}', RequestRefused, "400 C.1: No."),
        (400, '{"Code": "InvalidParameter", "Message": "No.", "RequestId": "r"}', RequestRefused, "400 InvalidParameter: No."),
        (400, '{"error": {"code": 400, "message": "No.", "title": "Bad"}}', RequestRefused, "400 400: No."),
        (400, '{"error": "Bad Request", "message": "No.", "path": "/v2"}', RequestRefused, "400: No."),
        (400, '{"encoded_authorization_message": "xyz"}', RequestRefused, "400"),
        (400, '{"error_msg": "", "message": "Said elsewhere."}', RequestRefused, "400: Said elsewhere."),
        (400, "Plain\n text,  in\tpieces", RequestRefused, "400: Plain text, in pieces"),
        (400, "[1, 2]", RequestRefused, "400"),
        (400, '"text"', RequestRefused, "400"),
        (400, "null", RequestRefused, "400"),
        (400, "", RequestRefused, "400"),
        (400, HTML, SourceGarbled, f"400, a page of HTML '502 Bad Gateway'{INTERMEDIARY}"),
        (400, "[" * 100_000, RequestRefused, "400: " + "[" * 160),
        (400, '{"code": "A\\nB\\u001b[31m", "message": "x\\n\\ny\\u0007z"}', RequestRefused, "400 A B [31m: x y z"),
        (400, json.dumps({"code": "c" * 99, "message": "m" * 999}), RequestRefused, f"400 {'c' * 64}: {'m' * 160}"),
        # every status
        (401, '{"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}', KeysRefused,
         f"401 APIGW.0301: Incorrect IAM authentication information; {REFUSED}"),
        (401, "", KeysRefused, f"401; {REFUSED}"),
        (403, '{"error_msg": "Policy does not allow it."}', SourceDenied,
         "403: Policy does not allow it; grant modelarts:trainJob:list to these credentials"),
        (404, '{"error_code": "ModelArts.2758", "error_msg": "Job not found"}', SourceGone, "404 ModelArts.2758: Job not found"),
        (404, "", SourceGone, "404"),
        (404, HTML, SourceGarbled, f"404, a page of HTML '502 Bad Gateway'{INTERMEDIARY}"),
        (403, HTML, SourceGarbled, f"403, a page of HTML '502 Bad Gateway'{INTERMEDIARY}"),
        (200, HTML, SourceGarbled, f"200, a page of HTML '502 Bad Gateway'{INTERMEDIARY}"),
        (407, "", SourceGarbled, f"407; {PROXY_LOGIN}"),
        (407, HTML, SourceGarbled, f"407, a page of HTML '502 Bad Gateway'; {PROXY_LOGIN}"),
        (403, "", SourceDenied,
         "403, without an error code of the vendor; check proxy and firewall on the way, then modelarts:trainJob:list"),
        (404, '{"error_code": "APIGW.0101", "error_msg": "The API does not exist"}', SourceGarbled,
         "404 APIGW.0101: The API does not exist; this API is not offered there: check endpoints and region"),
        (405, "", SourceGarbled, "405"),
        (408, "", SourceDown, "408"),
        (409, '{"error_msg": "conflict"}', SourceGarbled, "409: conflict"),
        (429, "", SourceBusy, "429"),
        (500, '{"error_code": "ModelArts.0010", "error_msg": "Internal error."}', SourceDown, "500 ModelArts.0010: Internal error."),
        (502, HTML, SourceDown, "502, a page of HTML '502 Bad Gateway'"),
        (503, "upstream is down", SourceDown, "503: upstream is down"),
        (504, '{"error_code": "APIGW.0201", "error_msg": "Backend timeout."}', SourceDown, "504 APIGW.0201: Backend timeout."),
        (302, "", SourceGarbled, "302, a redirect; set endpoints to the final address"),
        (304, "", SourceGarbled, "304, a redirect; set endpoints to the final address"),
        # throttling, whatever its status
        (429, '{"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached"}', SourceBusy,
         "429 APIGW.0308: The throttling threshold has been reached"),
        (429, '{"error_code": "ModelArts.2799", "error_msg": "services too many requests"}', SourceBusy,
         "429 ModelArts.2799: services too many requests"),
        (500, '{"error_code": "ModelArts.6101", "error_msg": "The system is busy now."}', SourceBusy,
         "500 ModelArts.6101: The system is busy now."),
        (400, '{"Code": "Throttling.User", "Message": "Request was denied due to user flow control."}', SourceBusy,
         "400 Throttling.User: Request was denied due to user flow control."),
        (503, '{"code": "Throttling", "message": "slow down"}', SourceBusy, "503 Throttling: slow down"),
    ],
)  # fmt: skip
def test_every_answer_becomes_the_error_that_names_who_must_act(
    status: int, body: str, kind: type[SourceError], said: str
) -> None:
    error = FetcherSetup(Vendor(httpx2.Response(status, content=body.encode()))).fail()
    assert (type(error), str(error)) == (kind, f"{PLACE}: {said}")


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_code_that_refuses_the_keys_counts_as_a_401_whatever_its_status(status: int) -> None:
    """Alibaba Cloud answers an unknown access key with a 404; no resource is gone by that."""
    body = b'{"Code": "InvalidAccessKeyId.NotFound", "Message": "Specified access key is not found."}'

    def refuses(status: int, body: bytes) -> bool:
        return status >= 400 and b"InvalidAccessKeyId" in body

    error = FetcherSetup(Vendor(httpx2.Response(status, content=body)), refuses_keys=refuses).fail()
    assert type(error) is KeysRefused
    said = f"{status} InvalidAccessKeyId.NotFound: Specified access key is not found"
    assert str(error) == f"{PLACE}: {said}; {REFUSED}"


def test_a_403_names_the_permission_that_is_missing_or_says_that_reading_is() -> None:
    body = b'{"error_code": "ModelArts.0001"}'
    error = FetcherSetup(Vendor(httpx2.Response(403, content=body))).fail(Request("modelarts", "/v1"))
    assert str(error) == "research: modelarts GET /v1: 403 ModelArts.0001; grant read permission to these credentials"


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_good_answer_is_handed_on_as_it_came(status: int) -> None:
    answer = FetcherSetup(Vendor(httpx2.Response(status, content=b"\x00{}", headers={"X-Next": "2"}))).get()
    assert (answer.status, answer.body, answer.headers["x-next"]) == (status, b"\x00{}", "2")


@given(status=st.integers(300, 599), body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(deadline=None)
def test_any_answer_is_judged_in_one_short_line(status: int, body: bytes) -> None:
    error = classify_response(Response(status, body), "here")
    assert error is not None
    assert str(error).startswith(f"here: {status}")
    assert str(error).isprintable()
    assert len(str(error)) < 400


# --- how long a vendor asks to wait


@pytest.mark.parametrize(
    ("headers", "message", "wait"),
    [
        ({}, "", None),
        ({"Retry-After": "7"}, "", 7.0),
        ({"Retry-After": " 7 "}, "", 7.0),
        ({"Retry-After": "soon"}, "", None),
        ({"Retry-After": "²"}, "", None),
        ({"Retry-After": formatdate(ManualClock().now() + 15, usegmt=True), **date()}, "", 15.0),
        ({"Retry-After": formatdate(ManualClock().now() - 15, usegmt=True), **date()}, "", 0.0),
        ({"Retry-After": formatdate(ManualClock().now() + 15, usegmt=True)}, "", None),
        ({"x-acs-retry-after": "1500"}, "", 1.5),
        ({"x-acs-retry-after": "1500", "Retry-After": "7"}, "", 1.5),
        ({"x-acs-retry-after": "²"}, "", None),
        ({"x-acs-retry-after": "-1"}, "limit:60,time:1 minute", 1.0),
        ({"Retry-After": "7"}, "limit:60,time:1 minute", 7.0),
        ({}, "The throttling threshold has been reached: policy user over ratelimit,limit:60,time:1 minute.", 1.0),
        ({"Retry-After": "99999999"}, "", 300.0),
        ({"Retry-After": "9" * 400}, "", 300.0),
        ({"x-acs-retry-after": "9" * 20}, "", 300.0),
        ({}, "limit:1,time:30 day", 300.0),
    ],
)
def test_retry_after_is_read_in_every_form_and_obeyed_for_five_minutes(
    headers: dict[str, str], message: str, wait: float | None
) -> None:
    body = json.dumps({"error_code": "APIGW.0308", "error_msg": message}).encode()
    setup = FetcherSetup(
        Vendor(httpx2.Response(429, headers=httpx2.Headers(headers, encoding="latin-1"), content=body))
    )
    error = setup.fail()
    assert isinstance(error, SourceBusy)
    assert error.wait == wait
    assert set(setup.budget.refusals) == {wait}
    assert setup.reported(Throttled) == [Throttled("research", "modelarts", wait)] * setup.budget.taken


@pytest.mark.parametrize(
    ("message", "pause"),
    [
        ("limit:60,time:1 minute", 1.0),
        ("limit:10,time:1 second.", 0.1),
        ("over ratelimit,limit:1,time:2 hours", 7200.0),
        ("limit:2,time:1 day", 43_200.0),
        ("limit: 6 ,time: 1 minute", 10.0),
        *[
            (text, None)
            for text in (
                "", "limit:60", "limit:60,time:", "limit:60,time:minute", "limit:,time:1 minute", "limit:x,time:1 minute",
                "limit:0,time:1 minute", "limit:²,time:1 minute", "limit:60,time:² minute", "limit:60,time:1 week",
            )
        ],
    ],
)  # fmt: skip
def test_a_stated_limit_is_shared_out(message: str, pause: float | None) -> None:
    assert limit_pause(message) == pause


@given(st.text(max_size=160) | st.from_regex(r"limit:\d{0,150},time:\d{0,5} (minute|day)s?", fullmatch=True))
@settings(deadline=None)
def test_no_text_of_a_limit_raises(message: str) -> None:
    assert (limit_pause(message) or 0.0) >= 0.0


# --- asking again


@pytest.mark.parametrize("fault", [httpx2.Response(500), httpx2.Response(429), httpx2.ConnectError("no route")])
def test_a_passing_fault_is_tried_three_times_within_the_budget(fault: Reply) -> None:
    setup = FetcherSetup(Vendor(fault))
    setup.fail()
    assert len(setup.vendor.requests) == setup.budget.taken == len(setup.reported(RequestDone)) == 3
    assert [event.remaining for event in setup.reported(BudgetLeft) if isinstance(event, BudgetLeft)] == [9.0, 8.0, 7.0]
    first, second = setup.clock.slept
    assert 0.1 <= first <= 1.0
    assert 0.2 <= second <= 2.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 302])
def test_a_lasting_fault_is_not_asked_again(status: int) -> None:
    setup = FetcherSetup(Vendor(httpx2.Response(status)))
    setup.fail()
    assert (len(setup.vendor.requests), setup.budget.taken, setup.clock.slept) == (1, 1, [])


def test_a_fault_that_passes_is_no_failure() -> None:
    setup = FetcherSetup(Vendor(httpx2.ReadTimeout("slow"), httpx2.Response(503), GOOD))
    assert setup.get().body == b"{}"
    codes = [
        (event.target, event.api, event.code) for event in setup.reported(RequestDone) if isinstance(event, RequestDone)
    ]
    assert codes == [("research", "modelarts", code) for code in ("error", "503", "200")]


def test_a_short_retry_after_is_waited_for_to_the_second() -> None:
    setup = FetcherSetup(Vendor(httpx2.Response(429, headers={"Retry-After": "20"}), GOOD))
    setup.get()
    assert setup.clock.slept == [20.0]
    assert setup.budget.refusals == [20.0]


def test_a_long_retry_after_is_left_to_the_schedule_at_once() -> None:
    setup = FetcherSetup(Vendor(httpx2.Response(429, headers={"Retry-After": "21"}), GOOD))
    error = setup.fail()
    assert isinstance(error, SourceBusy)
    assert (error.wait, setup.clock.slept, setup.budget.taken) == (21.0, [], 1)


def test_a_budget_that_is_closed_for_long_says_where_and_sends_nothing() -> None:
    setup = FetcherSetup(Vendor(GOOD))
    setup.budget.closed = 90.0
    error = setup.fail()
    assert str(error) == f"{PLACE}: asked for no requests in the next 90 s"
    assert isinstance(error, SourceBusy)
    assert (error.wait, setup.vendor.requests, setup.events, setup.clock.slept) == (90.0, [], [], [])


def test_the_duration_of_a_request_is_reported() -> None:
    setup = FetcherSetup(Vendor(GOOD))

    def slow(_: httpx2.Request) -> httpx2.Response:
        setup.clock.advance(1.25)
        return httpx2.Response(200)

    setup.vendor.replies = [slow]
    setup.get()
    assert setup.reported(RequestDone) == [RequestDone("research", "modelarts", "200", 1.25)]


# --- the project id

LOOKUP = Request("iam", "/v3/projects", (("name", "r"),))


def without_project(setup: FetcherSetup) -> FetcherSetup:
    setup.fetcher.lookup = (LOOKUP, lambda answer: answer.body.decode())
    return setup


def by_path(project: Sequence[httpx2.Response]) -> Vendor:
    """IAM answers in turn, the rest is fine."""
    answers = list(project)

    def reply(request: httpx2.Request) -> httpx2.Response:
        return answers.pop(0) if request.url.host == "iam.test" else httpx2.Response(200, content=request.url.raw_path)

    return Vendor(reply)


async def test_concurrent_requests_look_the_project_up_once() -> None:
    setup = without_project(FetcherSetup(by_path([httpx2.Response(200, content=b"p7")]), project=None))

    bodies = [
        answer.body
        for answer in (
            await asyncio.gather(
                *(setup.fetcher.fetch(REQUEST) for _ in range(8)), setup.fetcher.fetch(Request("modelarts", "/x"))
            )
        )
    ]
    assert bodies == [b"/v2/p7/jobs"] * 8 + [b"/x"]
    assert [request.url.path for request in setup.vendor.requests].count("/v3/projects") == 1
    again = await setup.fetcher.fetch(REQUEST)
    assert again.body == b"/v2/p7/jobs", "and never again"
    assert len(setup.vendor.requests) == 11


async def test_a_failed_lookup_is_shared_by_its_waiters_and_repeated_next_time() -> None:
    """Else a dozen readers would wait for a dozen timeouts, one after the other."""
    answers = [httpx2.Response(403, content=HUAWEI.encode()), httpx2.Response(200, content=b"p7")]
    setup = without_project(FetcherSetup(by_path(answers), project=None))

    refused = await asyncio.gather(*(setup.fetcher.fetch(REQUEST) for _ in range(8)), return_exceptions=True)
    denied = (
        "research: iam GET /v3/projects: 403 ModelArts.0001: Went wrong; grant read permission to these credentials"
    )
    assert [str(error) for error in refused] == [denied] * 8
    assert len(setup.vendor.requests) == 1
    assert (await setup.fetcher.fetch(REQUEST)).body == b"/v2/p7/jobs"


async def test_a_cancelled_request_does_not_cancel_the_shared_lookup() -> None:
    setup = without_project(FetcherSetup(by_path([httpx2.Response(200, content=b"p7")]), project=None))

    first, second = (asyncio.create_task(setup.fetcher.fetch(REQUEST)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).body == b"/v2/p7/jobs"


def test_without_a_way_to_find_the_project_it_must_be_configured() -> None:
    error = FetcherSetup(Vendor(GOOD), project=None).fail()
    assert (type(error), str(error)) == (SourceDenied, "research: no project id; set project_id")


# --- the request


def test_a_request_has_the_headers_of_the_route_and_its_own() -> None:
    setup = FetcherSetup(
        Vendor(GOOD), headers=(("X-Language", "en-us"),), endpoints={"modelarts": "https://gate.test/huawei/"}
    )
    setup.get(
        Request("modelarts", "/v2/{project_id}/x", method="POST", body=b'{"a":1}', headers=(("X-Acs-Action", "List"),))
    )
    (request,) = setup.vendor.requests
    assert (request.method, str(request.url)) == ("POST", "https://gate.test/huawei/v2/p1/x")
    assert request.content == b'{"a":1}'
    sent = {name: request.headers[name] for name in ("x-language", "x-acs-action", "x-project-id", "content-type")}
    assert list(sent.values()) == ["en-us", "List", "p1", "application/json"]


def test_a_project_is_named_only_where_the_path_asks_for_one() -> None:
    setup = FetcherSetup(Vendor(GOOD))
    setup.get(Request("modelarts", "/v3/projects"))
    assert "x-project-id" not in setup.vendor.requests[0].headers
    assert "content-type" not in setup.vendor.requests[0].headers
    plain = FetcherSetup(Vendor(GOOD), project_header="")
    plain.get()
    assert "x-project-id" not in plain.vendor.requests[0].headers


def test_a_stated_content_type_is_kept() -> None:
    setup = FetcherSetup(Vendor(GOOD))
    setup.get(Request("modelarts", "/x", method="POST", body=b"a=1", headers=(("content-type", "text/plain"),)))
    assert setup.vendor.requests[0].headers.get_list("content-type") == ["text/plain"]


PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def encoded(text: str, also: str = "") -> str:
    """RFC 3986: all but the unreserved, byte by byte."""
    return "".join(c if c in PLAIN + also else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


ODD = " []{}<>/\\+~*'()!=%&?#;:@$,|^`\"\n\0中镜𝄞"
texts = st.text(st.characters(codec="utf-8") | st.sampled_from(ODD), max_size=12)


@given(query=st.lists(st.tuples(texts, texts), max_size=4), project=st.text("0aF-_~%+/", max_size=6), id_=texts)
@example(query=[(ODD, ODD), ("", "")], project="0/%", id_=ODD)
@settings(deadline=None)
def test_path_and_query_go_out_percent_encoded_byte_for_byte(
    query: list[tuple[str, str]], project: str, id_: str
) -> None:
    """Both vendors sign what ``quote(safe='~')`` gives; one other byte and the signature does not match."""
    setup = FetcherSetup(Vendor(GOOD), project=f"p{project}")
    setup.get(Request("modelarts", f"/v2/{{project_id}}/jobs/{segment(f'j{id_}')}", tuple(query)))
    path = f"/v2/p{encoded(project)}/jobs/j{encoded(id_)}"
    pairs = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in query)
    assert setup.vendor.requests[0].url.raw_path.decode() == path + (f"?{pairs}" if query else "")


# --- the answer's size

MIB = 2**20


class Flow(httpx2.AsyncByteStream):
    """A body in pieces; ``sent`` counts those that somebody asked for."""

    def __init__(self, body: bytes, piece: int = 16_384, breaks: bool = False) -> None:
        self.pieces, self.breaks = [body[n : n + piece] for n in range(0, len(body), piece)], breaks
        self.sent, self.closed = 0, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.sent += 1
            yield piece
        if self.breaks:
            raise httpx2.ReadError("cut off")

    async def aclose(self) -> None:
        self.closed = True


def streaming(flow: Flow, **headers: str) -> Vendor:
    return Vendor(lambda _: httpx2.Response(200, headers=headers, stream=flow))


def test_an_answer_may_be_as_large_as_the_limit_and_no_larger() -> None:
    flow = Flow(bytes(MIB))
    assert FetcherSetup(streaming(flow), largest=MIB).get().body == bytes(MIB)
    flow = Flow(bytes(MIB + 1))
    error = FetcherSetup(streaming(flow), largest=MIB).fail()
    assert type(error) is SourceGarbled
    assert str(error) == f"{PLACE}: the answer is larger than 1 MiB; it was refused; raise max_answer"
    assert flow.closed


def test_a_compressed_answer_is_measured_as_it_grows() -> None:
    bomb = Flow(gzip.compress(bytes(96 * MIB)))
    error = FetcherSetup(streaming(bomb, **{"Content-Encoding": "gzip"})).fail()
    assert str(error) == f"{PLACE}: the answer is larger than 16 MiB; it was refused; raise max_answer"
    assert bomb.sent <= 2 < len(bomb.pieces)
    assert bomb.closed


@pytest.mark.parametrize(
    ("flow", "headers", "what"),
    [
        (Flow(b"half", breaks=True), {}, "the connection broke (cut off)"),
        (Flow(b"no gzip"), {"Content-Encoding": "gzip"}, "the answer's body cannot be read: its compression is broken (Error -3 while decompressing data: incorrect header check)"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_a_passing_fault(flow: Flow, headers: dict[str, str], what: str) -> None:
    setup = FetcherSetup(streaming(flow, **headers))
    error = setup.fail()
    assert (type(error), str(error)) == (SourceDown, f"{PLACE}: {what}")
    assert flow.closed
    assert setup.budget.taken == 3
    assert {event.code for event in setup.reported(RequestDone) if isinstance(event, RequestDone)} == {"200"}


# --- the vendor's clock


@pytest.mark.parametrize(
    ("offset", "took", "skew"),
    [
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0),
        (-1.0, 0.0, 0.0),
        (100.0, 0.0, 100.5),
        (-100.0, 0.0, -99.5),
        (5.0, 10.0, 0.0),
        (105.0, 10.0, 100.5),
    ],
)
def test_skew_is_the_vendors_date_against_the_middle_of_the_request(offset: float, took: float, skew: float) -> None:
    """A Date has whole seconds, so half a second is the best guess, and a second and a half is no skew."""
    setup = FetcherSetup(Vendor(GOOD))

    def reply(_: httpx2.Request) -> httpx2.Response:
        setup.clock.advance(took)
        return httpx2.Response(200, headers=date(offset))

    setup.vendor.replies = [reply]
    answer = setup.get()
    assert answer.date == (ManualClock().now() + offset) * 1000
    assert setup.fetcher.skew == pytest.approx(skew)
    assert [event.seconds for event in setup.reported(Skewed) if isinstance(event, Skewed)] == pytest.approx([skew])


def test_a_slow_body_is_no_skew() -> None:
    class Slow(Flow):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in super().__aiter__():
                setup.clock.advance(60.0)
                yield piece

    setup = FetcherSetup(Vendor(lambda _: httpx2.Response(200, headers=date(), stream=Slow(b"{}"))))
    setup.get()
    assert setup.fetcher.skew == 0.0


def test_without_a_date_no_skew_is_reported() -> None:
    setup = FetcherSetup(Vendor(httpx2.Response(200, headers={"Date": "yesterday"})))
    assert setup.get().date is None
    assert setup.reported(Skewed) == []


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("Sat, 21 Nov 2026 07:23:45 GMT", 1_795_245_825_000),
        ("Sat, 21 Nov 2026 15:23:45 +0800", 1_795_245_825_000),
        ("Sat, 21 Nov 2026 07:23:45 -0000", 1_795_245_825_000),
        ("Sat, 21 Nov 2026 07:23:45", 1_795_245_825_000),
        (None, None),
        ("", None),
        ("1795245825", None),
        ("Sat, 99 Nov 2026 07:23:45 GMT", None),
    ],
)
def test_a_date_header_is_read_as_milliseconds_or_none(
    text: str | None, millis: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert read_date(text) == millis
    finally:
        monkeypatch.undo()
        time.tzset()


dates = st.text(max_size=40) | st.from_regex(
    r"(Mon, )?\d{1,9}[ -](Nov|Jan)[ -]\d{1,9} \d{1,4}:\d{1,4}(:\d{1,4})?( [+-]\d{1,20}| GMT| EST)?", fullmatch=True
)


@given(dates)
@settings(deadline=None, max_examples=500)
def test_no_date_raises(text: str) -> None:
    assert isinstance(read_date(text), int | None)


# --- on the way


def tls_trouble() -> httpx2.ConnectError:
    error = httpx2.ConnectError("m.test:443: certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("certificate verify failed")
    return error


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (httpx2.ConnectTimeout("x"), "no answer in time; check network, proxy and endpoint"),
        (httpx2.ReadTimeout(""), "no answer in time; check network, proxy and endpoint"),
        (httpx2.PoolTimeout(""), "no answer in time; check network, proxy and endpoint"),
        (
            tls_trouble(),
            "TLS failed (m.test:443: certificate verify failed); check the endpoint's certificate, and ca_file or SSL_CERT_FILE",
        ),
        (
            httpx2.ConnectError("ssl.m.test:443: Connect call failed"),
            "cannot connect (ssl.m.test:443: Connect call failed); check the endpoint, DNS and proxy",
        ),
        (
            httpx2.ProxyError("407 Who are you"),
            "the proxy refused (407 Who are you); write user and password into HTTPS_PROXY",
        ),
        (httpx2.ReadError(""), "the connection broke (ReadError)"),
        (httpx2.RemoteProtocolError("Server\ndisconnected"), "the connection broke (Server disconnected)"),
        (httpx2.NetworkError("https://m.test/x?token=secret"), "the connection broke (https://m.test/x)"),
        (httpx2.ReadError("x" * 999), f"the connection broke ({'x' * 200})"),
    ],
)
def test_a_transport_error_says_what_to_check(error: httpx2.HTTPError, what: str) -> None:
    assert describe_transport_error(error) == what
    assert str(FetcherSetup(Vendor(error)).fail()) == f"{PLACE}: {what}"


# --- no secret leaves


class Signed(httpx2.Auth):
    """Signs with every header that carries a secret at one vendor or the other."""

    NAMES = ("Authorization", "X-Auth-Token", "X-Security-Token", "x-acs-security-token", "x-acs-bearer-token")

    def __init__(self, secrets: Sequence[str]) -> None:
        self.secrets = secrets

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        for name, secret in zip(self.NAMES, self.secrets, strict=True):
            request.headers[name] = secret
        yield request


def echo(form: str, status: int, before: str, names: Sequence[str], request: httpx2.Request) -> httpx2.Response:
    """A gateway that prints what it did not like of a request."""
    lines = before + "\n".join(f"{name.lower()}:{request.headers[name]}" for name in names)
    bodies = {
        "json": json.dumps({"Code": "SignatureDoesNotMatch", "Message": lines}),
        "escaped": json.dumps({"error_msg": lines}).replace("/", "\\/").replace("=", "\\u003d"),
        "code": json.dumps({"error_code": lines, "error_msg": "x"}),
        "nested": json.dumps({"error": {"code": lines, "message": lines}}),
        "text": lines,
        "html": f"<html>{lines}</html>",
    }
    return httpx2.Response(status, content=bodies[form].encode(), headers={"Retry-After": "99"})


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    error = classify_response(
        Response(400, b"abcdefgh and abcdefghijklmnop"), "here", secrets=("abcdefgh", "abcdefghijklmnop")
    )
    assert str(error) == "here: 400: *** and ***"


secret_texts = st.text("ABCdef0189+/=_-.", min_size=8, max_size=600)


@given(
    secrets=st.tuples(*[secret_texts] * 5),
    query=secret_texts,
    form=st.sampled_from(["json", "escaped", "code", "nested", "text", "html", "broken"]),
    status=st.sampled_from([302, 400, 401, 403, 404, 429, 500]),
    before=st.integers(0, 200).map(lambda size: "·" * size),
    names=st.permutations(Signed.NAMES),
)
@settings(deadline=None, max_examples=200)
def test_no_header_that_was_signed_and_no_query_is_ever_repeated(
    secrets: tuple[str, ...], query: str, form: str, status: int, before: str, names: Sequence[str]
) -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        if form == "broken":
            raise httpx2.NetworkError(f"could not send to {request.url}")
        return echo(form, status, before, names, request)

    setup = FetcherSetup(Vendor(reply), auth=Signed(secrets))
    error = setup.fail(Request("modelarts", "/v2/{project_id}/x", (("token", query),)))
    shown = [str(error), repr(error), *map(repr, setup.events)]
    for secret in (*secrets, query):
        assert not any(secret in text or secret[:8] in text for text in shown)


async def test_refused_keys_stop_the_requests_of_their_target_for_a_minute() -> None:
    setup = FetcherSetup(Vendor(httpx2.Response(401), GOOD))
    with pytest.raises(SourceDenied) as refused:
        await setup.fetcher.fetch(REQUEST)
    setup.clock.advance(REFUSED_PAUSE - 1)
    with pytest.raises(SourceDenied) as still:
        await setup.fetcher.fetch(Request("modelarts", "/v1/other"))
    assert str(still.value) == str(refused.value), "five refusals in a row would lock the keys"
    assert len(setup.vendor.requests) == 1
    setup.clock.advance(1)
    assert (await setup.fetcher.fetch(REQUEST)).status == 200


async def test_new_keys_end_the_quiet_and_their_refusal_begins_another_quiet() -> None:
    keys = [1]
    setup = FetcherSetup(Vendor(httpx2.Response(401), httpx2.Response(401), GOOD), stamp=lambda: keys[0])
    for keys[0] in (1, 2):
        for _ in range(3):
            with pytest.raises(SourceDenied):
                await setup.fetcher.fetch(REQUEST)
    assert len(setup.vendor.requests) == 2
    keys[0] = 3
    assert (await setup.fetcher.fetch(REQUEST)).status == 200


async def test_a_missing_permission_stops_no_other_request() -> None:
    setup = FetcherSetup(Vendor(httpx2.Response(403), GOOD))
    with pytest.raises(SourceDenied):
        await setup.fetcher.fetch(REQUEST)
    assert (await setup.fetcher.fetch(REQUEST)).status == 200


# --- what signing asks


class Renewing(httpx2.Auth):
    """Logs in before it signs, and once more when it is refused."""

    requires_response_body = True

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        for _ in range(2):
            yield httpx2.Request("POST", "https://iam.test/v3/auth/tokens")
            answer = yield request
            if answer.status_code != 401:
                return


def test_logins_and_a_second_try_with_new_keys_take_from_the_budgets_of_their_hosts() -> None:
    logins, asks = CountingBudget(), CountingBudget()
    refused = httpx2.Response(401, content=b"{}")
    setup = FetcherSetup(Vendor(GOOD, refused, GOOD, GOOD), auth=Renewing(), budgets={"modelarts": asks, "iam": logins})
    setup.get()
    assert [request.url.host for request in setup.vendor.requests] == ["iam.test", "m.test", "iam.test", "m.test"]
    assert (logins.taken, asks.taken) == (2, 2)


def test_a_login_waits_as_long_as_its_api_is_closed() -> None:
    logins = CountingBudget()
    logins.closed = 90.0
    setup = FetcherSetup(Vendor(GOOD), auth=Renewing(), budgets={"modelarts": CountingBudget(), "iam": logins})
    assert isinstance(setup.fail(), SourceBusy)
    assert setup.vendor.requests == []
