"""A client of the simulated clouds for tests, with signatures of its own; and clouds at a standing clock."""

import asyncio
import hashlib
import hmac
import re
import time
from typing import Any, NamedTuple

import httpx2

from exporter.simulator import Cloud, app
from exporter.simulator.apis import eas
from exporter.simulator.apis.api import AddedEvent
from exporter.simulator.apis.dsw import add_instance
from exporter.simulator.apis.services_v2 import add_service as add_service_v2
from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.state.accounts import (
    ACCESS_KEY,
    ALIBABA_ACCESS_KEY,
    ALIBABA_REGION,
    ALIBABA_SECRET_KEY,
    PROJECT_ID,
    SECRET_KEY,
    Key,
)
from exporter.simulator.state.times import read_iso

Headers = dict[str, str]


class AlibabaCall(NamedTuple):
    """A call of an API of Alibaba Cloud: its path as a pattern, its name and the version of its API."""

    path: str
    action: str
    version: str


ALIBABA_CALLS = (
    AlibabaCall("/api/v1/jobs", "ListJobs", "2020-12-03"),
    AlibabaCall("/api/v1/jobs/[^/]*/events", "GetJobEvents", "2020-12-03"),
    AlibabaCall("/api/v1/jobs/[^/]*/pods/[^/]*/events", "GetPodEvents", "2020-12-03"),
    AlibabaCall("/api/v1/jobs/[^/]*/sanitycheckresults", "ListJobSanityCheckResults", "2020-12-03"),
    AlibabaCall("/api/v2/services", "ListServices", "2021-07-01"),
    AlibabaCall("/api/v2/services/[^/]*/[^/]*/events", "DescribeServiceEvent", "2021-07-01"),
    AlibabaCall("/api/v2/instances", "ListInstances", "2022-01-01"),
    AlibabaCall("/api/v2/instances/[^/]*/events", "GetInstanceEvents", "2022-01-01"),
    AlibabaCall("/api/v2/instances/[^/]*/lifecycle", "GetLifecycle", "2022-01-01"),
    AlibabaCall(".*", "GetJob", "2020-12-03"),
)

NOW = read_iso("2022-11-26T08:10:00Z")
JOB, POOL, SERVICE = "5bd61eea-9de2-4864-a0f7-5fae966171b5", "pool-6f5d", "35de3ca9-1bca-4ae7-9cb0-914f30fa7d3e"
CLUSTER, DLC = "9defa0ce-b11c-47b2-abbc-5cad09ced772", "dlc-20210126170216-abcdef"
DSW = "dsw-730c3f2a9d1e4b57"
NOTEBOOK = "f9937afa-4451-42db-a76b-72d624749f66"
SERVICE_V2 = "6c1d0f52-7c2f-4ec4-9a4d-0d3e9b7c2a11"
NODE, EAS = "os-node-created-7x4fq", "echo"
TRAINING_EVENTS = f"/v2/{PROJECT_ID}/training-jobs/{JOB}/events"
SERVICE_V2_EVENTS = f"/v2/{PROJECT_ID}/services/{SERVICE_V2}/events?limit=500"
NOTEBOOKS = f"/v1/{PROJECT_ID}/notebooks/all"
POOL_JOBS = f"/v2/{PROJECT_ID}/jobs?resource=pools"
SCHEDULED_EVENTS = f"/v1/{PROJECT_ID}/scheduled-events"
POOL_EVENTS = f"/v1/{PROJECT_ID}/events?resource=pools&name={POOL}"
SERVICE_EVENTS = f"/v1/{PROJECT_ID}/services/{SERVICE}/events"
DWS_EVENTS = f"/v2/{PROJECT_ID}/events"
DWS_ALARMS = f"/v2/{PROJECT_ID}/alarms?limit=1000"
DLC_EVENTS = f"/api/v1/jobs/{DLC}/events"
EAS_EVENTS = f"/api/v2/services/{ALIBABA_REGION}/{EAS}/events"
DSW_EVENTS = f"/api/v2/instances/{DSW}/events"
RESOURCE = {
    "modelarts_training": JOB,
    "modelarts_pool": POOL,
    "modelarts_service": SERVICE,
    "modelarts_service_v2": SERVICE_V2,
    "modelarts_notebook": NOTEBOOK,
    "modelarts_scheduled": NODE,
    "modelarts_pool_job": POOL,
    "dws": CLUSTER,
    "dws_alarm": CLUSTER,
    "pai_dlc": DLC,
    "pai_eas": EAS,
    "pai_dsw": DSW,
}
EVENTS = {
    "modelarts_training": TRAINING_EVENTS,
    "modelarts_pool": POOL_EVENTS,
    "modelarts_service": SERVICE_EVENTS,
    "modelarts_service_v2": SERVICE_V2_EVENTS,
    "modelarts_notebook": NOTEBOOKS,
    "modelarts_scheduled": SCHEDULED_EVENTS,
    "modelarts_pool_job": POOL_JOBS,
    "dws": DWS_EVENTS,
    "dws_alarm": DWS_ALARMS,
    "pai_dlc": DLC_EVENTS,
    "pai_eas": EAS_EVENTS,
    "pai_dsw": DSW_EVENTS,
}


def at_rest(now: int = NOW) -> Cloud:
    """Both clouds at a standing clock, with one resource of each kind and no event."""
    cloud = Cloud(lambda: now)
    cloud.add_training_job(JOB)
    cloud.add_pool(POOL)
    cloud.add_service(SERVICE, name="service-07085")
    add_service_v2(cloud, SERVICE_V2, name="llm-7b")
    cloud.add_cluster(CLUSTER, name="test-ty-820-1006")
    cloud.add_dlc_job(DLC)
    eas.add_service(cloud, EAS)
    add_instance(cloud, DSW)
    return cloud


def send(cloud: Cloud, method: str, target: str, body: bytes = b"", headers: Headers | None = None) -> httpx2.Response:
    """One call, without a socket."""

    async def sent() -> httpx2.Response:
        transport = httpx2.ASGITransport(app(cloud))
        async with httpx2.AsyncClient(transport=transport, base_url="http://simulator") as client:
            return await client.request(method, target, content=body, headers=headers)

    return asyncio.run(sent())


def get(cloud: Cloud, target: str, **query: object) -> httpx2.Response:
    """A call with good credentials, whichever the path needs."""
    target = str(httpx2.URL(target).copy_merge_params({name.rstrip("_"): str(value) for name, value in query.items()}))
    if target.startswith("/api/"):
        return send(cloud, "GET", target, headers=acs3(cloud, target))
    return send(cloud, "GET", target, headers={"x-auth-token": cloud.keys.token(cloud.clock() + 60_000)})


def acs3(cloud: Cloud, target: str, key: Key | None = None, more: Headers | None = None) -> dict[str, str]:
    """Headers of Alibaba Cloud's signature, version 3; ``more`` are signed too."""
    key = key or Key(ALIBABA_ACCESS_KEY, ALIBABA_SECRET_KEY, "alibabacloud")
    path, _, query = target.partition("?")
    call = next(call for call in ALIBABA_CALLS if re.fullmatch(call.path, path))
    headers = {
        "host": "simulator",
        "x-acs-action": call.action,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cloud.clock() / 1000)),
        "x-acs-signature-nonce": str(time.perf_counter_ns()),
        "x-acs-version": call.version,
    } | (more or {})
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = f"GET\n{path}\n{'&'.join(sorted(query.replace('+', '%20').split('&')))}\n{lines}\n{';'.join(names)}\n"
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256((canonical + headers["x-acs-content-sha256"]).encode()).hexdigest()
    signature = hmac.new(key.secret.encode(), text.encode(), "sha256").hexdigest()
    given = f"Credential={key.access},SignedHeaders={';'.join(names)},Signature={signature}"
    return {**headers, "authorization": f"ACS3-HMAC-SHA256 {given}"}


def aksk(cloud: Cloud, path: str, key: Key | None = None, more: Headers | None = None) -> dict[str, str]:
    """Headers of Huawei Cloud's signature; ``more`` are signed too."""
    key = key or Key(ACCESS_KEY, SECRET_KEY, "huaweicloud")
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(cloud.clock() / 1000))
    headers = {"host": "simulator", "x-project-id": PROJECT_ID, "x-sdk-date": date} | (more or {})
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = f"GET\n{path}/\n\n{lines}\n{';'.join(names)}\n{hashlib.sha256(b'').hexdigest()}"
    text = f"SDK-HMAC-SHA256\n{headers['x-sdk-date']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.encode(), text.encode(), "sha256").hexdigest()
    given = f"Access={key.access}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**headers, "authorization": f"SDK-HMAC-SHA256 {given}"}


def add_one(cloud: Cloud, source: str) -> None:
    """One event of the one resource of a source."""
    SOURCES[source].event(cloud, AddedEvent(source, RESOURCE[source], "Created pod: x"), NOW)


Event = dict[str, Any]


def event(source: str, text: str = "something happened", ago: float = 0.0, **more: Any) -> Event:
    """One event of the one resource of a source, ``ago`` seconds before now."""
    at = int((time.time() - ago) * 1000)
    return {"source": source, "resource": f"{source}-1", "text": text, "at": at, **more}
