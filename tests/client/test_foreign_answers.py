"""Whatever a vendor, its IAM or something in between answers: a request ends in an answer or in one of our errors."""

import asyncio
import gzip
import json
import tracemalloc

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.auth import Login, make_signer, project_lookup, read_project, refuses_keys
from exporter.client.budget import TokenBucket
from exporter.client.fetcher import Fetcher, Route
from exporter.client.transport import AiohttpTransport, Sender
from exporter.common.secret import Secret
from exporter.model.errors import SourceError, SourceGarbled, UnexpectedFailure
from exporter.model.events import Request, Response
from exporter.model.telemetry import SelfEvent, UnexpectedError
from tests.support.clocks import ManualClock
from tests.support.raw_server import RawAnswer, foreign_answers, raw_server

MIB = 2**20
EVENTS = Request("dws", "/v2/{project_id}/events", permission="dws:events:list")
TOKEN = json.dumps({"token": {"expires_at": "2026-09-22T00:00:00Z"}}).encode()
GOOD = {
    "/v3/auth/tokens": RawAnswer(201, {"X-Subject-Token": "issued-token-value"}, [TOKEN]),
    "/v3/projects": RawAnswer(200, {}, [b'{"projects": [{"id": "0123abcd"}]}']),
    "/v2/0123abcd/events": RawAnswer(200, {}, [b'{"events": []}']),
}


async def fetch_from(url: str, events: list[SelfEvent]) -> Response | SourceError:
    """Fetch events as the exporter does: with a login, a lookup of the project, and real sockets."""
    clock = ManualClock()
    login = Login("password", {key: Secret(f"{key}-value") for key in ("user", "password", "domain")})
    endpoints = {"iam": url, "dws": url}
    signer = make_signer(
        "huaweicloud", login, region="r", project_id=None, endpoints=endpoints, clock=clock, report=events.append
    )
    sender = Sender(AiohttpTransport(), signer, httpx2.Timeout(5.0), limit=MIB)
    route = Route(
        target="research",
        endpoints=endpoints,
        budgets={api: TokenBucket(100.0, clock) for api in endpoints},
        largest=MIB,
        refuses_keys=refuses_keys,
        stamp=signer.stamp,
        secrets=signer.secrets,
    )
    lookup = (project_lookup("r"), lambda response: read_project(response, "r"))
    fetcher = Fetcher(route, sender, clock, events.append, None, lookup)
    try:
        return await fetcher.fetch(EVENTS)
    except SourceError as error:
        return error
    finally:
        await sender.aclose()


def fetched(answers: dict[str, RawAnswer]) -> tuple[Response | SourceError, list[SelfEvent]]:
    events: list[SelfEvent] = []

    async def run() -> Response | SourceError:
        async with raw_server(lambda path: answers.get(path, RawAnswer(404))) as url:
            return await fetch_from(url, events)

    return asyncio.run(run()), events


@given(path=st.sampled_from(sorted(GOOD)), answer=foreign_answers())
@settings(deadline=None, max_examples=60)
def test_no_answer_of_login_lookup_or_events_is_a_surprise(path: str, answer: RawAnswer) -> None:
    found, events = fetched({**GOOD, path: answer})
    assert not isinstance(found, UnexpectedFailure)
    assert not [event for event in events if isinstance(event, UnexpectedError)]
    if isinstance(found, SourceError):
        assert str(found).isprintable()
        assert len(str(found)) < 500


@pytest.mark.parametrize("path", sorted(GOOD))
@pytest.mark.parametrize("status", [200, 403, 500])
def test_a_bomb_never_fills_the_memory(path: str, status: int) -> None:
    bomb = RawAnswer(status, {"Content-Encoding": "gzip"}, [gzip.compress(bytes(64 * MIB))])
    double = RawAnswer(status, {"Content-Encoding": "gzip, gzip"}, [gzip.compress(gzip.compress(bytes(64 * MIB)))])
    tracemalloc.start()
    try:
        for answer in (bomb, double):
            assert isinstance(fetched({**GOOD, path: answer})[0], SourceError)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_a_good_answer_comes_through() -> None:
    found, _ = fetched(GOOD)
    assert isinstance(found, Response)
    assert found.body == b'{"events": []}'


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_token_that_a_vendor_repeats_is_masked(status: int) -> None:
    body = b'{"error_code": "X.1", "error_msg": "issued-token-value is not known"}'
    found, _ = fetched({**GOOD, "/v2/0123abcd/events": RawAnswer(status, {}, [body])})
    assert "X.1: *** is not known" in str(found)


def test_a_portal_is_described_with_its_title() -> None:
    page = RawAnswer(200, {"Content-Type": "text/html; charset=utf-8"}, [b"<html><title>Sign in to Wi-Fi</title>"])
    found, _ = fetched({**GOOD, "/v2/0123abcd/events": page})
    assert isinstance(found, SourceGarbled)
    assert str(found) == (
        "research: dws GET /v2/{project_id}/events: 200, text/html 'Sign in to Wi-Fi' came instead of JSON:"
        " a proxy, firewall or portal answers, not the vendor; check endpoints and proxy"
    )
