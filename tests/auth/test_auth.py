"""When keys are renewed and when not, and what stands after a refusal."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from exporter.auth import Login, Signer, make_signer, refuses_keys
from exporter.auth.keys import KeyExchange, LoginMethod
from exporter.auth.signer import DOWN_WAIT
from exporter.common.secret import Secret
from exporter.model.errors import SourceDenied, SourceDown, SourceError, UnexpectedFailure
from exporter.model.protocols import Credentials
from exporter.model.telemetry import SelfEvent, UnexpectedError
from tests.support.identities import Clock, streamed

DAY = 86_400.0


class Iam:
    """IAM and an API behind it. Tokens live ``life`` seconds; ``revoked`` ones get ``denial``. Logins wait for the ``door``; a ``fault`` befalls them."""

    def __init__(self, life: float = DAY) -> None:
        self.clock, self.life, self.logins, self.calls = Clock(), life, 0, 0
        self.door = asyncio.Event()
        self.door.set()
        self.revoked: set[str] = set()
        self.denial = (401, "")
        self.password = "right"
        self.fault: Callable[[httpx2.Request], httpx2.Response] | None = None

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)  # others may come in between
        if request.url.path == "/v3/auth/tokens":
            self.logins += 1
            await self.door.wait()
            return self._log_in(request)
        self.calls += 1
        token = request.headers["X-Auth-Token"]
        if token in self.revoked or "any" in self.revoked:
            return httpx2.Response(self.denial[0], content=streamed(self.denial[1].encode()))
        return httpx2.Response(200)

    def _log_in(self, request: httpx2.Request) -> httpx2.Response:
        if self.fault:
            return self.fault(request)
        if f'"password":"{self.password}"'.encode() not in request.content:
            return httpx2.Response(401)
        end = datetime.fromtimestamp(self.clock.at + self.life, UTC).isoformat()
        body = streamed(b'{"token": {"expires_at": "%b"}}' % end.encode())
        return httpx2.Response(201, content=body, headers={"X-Subject-Token": f"t{self.logins}"})


def sign_in(cloud: Iam, password: Secret | None = None) -> Signer:
    values = {"user": Secret("u"), "password": password or Secret("right"), "domain": Secret("d")}
    bases = {"iam": "https://iam.test/"}
    login = Login("password", values)
    return make_signer(
        "huaweicloud", login, region="r", project_id=None, endpoints=bases, clock=cloud.clock, report=lambda event: None
    )


async def burst(cloud: Iam, auth: Signer, times: int) -> list[int]:
    """Asks ``times`` times at once."""
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(cloud), auth=auth) as client:
        answers = await asyncio.gather(*(client.get("https://api.test/events") for _ in range(times)))
    return [answer.status_code for answer in answers]


def ask(cloud: Iam, auth: Signer) -> list[int]:
    return asyncio.run(burst(cloud, auth, 1))


def no_answer(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused", request=request)


def test_a_signer_satisfies_the_protocol_of_credentials() -> None:
    auth: Credentials = sign_in(Iam())
    assert isinstance(auth, httpx2.Auth)
    assert (auth.account, auth.expires) == ("u@d", None)


@pytest.mark.parametrize(("life", "good", "due"), [(DAY, DAY - 2401, DAY - 2400), (3600.0, 1799, 1800), (10.0, 9, 10)])
def test_keys_are_renewed_ahead_of_their_end(life: float, good: float, due: float) -> None:
    """Forty minutes before it; at half their life where that is shorter; every ten seconds at the most."""
    cloud = Iam(life)
    auth = sign_in(cloud)
    start = cloud.clock.at
    logins = []
    for moment in (0.0, good, due):
        cloud.clock.at = start + moment
        assert ask(cloud, auth) == [200]
        logins.append(cloud.logins)

    assert logins == [1, 1, 2]
    assert auth.expires == int((start + due + life) * 1000)


async def test_requests_at_the_same_time_share_one_renewal() -> None:
    cloud = Iam()
    auth = sign_in(cloud)

    assert (await burst(cloud, auth, 50), cloud.logins) == ([200] * 50, 1)
    cloud.revoked = {"t1"}
    assert (await burst(cloud, auth, 50), cloud.logins) == ([200] * 50, 2)


def test_a_401_renews_once_and_asks_once_more() -> None:
    cloud = Iam()
    auth = sign_in(cloud)
    ask(cloud, auth)
    cloud.revoked = {"t1"}

    assert (ask(cloud, auth), cloud.logins, cloud.calls) == ([200], 2, 3)


def test_keys_that_are_refused_when_new_are_not_renewed_again_for_a_while() -> None:
    cloud = Iam()
    auth = sign_in(cloud)
    cloud.revoked = {"any"}
    assert (ask(cloud, auth), cloud.logins, cloud.calls) == ([401], 2, 2)

    cloud.clock.at += 299
    assert (ask(cloud, auth), cloud.logins, cloud.calls) == ([401], 2, 3)
    cloud.clock.at += 1
    assert (ask(cloud, auth), cloud.logins, cloud.calls) == ([401], 3, 5)


SPENT = [
    (400, '{"error_code": "APIGW.0307"}'),
    (403, '{"error_code": "ModelArts.0203"}'),
    (500, '{"errorCode": "ModelArts.3801"}'),
    (403, '{"error": {"code": "APIG.0301", "message": "x"}}'),
    (400, '{"Code": "InvalidSecurityToken.Expired"}'),
    (404, '{"Code": "InvalidAccessKeyId.NotFound"}'),
    (403, '{"code": "SecurityTokenExpired"}'),
    (401, "<html>"),
]


@pytest.mark.parametrize(("status", "body"), SPENT)
def test_a_code_that_says_the_keys_are_spent_counts_as_a_401(status: int, body: str) -> None:
    cloud = Iam()
    auth = sign_in(cloud)
    ask(cloud, auth)
    cloud.revoked, cloud.denial = {"t1"}, (status, body)

    assert (ask(cloud, auth), cloud.logins) == ([200], 2)


@pytest.mark.parametrize(("status", "body"), [
    (403, '{"error_code": "APIGW.0302"}'), (400, '{"Code": "InvalidTimeStamp.Expired"}'), (404, "[]"), (500, "\xff{"),
    (429, '{"error": "x"}'), (403, '{"Code": "InvalidSecurityTokens"}'), (200, '{"Code": "SecurityTokenExpired"}'),
])  # fmt: skip
def test_another_refusal_renews_nothing(status: int, body: str) -> None:
    cloud = Iam()
    cloud.revoked, cloud.denial = {"t1"}, (status, body)

    assert (ask(cloud, sign_in(cloud)), cloud.logins) == ([status], 1)
    assert not refuses_keys(status, body.encode())


@pytest.mark.parametrize("fault", [lambda _: httpx2.Response(503), lambda _: httpx2.Response(401)])
def test_while_the_old_keys_are_good_a_renewal_may_fail(fault: Callable[[httpx2.Request], httpx2.Response]) -> None:
    cloud = Iam()
    auth = sign_in(cloud)
    ask(cloud, auth)
    cloud.fault = fault
    cloud.clock.at += DAY - 600
    assert (asyncio.run(burst(cloud, auth, 20)), cloud.logins) == ([200] * 20, 2)

    cloud.clock.at += 600
    with pytest.raises(SourceError, match=r"^IAM https://iam\.test: (503|401), "):
        ask(cloud, auth)


async def test_while_one_task_renews_the_others_go_on_with_good_keys() -> None:
    cloud = Iam()
    auth = sign_in(cloud)

    await burst(cloud, auth, 1)
    cloud.clock.at += DAY - 600
    cloud.door.clear()
    renewing = asyncio.create_task(burst(cloud, auth, 1))
    while cloud.logins < 2:
        await asyncio.sleep(0)
    assert await asyncio.wait_for(burst(cloud, auth, 5), timeout=5) == [200] * 5
    cloud.door.set()
    assert (await renewing, cloud.logins) == ([200], 2)


def test_a_wrong_password_is_not_tried_again_until_it_changes(tmp_path: Path) -> None:
    """Five tries would lock the account for everybody who uses it."""
    cloud, file = Iam(), tmp_path / "password"
    file.write_text("wrong")
    auth = sign_in(cloud, Secret(path=file))
    for wait, logins in ((0, 1), (899, 1), (1, 2)):
        cloud.clock.at += wait
        with pytest.raises(SourceDenied, match="user, password or domain is wrong"):
            ask(cloud, auth)
        assert cloud.logins == logins

    file.write_text("wrong too")
    for _ in range(2):
        with pytest.raises(SourceDenied):
            ask(cloud, auth)
    assert cloud.logins == 3
    file.write_text("right\n")
    assert (ask(cloud, auth), cloud.logins) == ([200], 4)


def test_a_login_without_an_answer_is_left_alone_for_a_moment() -> None:
    cloud = Iam()
    auth = sign_in(cloud)
    cloud.fault = no_answer
    with pytest.raises(httpx2.ConnectError):
        ask(cloud, auth)
    with pytest.raises(SourceDown) as raised:
        ask(cloud, auth)
    assert str(raised.value) == "IAM https://iam.test: no answer; check the endpoint, the network and the proxy"

    cloud.fault = None
    cloud.clock.at += 5
    assert (ask(cloud, auth), cloud.logins) == ([200], 2)


async def test_a_task_that_is_cancelled_while_it_renews_leaves_the_way_open() -> None:
    cloud = Iam()
    auth = sign_in(cloud)

    task = asyncio.create_task(burst(cloud, auth, 1))
    while not cloud.logins:
        await asyncio.sleep(0)
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    cloud.clock.at += 5
    assert (await burst(cloud, auth, 1)) == [200]


# --- what a login answers cannot be a surprise


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])
def test_a_token_whose_end_cannot_be_true_lives_for_an_hour(end: str) -> None:
    """Neither is it kept for ever, nor does every request log in again."""
    cloud = Iam()
    cloud.fault = lambda request: httpx2.Response(
        201,
        content=streamed(b'{"token": {"expires_at": "%b"}}' % end.encode()),
        headers={"X-Subject-Token": f"t{cloud.logins}"},
    )
    auth = sign_in(cloud)
    assert ask(cloud, auth) == [200]
    assert auth.expires == int((cloud.clock.at + 3_600) * 1000)
    assert ask(cloud, auth) == [200]
    assert cloud.logins == 1
    cloud.clock.at += 3_600
    assert ask(cloud, auth) == [200]
    assert cloud.logins == 2


@pytest.mark.parametrize("inside", ["@", '{"token": @}', '{"code": @}', '{"error": {"code": @}}', '{"credential": @}'])
@pytest.mark.parametrize("depth", [500, 990, 100_000])
@pytest.mark.parametrize("status", [200, 403])
def test_json_that_nests_deep_is_an_answer_that_cannot_be_read(inside: str, depth: int, status: int) -> None:
    body = inside.replace("@", "[" * depth + "]" * depth).encode()
    assert refuses_keys(status, body) is False
    cloud = Iam()
    cloud.fault = lambda request: httpx2.Response(status, content=streamed(body), headers={"X-Subject-Token": "t"})
    with pytest.raises(SourceError):
        ask(cloud, sign_in(cloud))


def test_an_unforeseen_error_of_a_login_is_reported_and_not_repeated_at_once() -> None:
    events: list[SelfEvent] = []
    calls = 0

    def obtain() -> KeyExchange:
        nonlocal calls
        calls += 1
        yield from ()
        raise ZeroDivisionError("one")

    clock = Clock()
    method = LoginMethod("a", "IAM https://iam.test", obtain, lambda request, keys, at: None)
    auth = Signer(method, clock, events.append)
    for _ in range(3):
        with pytest.raises(UnexpectedFailure, match=r"^IAM https://iam\.test: an unexpected ZeroDivisionError"):
            ask(Iam(), auth)
    assert calls == 1
    assert [(event.part, event.where) for event in events if isinstance(event, UnexpectedError)] == [
        ("login", "IAM https://iam.test")
    ]
    clock.at += DOWN_WAIT
    with pytest.raises(UnexpectedFailure):
        ask(Iam(), auth)
    assert calls == 2


def test_the_keys_in_use_and_those_before_are_known_as_secrets(tmp_path: Path) -> None:
    path = tmp_path / "ak"
    path.write_text("FIRSTKEYID")
    values = {"access_key": Secret(path=path), "secret_key": Secret("hush")}
    cloud = Iam()
    auth = make_signer(
        "huaweicloud",
        Login("keys", values),
        region="r",
        project_id=None,
        endpoints={},
        clock=cloud.clock,
        report=lambda event: None,
    )
    request = httpx2.Request("GET", "https://api.test/events")

    async def sign() -> None:
        flow = auth.async_auth_flow(request)
        await anext(flow)
        await flow.aclose()

    asyncio.run(sign())
    path.write_text("SECONDKEYID")
    asyncio.run(sign())
    assert {"FIRSTKEYID", "SECONDKEYID", "hush"} <= set(auth.secrets())
