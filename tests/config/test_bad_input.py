"""Bad input end to end: what a vendor may answer over a real socket, and the one line that each answer gets.

Bad configurations and mappings have their tables in ``data/bad-configs`` and ``data/bad-mappings``.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.app.assembly import SourcePipeline
from exporter.config import load
from exporter.model.errors import SourceError
from exporter.model.telemetry import ReadAnomalies, SelfEvent
from exporter.simulator import Cloud, running
from exporter.simulator.state.accounts import ACCESS_KEY, ALIBABA_ACCESS_KEY, DOMAIN, USER
from tests.support.clocks import ManualClock
from tests.support.rig import Fuse, configured, flow
from tests.support.source_names import PROJECT_WIDE

PROJECT_ID = "0123456789abcdef0123456789abcdef"


class Site(NamedTuple):
    """Where a source lists and reads, what it needs for that, and a good answer to each."""

    api: str
    listing: str
    events: str
    may_list: str
    may_read: str
    listed: Any
    told: Any
    method: str = "GET"


AT = "2026-09-21T13:33:20Z"  # the clock of the tests
MAINTENANCE = "ModelArts CommonOperations (a system policy; the vendor documents no action for this call)"
NOTEBOOKS = "modelarts:notebook:list"
SITES = {
    "modelarts_training": Site(
        "modelarts", "/v2/{project_id}/training-job-searches", "/v2/{project_id}/training-jobs/x/events",
        "modelarts:trainJob:list", "modelarts:trainJob:listEvents",
        {"items": [{"metadata": {"id": "x", "create_time": 1789900000000}, "status": {"phase": "Running"}}], "total": 1},
        {"events": [{"time": AT, "level": "Info", "source": "Job", "message": "m"}], "total": 1}, "POST",
    ),
    "modelarts_pool": Site(
        "modelarts", "/v2/{project_id}/pools", "/v1/{project_id}/events", "modelarts:pool:list", "modelarts:pool:get",
        {"kind": "PoolList", "items": [{"metadata": {"name": "x"}, "status": {"phase": "Running"}}]},
        {"kind": "EventList", "items": [{"firstTimestamp": AT, "type": "Normal", "reason": "r", "message": "m"}]},
    ),
    "modelarts_service": Site(
        "modelarts", "/v1/{project_id}/services", "/v1/{project_id}/services/x/events",
        "modelarts:service:list", "modelarts:service:getEvents",
        {"services": [{"service_id": "x", "status": "running"}], "total_count": 1},
        {"events": [{"occur_time": 1790000000000, "event_info": "m", "event_type": "normal"}], "total_count": 1},
    ),
    "modelarts_service_v2": Site(
        "modelarts", "/v2/{project_id}/services", "/v2/{project_id}/services/x/events",
        "modelarts:service:list (in an identity policy modelarts::listServices)", "modelarts:service:get",
        {"data": [{"id": "x", "status": "RUNNING"}], "total": 1},
        {"data": [{"id": "1", "create_at": 1790000000000, "event_info": "m", "event_type": "NORMAL"}], "total": 1},
    ),
    "modelarts_notebook": Site(
        "modelarts", "/v1/{project_id}/notebooks/all", "/v1/{project_id}/notebooks/all", NOTEBOOKS, NOTEBOOKS,
        {"data": [{"id": "x", "status": "ERROR"}], "total": 1}, {"data": [{"id": "x", "status": "ERROR"}], "total": 1},
    ),
    "modelarts_scheduled": Site(
        "modelarts", "/v1/{project_id}/scheduled-events", "/v1/{project_id}/scheduled-events", MAINTENANCE, MAINTENANCE,
        {"events": [{"id": "x", "state": "scheduled", "publishTime": AT}], "count": 1},
        {"events": [{"id": "x", "state": "scheduled", "publishTime": AT}], "count": 1},
    ),
    "modelarts_pool_job": Site(
        "modelarts", "/v2/{project_id}/jobs", "/v2/{project_id}/jobs", MAINTENANCE, MAINTENANCE,
        {"items": [{"jobId": "x", "phase": "Running", "startTimestamp": 1790000000000}], "count": 1},
        {"items": [{"jobId": "x", "phase": "Running", "startTimestamp": 1790000000000}], "count": 1},
    ),
    "dws": Site(
        "dws", "/v1.0/{project_id}/clusters", "/v2/{project_id}/events", "dws:cluster:list (or the role DWS ReadOnlyAccess)", "dws:event:list (or the role DWS ReadOnlyAccess)",
        {"clusters": [{"id": "x", "status": "AVAILABLE"}], "count": 1},
        {"events": [{"event_id": "1", "occur_time": 1790000000000, "name": "n", "source_id": "x"}], "count": 1},
    ),
    "dws_alarm": Site(
        "dws", "/v1.0/{project_id}/clusters", "/v2/{project_id}/alarms", "dws:cluster:list (or the role DWS ReadOnlyAccess)",
        "dws:alarm:listDetail (in a custom policy dws:alarmDetail:list; or the role DWS ReadOnlyAccess)",
        {"clusters": [{"id": "x", "status": "AVAILABLE"}], "count": 1},
        {"alarm_details": [{"alarm_id": "1", "alarm_generate_date": AT, "alarm_level": "1", "resource_id": "x"}], "count": 1},
    ),
    "pai_dlc": Site(
        "pai_dlc", "/api/v1/jobs", "/api/v1/jobs/x/events", "paidlc:ListJobs", "paidlc:GetJobEvents (or pai:GetJobEvents)",
        {"Jobs": [{"JobId": "x", "Status": "Running", "GmtCreateTime": AT}], "TotalCount": 1},
        {"JobId": "x", "Events": ["2026-09-21 13:33:20 m"]},
    ),
    "pai_eas": Site(
        "pai_eas", "/api/v2/services", "/api/v2/services/cn-hangzhou/x/events", "eas:ListServices", "eas:DescribeServiceEvent",
        {"Services": [{"ServiceName": "x", "Status": "Running", "CreateTime": AT}], "TotalCount": 1},
        {"Events": [{"Type": "Normal", "Reason": "Running", "Message": "m", "Time": AT}], "TotalCount": 1},
    ),
    "pai_dsw": Site(
        "pai_dsw", "/api/v2/instances", "/api/v2/instances/x/events",
        "paidsw:ListInstances (and paidsw:ListAllInstances, for private instances of others)", "paidsw:GetInstanceEvents",
        {"Instances": [{"InstanceId": "x", "Status": "Running", "GmtCreateTime": AT}], "TotalCount": 1},
        {"InstanceId": "x", "Events": ["2026-09-21 13:33:20 m"]},
    ),
}  # fmt: skip


class Answer(NamedTuple):
    """What a vendor answers; ``length`` is what it claims."""

    status: int
    body: bytes
    headers: str = ""
    length: int | None = None

    def bytes(self) -> bytes:
        if not self.status:
            return self.body
        length = len(self.body) if self.length is None else self.length
        return f"HTTP/1.1 {self.status} X\r\nContent-Length: {length}\r\n{self.headers}\r\n".encode() + self.body


def good(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode())


def bad(status: int, code: str, words: str) -> Answer:
    return Answer(status, json.dumps({"error_code": code, "error_msg": words}).encode())


def path_of(template: str) -> str:
    """A path as it is asked for."""
    return template.replace("{project_id}", PROJECT_ID)


class Vendor:
    """Answers on a socket by path, with the last of its answers again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}

    def answer(self, path: str, *answers: Answer) -> None:
        """From now on."""
        self.answers[path_of(path)] = list(answers)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line.split()[1] for line in head.splitlines() if line.lower().startswith("content-length")), "0")
        await reader.readexactly(int(length))
        answers = self.answers.get(head.split(" ")[1].split("?")[0], [Answer(404, b"{}")])
        writer.write((answers.pop(0) if len(answers) > 1 else answers[0]).bytes())
        writer.close()


@contextlib.asynccontextmanager
async def vendor() -> AsyncIterator[tuple[Vendor, str]]:
    """Both platforms on a socket; everything is well."""
    both = Vendor()
    for site in SITES.values():
        both.answer(site.listing, good(site.listed))
        both.answer(site.events, good(site.told))
    server = await asyncio.start_server(both.talk, "127.0.0.1", 0)
    async with server:
        yield both, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def said(pipeline: SourcePipeline, read: bool) -> str:
    """The one line that a listing, or a read of what it found, has to say; "" where all is well."""
    try:
        await pipeline.discovery.refresh()
        for watch in (pipeline.inventory.open() if pipeline.context.per_resource else [""]) if read else []:
            await pipeline.collector.poll(watch, 1.0)
    except SourceError as error:
        return str(error)
    return ""


NO_JSON = "{seen}: the answer is not JSON (JSON is malformed: invalid character (byte 0))"
CUT_JSON = "{seen}: the answer is not JSON (Input data was truncated)"
REFUSED = "the credentials were refused: check that they exist, are enabled and have not expired"
NUMBERS = dict.fromkeys(
    ("events", "items", "services", "clusters", "Events", "Jobs", "alarm_details", "data", "Services", "Instances"), 5
)
WORDS = {"error_code": "X.1", "error_msg": "no\nway \x1b[31m" + "o" * 400}
BAD: dict[str, tuple[Answer, str]] = {
    "no JSON": (Answer(200, b"hello"), NO_JSON),
    "a portal": (
        Answer(200, b"<html><title>Sign in</title></html>"),
        ("{asked}: 200, a page of HTML 'Sign in' came instead of JSON: a proxy, firewall or portal answers, not the vendor; "
        "check endpoints and proxy"),
    ),
    "nothing": (Answer(200, b""), CUT_JSON),
    "half a JSON": (
        Answer(200, b'{"total": 1, "ev'),
        CUT_JSON,
    ),
    "nested without end": (
        Answer(200, b'{"a":' + b"[" * 1_000_000),
        "{seen}: the answer is nested too deeply; it was refused",
    ),
    "a list": (
        Answer(200, b"[]"),
        "{seen}: the answer has another shape than documented (Expected `object`, got `array`)",
    ),
    "no rows": (Answer(200, b"{}"), "{seen}: the answer holds no list of rows"),
    "rows that are a number": (
        good(NUMBERS), "{seen}: the rows of the answer are no list (Expected `array`, got `int`)",
    ),
    "a redirect": (
        Answer(302, b"", "Location: https://elsewhere.example/\r\n"),
        "{asked}: 302, a redirect; set endpoints to the final address",
    ),
    "a bad request": (bad(400, "X.1", "no such parameter"), "{asked}: 400 X.1: no such parameter"),
    "words that move a terminal": (
        Answer(400, json.dumps(WORDS).encode()), "{asked}: 400 X.1: no way [31m" + "o" * 149,
    ),
    "refused keys": (
        bad(401, "APIGW.0301", "Incorrect IAM authentication information"),
        f"{{asked}}: 401 APIGW.0301: Incorrect IAM authentication information; {REFUSED}",
    ),
    "keys that are refused with another status": (
        bad(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
        f"{{asked}}: 400 InvalidSecurityToken.Expired: Specified SecurityToken is expired; {REFUSED}",
    ),
    "no permission": (
        bad(403, "X.1", "not authorized"), "{asked}: 403 X.1: not authorized; grant {may} to these credentials",
    ),
    "no such resource": (bad(404, "X.1", "not found"), "{asked}: 404 X.1: not found"),
    "no such API": (
        bad(404, "APIGW.0101", "The API does not exist"),
        "{asked}: 404 APIGW.0101: The API does not exist; this API is not offered there: check endpoints and region",
    ),
    "too busy": (bad(429, "Throttling.User", "slow down"), "{asked}: 429 Throttling.User: slow down"),
    "a server error": (Answer(500, b"oops"), "{asked}: 500: oops"),
    "a gateway's page": (Answer(502, b"<html><body>Bad Gateway</body></html>"), "{asked}: 502, a page of HTML"),
    "an answer that breaks off": (
        Answer(200, b"{", length=10), "{asked}: the connection broke (the answer was cut short)",
    ),
    "an answer without end": (
        Answer(200, b" " * (17 * 2**20)), "{asked}: the answer is larger than 16 MiB; it was refused; raise max_answer",
    ),
    "no HTTP": (
        Answer(0, b"SSH-2.0-OpenSSH_9.9\r\n"), "{asked}: the connection broke (what came back is no HTTP)",
    ),
    "silence": (Answer(0, b""), "{asked}: the connection broke (the server hung up)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_answer_is_one_line_and_the_next_good_one_is_read(kind: str, tmp_path: Path) -> None:
    """For the listing and the events of every source alike; what could not be read makes no contact and is not lost."""

    answer, says = BAD[kind]
    clock = ManualClock()
    async with vendor() as (both, base), flow(configured(base, tmp_path), clock, Fuse()) as running:
        for pipeline in running.pipelines:
            site = SITES[pipeline.context.source]
            for path, usual, may in (
                (site.listing, site.listed, site.may_list),
                (site.events, site.told, site.may_read),
            ):
                both.answer(path, answer)
                method = site.method if path == site.listing else "GET"
                asked = f"{pipeline.context.target}: {site.api} {method} {path}"
                line = await said(pipeline, read=path == site.events)
                assert line == says.format(seen=f"{site.api} {path}", asked=asked, may=may)
                both.answer(path, good(usual))
                clock.advance(90)  # refused keys are left alone for a while
            assert pipeline.inventory.contact is None
            assert await said(pipeline, read=True) == ""


# --- records

UNREADABLE: dict[str, list[Any]] = {
    "modelarts_training": [
        None, 42, "text", [], {}, {"time": AT}, {"message": "m"}, {"time": "yesterday", "message": "m"},
        {"time": 5, "message": "m"}, {"time": "9999-99-99T00:00:00Z", "message": "m"}, {"time": AT, "message": None},
    ],
    "modelarts_pool": [
        None, 42, [], {}, {"message": "m"}, {"firstTimestamp": "soon"}, {"firstTimestamp": AT, "count": -1},
        {"firstTimestamp": AT, "count": 1e300}, {"firstTimestamp": AT, "lastTimestamp": 5},
    ],
    "modelarts_service": [
        None, [], {}, {"event_info": "m"}, {"occur_time": 1790000000000}, {"occur_time": "now", "event_info": "m"},
    ],
    "modelarts_service_v2": [
        None, [], {}, {"id": "2"}, {"id": "", "create_at": 1790000000000}, {"id": "2", "create_at": "now"},
        {"id": "2", "create_at": 1790000000000, "event_count": -1},
    ],
    "modelarts_notebook": [None, 42, "text", [], {}],  # the list is the listing too
    "modelarts_scheduled": [None, 42, "text", [], {}],  # the list is the listing too, where a bad time is no matter
    "modelarts_pool_job": [None, 42, "text", [], {}],  # as with scheduled events
    "dws": [
        None, "text", {}, {"event_id": "2"}, {"event_id": "", "occur_time": 1790000000000},
        {"event_id": "2", "occur_time": "x"},
    ],
    "dws_alarm": [
        None, "text", {}, {"alarm_id": "2"}, {"alarm_id": "", "alarm_generate_date": AT},
        {"alarm_id": "2", "alarm_generate_date": "x"}, {"alarm_id": "2", "alarm_generate_date": None},
    ],
    "pai_dlc": [None, 42, [], {}, {"Time": AT}, {"Content": 5}],
    "pai_eas": [
        None, 42, "text", [], {}, {"Time": AT}, {"Message": "m"}, {"Time": "soon", "Message": "m"},
        {"Time": None, "Message": "m"}, {"Time": AT, "Message": 5}, {"Time": AT, "Message": "m", "Type": []},
    ],
    "pai_dsw": [None, 42, [], {}, {"Time": AT}, {"Content": 5}],
}  # fmt: skip
ROWS = {"modelarts_training": "items events", "modelarts_pool": "items items", "modelarts_service": "services events",
        "modelarts_service_v2": "data data", "modelarts_notebook": "data data", "modelarts_scheduled": "events events", "modelarts_pool_job": "items items", "dws": "clusters events", "dws_alarm": "clusters alarm_details",
        "pai_dlc": "Jobs Events", "pai_eas": "Services Events", "pai_dsw": "Instances Events"}  # fmt: skip


def spoiled(answer: dict[str, Any], rows: str, wrong: list[Any]) -> Answer:
    """A good answer with records among its own that no document describes."""
    mixed = [*wrong[: len(wrong) // 2], *answer[rows], *wrong[len(wrong) // 2 :]]
    totals = {name: len(mixed) for name in ("total", "count", "total_count", "TotalCount") if name in answer}
    return good({**answer, rows: mixed, **totals})


@pytest.mark.parametrize("name", SITES)
async def test_records_that_cannot_be_read_are_counted_and_the_rest_goes_on(name: str, tmp_path: Path) -> None:
    facts: list[SelfEvent] = []
    async with (
        vendor() as (both, base),
        flow(configured(base, tmp_path, history="count"), ManualClock(), Fuse(), facts) as running,
    ):
        (pipeline,) = (one for one in running.pipelines if one.context.source == name)
        site, (listed, told) = SITES[name], ROWS[name].split()
        both.answer(site.listing, spoiled(site.listed, listed, [None, 42, "text", [], {}]))
        both.answer(site.events, spoiled(site.told, told, UNREADABLE[name]))
        assert await said(pipeline, read=True) == ""
        records = [fact for fact in facts if isinstance(fact, ReadAnomalies) and fact.unreadable]
        assert [(fact.resource, fact.unreadable) for fact in records] == [
            ("", 5),
            ("" if name in PROJECT_WIDE else "x", len(UNREADABLE[name])),
        ]
        assert await running.totals("platform_resource_events_total", "resource") == {("x",): 1.0}


# --- pages that do not move


PROMISES = "the answer promises more and does not move on"


def many(row: Any, name: str, times: int) -> list[Any]:
    """So many rows like one, each with another text."""
    return [{**row, name: f"{row[name]}{number}"} for number in range(times)]


def jobs(times: int) -> list[Any]:
    return [{**SITES["modelarts_training"].listed["items"][0], "metadata": {"id": f"{n}"}} for n in range(times)]


STUCK: dict[str, tuple[str, bool, Any, str]] = {
    "training jobs": (
        "modelarts_training", False, {"items": jobs(50), "total": 500, "count": 50}, "none of its jobs is new",
    ),
    "training events": (
        "modelarts_training", True,
        {"events": many(SITES["modelarts_training"].told["events"][0], "message", 100), "total": 500},
        "the page before came again",
    ),
    "pool events": (
        "modelarts_pool", True, {**SITES["modelarts_pool"].told, "metadata": {"continue": "more"}},
        "its continue token leads nowhere",
    ),
    "services": (
        "modelarts_service", False,
        {"services": many(SITES["modelarts_service"].listed["services"][0], "service_id", 1000), "total_count": 5000},
        "none of its services is new",
    ),
    "service events": (
        "modelarts_service", True,
        {"events": many(SITES["modelarts_service"].told["events"][0], "event_info", 1000), "total_count": 5000},
        "the page before came again",
    ),
    "services, new generation": (
        "modelarts_service_v2", False,
        {"data": many(SITES["modelarts_service_v2"].listed["data"][0], "id", 500), "total": 5000},
        "none of its services is new",
    ),
    "service events, new generation": (
        "modelarts_service_v2", True,
        {"data": many(SITES["modelarts_service_v2"].told["data"][0], "id", 500), "total": 5000},
        "page 1, counted from 0, does not move on; none of its rows is new",
    ),
    "DWS events": (
        "dws", True, {"events": many(SITES["dws"].told["events"][0], "event_id", 1000), "count": 5000},
        "the page at offset 2 does not move on; none of its rows is new",
    ),
    "DWS alarms": (
        "dws_alarm", True,
        {"alarm_details": many(SITES["dws_alarm"].told["alarm_details"][0], "alarm_id", 1000), "count": 5000},
        "the page at offset 2 does not move on; none of its rows is new",
    ),
    "notebooks": (
        "modelarts_notebook", True,
        {"data": many(SITES["modelarts_notebook"].told["data"][0], "id", 50), "total": 5000},
        "the page at offset 50 does not move on; none of its rows is new",
    ),
    "scheduled events": (
        "modelarts_scheduled", True,
        {"events": many(SITES["modelarts_scheduled"].told["events"][0], "id", 100), "count": 5000},
        "the page at offset 100 does not move on; none of its rows is new",
    ),
    "jobs of pools": (
        "modelarts_pool_job", True,
        {"items": many(SITES["modelarts_pool_job"].told["items"][0], "jobId", 500), "count": 5000},
        "the page at offset 500 does not move on; none of its rows is new",
    ),
    "DLC jobs": (
        "pai_dlc", False, {"Jobs": many(SITES["pai_dlc"].listed["Jobs"][0], "JobId", 50), "TotalCount": 500},
        "none of its jobs is new",
    ),
    "EAS services": (
        "pai_eas", False, {"Services": many(SITES["pai_eas"].listed["Services"][0], "ServiceName", 100), "TotalCount": 500},
        "none of its services is new",
    ),
    "EAS events": (
        "pai_eas", True, {"Events": many(SITES["pai_eas"].told["Events"][0], "Message", 100), "TotalCount": 500},
        "the page before came again",
    ),
    "DSW instances": (
        "pai_dsw", False,
        {"Instances": many(SITES["pai_dsw"].listed["Instances"][0], "InstanceId", 50), "TotalCount": 500},
        "none of its instances is new",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STUCK)
async def test_a_page_that_promises_more_and_does_not_move_is_an_error_and_no_loop(kind: str, tmp_path: Path) -> None:
    name, read, stuck, says = STUCK[kind]
    site = SITES[name]
    async with vendor() as (both, base), flow(configured(base, tmp_path), ManualClock(), Fuse()) as running:
        (pipeline,) = (one for one in running.pipelines if one.context.source == name)
        both.answer(site.events if read else site.listing, good(stuck))
        moves = says if "does not move on" in says else f"{PROMISES}; {says}"
        assert await said(pipeline, read) == f"{site.api} {site.events if read else site.listing}: {moves}"


# --- credentials


SEARCH = "research: modelarts POST /v2/{project_id}/training-job-searches"
JOBS = "pai: pai_dlc GET /api/v1/jobs"
OIDC = {
    "huaweicloud": {"provider_urn": "iam::p", "agency_urn": "iam::a", "token_file": "token"},
    "alibabacloud": {"provider_arn": "acs::p", "role_arn": "acs::r", "token_file": "token"},
}
LOGINS: dict[str, tuple[int, dict[str, Any], str]] = {
    "a wrong secret key": (
        0, {"access_key": ACCESS_KEY, "secret_key": "wrong"},
        f"{SEARCH}: 401 APIGW.0301: Incorrect IAM authentication information: verify aksk signature fail; {REFUSED}",
    ),
    "an unknown access key": (
        0, {"access_key": "NOBODY", "secret_key": "wrong"},
        f"{SEARCH}: 401 APIGW.0301: Incorrect IAM authentication information: ak *** not exist; {REFUSED}",
    ),
    "a wrong password": (
        0, {"user": USER, "password": "wrong", "domain": DOMAIN},
        "IAM BASE: 401, user, password or domain is wrong; correct credentials.user/password/domain",
    ),
    "no agency": (
        0, {"metadata": True},
        "metadata BASE: 401, no agency is attached to this machine; attach a cloud service agency, or use other credentials",
    ),
    "a wrong OIDC token": (
        0, {"oidc": OIDC["huaweicloud"]},
        "STS BASE: 401, the token was refused; correct credentials.oidc, or the trust policy of the agency",
    ),
    "a wrong secret of an access key": (
        1, {"access_key_id": ALIBABA_ACCESS_KEY, "access_key_secret": "wrong"},
        f"{JOBS}: 400 SignatureDoesNotMatch: Specified signature does not match our calculation; {REFUSED}",
    ),
    "an unknown access key id": (
        1, {"access_key_id": "NOBODY", "access_key_secret": "wrong"},
        f"{JOBS}: 404 InvalidAccessKeyId.NotFound: Specified access key is not found; {REFUSED}",
    ),
    "no such role": (
        1, {"ecs_role": "nobody"},
        "metadata BASE: 404, no such RAM role is attached to this machine; attach it, or correct credentials.ecs_role",
    ),
    "a wrong OIDC token of a cluster": (
        1, {"oidc": OIDC["alibabacloud"]},
        "STS BASE: 400, the token was refused; correct credentials.oidc, or the trust policy of the role",
    ),
    "a secret file that went away": (
        0, {"access_key": ACCESS_KEY, "secret_key_file": "gone"},
        "FOLDER/gone: cannot read the secret (No such file or directory); mount it, or correct its path",
    ),
    "a secret file that is empty now": (
        0, {"access_key": ACCESS_KEY, "secret_key_file": "empty"},
        "credentials.secret_key: is empty; write the value into the file or variable that it is read from",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LOGINS)
def test_a_login_that_is_refused_is_the_same_one_line_for_every_source(kind: str, tmp_path: Path) -> None:
    async def story(cloud: Cloud, base: str) -> None:
        which, credentials, says = LOGINS[kind]
        cloud.behaviour.agency = kind != "no agency"
        for name in ("token", "gone", "empty"):
            (tmp_path / name).write_text("EXAMPLE")
        path = tmp_path / "exporter.json"
        configured(base, tmp_path)
        written = json.loads(path.read_text())
        written["targets"] = [{**written["targets"][which], "credentials": credentials}]
        path.write_text(json.dumps(written))
        config = load(path, environ={}, sets=())
        (tmp_path / "gone").unlink()
        (tmp_path / "empty").write_text("")
        async with flow(config, ManualClock(cloud.clock() / 1000), Fuse()) as running:
            lines = {await said(pipeline, read=False) for pipeline in running.pipelines}
        assert lines == {says.replace("BASE", base).replace("FOLDER", str(tmp_path))}

    cloud = Cloud()
    with running(cloud) as base:
        asyncio.run(story(cloud, base))


# --- anything

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["", "\ud800", "x" * 100_000, "2026-09-21T14:00:00+08:00", "1" * 400, "../..", "\x00"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
)  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in leaves(one, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    """The same value with another one at the end of a way."""
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], leaf)
    return copy


class Memory:
    """The network without a socket: one answer to listings, one to whatever else is asked."""

    def __init__(self, site: Site, listed: Any, told: Any) -> None:
        self._listing, self._listed, self._told = path_of(site.listing), listed, told

    async def send(self, request: httpx2.Request, turn: object = None) -> httpx2.Response:
        answer = self._listed if request.url.path == self._listing else self._told
        return httpx2.Response(200, stream=httpx2.ByteStream(json.dumps(answer).encode()), request=request)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("name", SITES)
async def test_whatever_stands_in_an_answer_the_exporter_lives_on(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    """Nothing but SourceError may come out of a listing or a read: anything else would stop all sources."""

    site = SITES[name]
    answers = {site.listing: site.listed, site.events: site.told}
    path = data.draw(st.sampled_from(list(answers)))
    for way in data.draw(st.lists(st.sampled_from(leaves(answers[path])), min_size=1, max_size=2)):
        with contextlib.suppress(KeyError, IndexError, TypeError):  # the first may have taken the second's place
            answers[path] = put(answers[path], way, data.draw(LEAVES))
    config = configured("http://127.0.0.1:1", tmp_path, history="count")
    (target,) = (
        target.model_copy(update={"sources": {name: target.sources[name]}})
        for target in config.targets
        if name in target.sources
    )
    config = config.model_copy(update={"store": ":memory:", "targets": (target,)})
    async with flow(config, ManualClock(), Fuse()) as running:
        (pipeline,) = running.pipelines
        pipeline.context.ask.__self__._fetcher._sender = Memory(site, answers[site.listing], answers[site.events])  # type: ignore[attr-defined]
        for _ in range(2):
            await said(pipeline, read=True)
            await running.core.committer.release_held()
        running.core.exposition.render("openmetrics", gzip=False)
