"""A request on its way through signing and transport: what goes out, in which order, and what is left behind when it fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import httpx2
import pytest

from exporter.client.transport import Sender

LIMITS = httpx2.Timeout(30.0, connect=10.0)
Flow = AsyncGenerator[httpx2.Request, httpx2.Response]


class Cloud(httpx2.AsyncBaseTransport):
    """Answers every request with its path; ``asked`` are the requests, ``open`` the answers that nobody has closed."""

    def __init__(self, broken: bool = False) -> None:
        self._broken, self.asked, self.open, self.closed = broken, list[httpx2.Request](), 0, False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self._broken:
            raise httpx2.ReadError("the answer was cut short")
        self.open += 1
        return httpx2.Response(200, stream=Body(self, request.url.path.encode()))

    async def aclose(self) -> None:
        self.closed = True


class Body(httpx2.AsyncByteStream):
    def __init__(self, cloud: Cloud, text: bytes) -> None:
        self._cloud, self._text = cloud, text

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._text

    async def aclose(self) -> None:
        self._cloud.open -= 1


class Signing(httpx2.Auth):
    """Signs in some way; ``ended`` says that its flow was not left hanging."""

    def __init__(self, flow: Callable[[httpx2.Request], Flow]) -> None:
        self._flow, self.ended = flow, False

    async def async_auth_flow(self, request: httpx2.Request) -> Flow:
        flow = self._flow(request)
        try:
            asked = await anext(flow)
            while True:
                answer = yield asked
                asked = await flow.asend(answer)
        except StopAsyncIteration:
            return
        finally:
            self.ended = True


async def with_keys_first(request: httpx2.Request) -> Flow:
    answer = yield httpx2.Request("POST", "https://iam.test/keys")
    request.headers["X-Auth-Token"] = (await answer.aread()).decode()
    yield request


async def twice(request: httpx2.Request) -> Flow:
    yield request
    yield request


async def refusing(request: httpx2.Request) -> Flow:
    yield request
    raise ValueError("these keys are of no use")


async def once(request: httpx2.Request) -> Flow:
    yield request


def sent(cloud: Cloud, flow: Callable[[httpx2.Request], Flow] | None) -> tuple[httpx2.Response, bytes]:
    async def scenario() -> tuple[httpx2.Response, bytes]:
        response = await Sender(cloud, flow and Signing(flow), LIMITS).send(
            httpx2.Request("GET", "https://m.test/jobs")
        )
        body = await response.aread()
        return response, body

    return asyncio.run(scenario())


def test_requests_of_the_signing_are_sent_first_and_read_by_it() -> None:
    cloud = Cloud()
    response, body = sent(cloud, with_keys_first)
    assert [str(request.url) for request in cloud.asked] == ["https://iam.test/keys", "https://m.test/jobs"]
    assert cloud.asked[1].headers["X-Auth-Token"] == "/keys"
    assert (body, cloud.open) == (b"/jobs", 0)
    assert response.request is cloud.asked[1], "the answer knows what was sent"


def test_an_answer_followed_by_another_request_is_read_to_its_end() -> None:
    """Else its connection would stay taken."""
    cloud = Cloud()
    sent(cloud, twice)
    assert (len(cloud.asked), cloud.open) == (2, 0)


def test_a_request_has_the_time_limits_of_its_sender() -> None:
    cloud = Cloud()
    sent(cloud, None)
    assert cloud.asked[0].extensions["timeout"] == {"connect": 10.0, "read": 30.0, "write": 30.0, "pool": 30.0}


def test_an_answer_that_the_signing_refuses_is_closed() -> None:
    cloud = Cloud()
    with pytest.raises(ValueError, match="no use"):
        sent(cloud, refusing)
    assert cloud.open == 0


@pytest.mark.parametrize("broken", [True, False])
async def test_a_signing_is_never_left_hanging(broken: bool) -> None:
    signing = Signing(once)
    request = httpx2.Request("GET", "https://m.test/jobs")
    try:
        await (await Sender(Cloud(broken), signing, LIMITS).send(request)).aclose()
    except httpx2.ReadError:
        assert broken
    assert signing.ended


def test_closing_a_sender_closes_its_transport() -> None:
    cloud = Cloud()
    asyncio.run(Sender(cloud, None, LIMITS).aclose())
    assert cloud.closed
