"""``doctor`` against the simulated clouds and their faults: the exact lines."""

import asyncio
import contextlib
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from exporter.cli import doctor
from exporter.cli.doctor.connect import Reached, Unreached, connect
from exporter.cli.doctor.findings import FindingPlace
from exporter.cli.doctor.target_findings import connection_finding
from exporter.common.proxies import Proxy
from exporter.config import load
from exporter.simulator import Cloud, Scenario, configuration, running
from exporter.simulator.apis import dsw, notebooks, pool_jobs, services_v2
from exporter.simulator.apis.dws_alarm import raise_alarm
from exporter.simulator.apis.eas import service_event
from exporter.simulator.apis.scheduled_events import publish
from exporter.simulator.state.accounts import (
    ACCESS_KEY,
    ALIBABA_ACCESS_KEY,
    ALIBABA_SECRET_KEY,
    OIDC_TOKEN,
    PASSWORD,
    SECRET_KEY,
)
from exporter.simulator.state.behaviour import Behaviour
from exporter.sources import SOURCES as KINDS
from tests.support.clouds import CLUSTER, DLC, DSW, EAS, JOB, POOL, SERVICE, SERVICE_V2
from tests.support.collector import Certificates
from tests.support.heavy import needs
from tests.support.processes import COMMAND, PATIENCE, Clouds, Exporter, all_ran, closing, configured, environment, ran
from tests.support.rig import known
from tests.support.source_names import HUAWEI, PROJECT_WIDE, SOURCES

Written = dict[str, Any]
KEYS = "access keys (access_key from FILE:1; secret_key from FILE:1)"
ALIBABA_KEYS = "access keys (access_key_id from FILE:1; access_key_secret from FILE:1)"
TRAINING, SERVICES = "research/modelarts_training", "research/modelarts_service"
POOLS, PAI, INSTANCES = "research/modelarts_pool", "pai/pai_dlc", "pai/pai_dsw"
SERVICES_V2, NOTEBOOKS = "research/modelarts_service_v2", "research/modelarts_notebook"
SCHEDULED, JOBS_OF_POOLS = "research/modelarts_scheduled", "research/modelarts_pool_job"
DWS, ALARMS = "research/dws", "research/dws_alarm"
INFERENCE = "pai/pai_eas"
ALIBABA = [name for name in SOURCES if name not in HUAWEI]
ALIBABA_APIS = list(dict.fromkeys(KINDS[name].api for name in ALIBABA))
SEEN = "events are seen after about 1 s, limited by poll_interval"
WELL = f"""
ok       research                       credentials  {KEYS}: accepted; they do not expire
ok       research                       connection   modelarts: URL: connected to 127.0.0.1 in 1 ms
ok       research                       connection   dws: URL: connected to 127.0.0.1 in 1 ms
ok       research                       clock        within 2 s of the vendor's
ok       research/modelarts_training    listing      1 job in workspace 0, 1 active
ok       research/modelarts_training    events       1 event of {JOB} in 1 page; that is all there is
ok       research/modelarts_training    records      all of them can be read
ok       research/modelarts_training    texts        a rule takes each of them
ok       research/modelarts_training    times        the newest was 10 min ago, none lies in the future
ok       research/modelarts_training    stages       no stages of {JOB}
ok       research/modelarts_training    forecast     about 129,600 requests a day for 1 active; {SEEN}
ok       research/modelarts_pool        listing      1 pool, 1 active
ok       research/modelarts_pool        events       1 event of {POOL} in 1 page; that is all there is
ok       research/modelarts_pool        records      all of them can be read
ok       research/modelarts_pool        texts        a rule takes each of them
ok       research/modelarts_pool        times        the newest was 10 min ago, none lies in the future
ok       research/modelarts_pool        forecast     about 129,600 requests a day for 1 active; {SEEN}
ok       research/modelarts_service     listing      1 service, 1 active
ok       research/modelarts_service     events       1 event of {SERVICE} (service-07085) in 1 page; that is all there is
ok       research/modelarts_service     records      all of them can be read
ok       research/modelarts_service     texts        a rule takes each of them
ok       research/modelarts_service     times        the newest was 10 min ago, none lies in the future
ok       research/modelarts_service     forecast     about 129,600 requests a day for 1 active; {SEEN}
ok       research/modelarts_service_v2  listing      1 service, 1 active
ok       research/modelarts_service_v2  events       1 event of {SERVICE_V2} (llm-7b) in 1 page; that is all there is
ok       research/modelarts_service_v2  records      all of them can be read
ok       research/modelarts_service_v2  texts        a rule takes each of them
ok       research/modelarts_service_v2  times        the newest was 10 min ago, none lies in the future; those of autoscaling name no zone and are read as UTC (event_timezone: auto)
ok       research/modelarts_service_v2  forecast     about 388,800 requests a day for 1 active; {SEEN}
ok       research/modelarts_notebook    listing      1 notebook, 0 active
ok       research/modelarts_notebook    events       1 event in 1 page; that is all there is
ok       research/modelarts_notebook    records      all of them can be read
ok       research/modelarts_notebook    texts        a rule takes each of them
ok       research/modelarts_notebook    times        the newest was 10 min ago, none lies in the future
ok       research/modelarts_notebook    forecast     about 129,600 requests a day; {SEEN}
ok       research/modelarts_scheduled   listing      1 scheduled event, 1 active
ok       research/modelarts_scheduled   events       1 event in 1 page; that is all there is
ok       research/modelarts_scheduled   records      all of them can be read
ok       research/modelarts_scheduled   texts        a rule takes each of them
ok       research/modelarts_scheduled   times        the newest was 10 min ago, none lies in the future
ok       research/modelarts_scheduled   forecast     about 129,600 requests a day; {SEEN}
ok       research/modelarts_pool_job    listing      1 pool job, 1 active
ok       research/modelarts_pool_job    events       1 event in 1 page; that is all there is
ok       research/modelarts_pool_job    records      all of them can be read
ok       research/modelarts_pool_job    texts        a rule takes each of them
ok       research/modelarts_pool_job    times        the newest was 10 min ago, none lies in the future
ok       research/modelarts_pool_job    forecast     about 129,600 requests a day; {SEEN}
ok       research/dws                   listing      1 cluster in all enterprise projects, 1 active
ok       research/dws                   events       1 event in 1 page; that is all there is
ok       research/dws                   records      all of them can be read
ok       research/dws                   texts        a rule takes each of them
ok       research/dws                   times        the newest was 10 min ago, none lies in the future
ok       research/dws                   forecast     about 129,600 requests a day; {SEEN}
ok       research/dws_alarm             listing      1 cluster in all enterprise projects, 1 active
ok       research/dws_alarm             events       1 event in 1 page; that is all there is
ok       research/dws_alarm             records      all of them can be read
ok       research/dws_alarm             texts        a rule takes each of them
ok       research/dws_alarm             times        the newest was 10 min ago, none lies in the future
ok       research/dws_alarm             forecast     about 129,600 requests a day; {SEEN}
ok       pai                            credentials  {ALIBABA_KEYS}: accepted; they do not expire
ok       pai                            connection   pai_dlc: URL: connected to 127.0.0.1 in 1 ms
ok       pai                            connection   pai_eas: URL: connected to 127.0.0.1 in 1 ms
ok       pai                            connection   pai_dsw: URL: connected to 127.0.0.1 in 1 ms
ok       pai                            clock        within 2 s of the vendor's
ok       pai/pai_dlc                    listing      1 job in workspace 12345, 1 active
ok       pai/pai_dlc                    events       1 event of {DLC} in 1 page; that is all there is
ok       pai/pai_dlc                    records      all of them can be read
ok       pai/pai_dlc                    texts        a rule takes each of them
ok       pai/pai_dlc                    times        the newest was 10 min ago, none lies in the future; they name no zone and are read as UTC (event_timezone: auto)
ok       pai/pai_dlc                    stages       1 stage of {DLC}
ok       pai/pai_dlc                    pod events   may be read
ok       pai/pai_dlc                    sanity       may be read
ok       pai/pai_dlc                    forecast     about 129,600 requests a day for 1 active; {SEEN}
ok       pai/pai_eas                    listing      1 service, 1 active
ok       pai/pai_eas                    events       1 event of {EAS} in 1 page; that is all there is
ok       pai/pai_eas                    records      all of them can be read
ok       pai/pai_eas                    texts        a rule takes each of them
ok       pai/pai_eas                    times        the newest was 10 min ago, none lies in the future
ok       pai/pai_eas                    forecast     about 129,600 requests a day for 1 active; {SEEN}
ok       pai/pai_dsw                    listing      1 instance, 1 active
ok       pai/pai_dsw                    events       1 event of {DSW} in 1 page; that is all there is
ok       pai/pai_dsw                    records      all of them can be read
ok       pai/pai_dsw                    texts        a rule takes each of them
ok       pai/pai_dsw                    times        the newest was 10 min ago, none lies in the future; they name no zone and are read as UTC (event_timezone: auto)
ok       pai/pai_dsw                    stages       1 stage of {DSW}
ok       pai/pai_dsw                    forecast     about 129,600 requests a day for 1 active; {SEEN}
fine: 86 checks of 2 targets, 0 failed, 0 warnings
"""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def cloud() -> Cloud:
    """One resource of each kind, each with one event that is ten minutes old."""
    cloud = Cloud()
    at = cloud.clock() - 600_000
    cloud.add_training_job(JOB, created=at)
    cloud.add_pool(POOL)
    cloud.add_service(SERVICE, name="service-07085")
    cloud.add_cluster(CLUSTER, name="test-ty-820-1006")
    cloud.add_dlc_job(DLC, created=at)
    cloud.training_event(JOB, at, "Info", "Job", "Training job is running.")
    cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from Creating to Running.", at)
    cloud.service_event(SERVICE, at, "start to deploy service")
    services_v2.add_service(cloud, SERVICE_V2, name="llm-7b")
    services_v2.add_event(cloud, SERVICE_V2, at, "The service starts to deploy.")
    notebooks.fail(cloud, "features", at, "Pulling the image failed.")
    publish(cloud, "node-1", at)
    pool_jobs.start(cloud, POOL, at)
    cloud.dws_event(CLUSTER, at, "createBackup")
    raise_alarm(cloud, CLUSTER, at, "Cluster Status Fault")
    cloud.dlc_event(DLC, at, "Created pod: x")
    service_event(cloud, EAS, at, "Service is now creating", Reason="Creating")
    dsw.add_instance(cloud, DSW, created=at)
    dsw.add_event(cloud, DSW, at, "Started container dsw-notebook")
    return cloud


class DoctorRun:
    """Runs ``doctor`` on a configuration and reads its output."""

    def __init__(self, cloud: Cloud, base: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.cloud, self.base, self.folder, self._capsys = cloud, base, folder, capsys
        self.written = configuration(base, store=str(folder / "state.db"))
        self.code, self.last_line = 0, ""
        self.environ: dict[str, str] = {}

    def output(
        self, seconds: float = 5.0, *, as_json: bool = False, meanwhile: Callable[[], None] = lambda: None
    ) -> str:
        """Return the whole output; call ``meanwhile`` once the configuration was read."""
        path = self.folder / "exporter.json"
        path.write_text(json.dumps(self.written))
        config = load(path, environ=self.environ, sets=())
        meanwhile()
        self.code = asyncio.run(doctor.run(config, known(config).packs, seconds, as_json=as_json))
        out, err = self._capsys.readouterr()
        assert err == ""
        for secret in (SECRET_KEY, ALIBABA_SECRET_KEY, ACCESS_KEY, ALIBABA_ACCESS_KEY, "EXAMPLE"):
            assert secret not in out
        assert {each.name for each in self.folder.iterdir()} <= {"exporter.json", "secret", "token"}, "nothing is kept"
        return out

    def lines(self, seconds: float = 5.0, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        """Return the lines of the output, without what differs from run to run."""
        text = re.sub(r"in \d+ ms", "in 1 ms", self.output(seconds, meanwhile=meanwhile))
        shown = text.replace(self.base, "URL").replace(str(self.folder / "exporter.json"), "FILE")
        return shown.replace(self.base.removeprefix("http://"), "HOST").splitlines()

    def unusual_lines(self, seconds: float = 5.0, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        """Return the lines that a healthy configuration does not have.

        Blanks are single; the last line is kept in ``last_line``.
        """
        well = {re.sub(" {2,}", " ", line) for line in WELL.splitlines()}
        *lines, self.last_line = [re.sub(" {2,}", " ", line) for line in self.lines(seconds, meanwhile)]
        return [line for line in lines if line not in well]


@pytest.fixture
def doctor_run(cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[DoctorRun]:
    with running(cloud) as base:
        yield DoctorRun(cloud, base, tmp_path, capsys)


def test_all_is_well(doctor_run: DoctorRun) -> None:
    assert doctor_run.lines() == WELL.strip().splitlines()
    assert doctor_run.code == 0


# --- permissions

FORBIDDEN = "403 APIGW.0302: The IAM user is not authorized to access the API"
NO_PERMISSION = "403 NoPermission: You are not authorized to do this action"
PODS = "paidlc:GetPodEvents (or pai:GetPodEvents)"
CHECKS = "paidlc:ListJobSanityCheckResults (or pai:ListJobSanityCheckResults)"


def test_a_forbidden_call_is_named_with_the_missing_permission(doctor_run: DoctorRun) -> None:
    for source in SOURCES:
        doctor_run.cloud.faults.add("denied", f"{source}.events")
    details = ("pai_dlc.details", "pai_dlc.pod_events", "pai_dlc.sanity_checks")
    for call in ("dws.list", "modelarts_training.stages", *details, "pai_dsw.lifecycle"):
        doctor_run.cloud.faults.add("denied", call)
    own, theirs = f"{FORBIDDEN}; grant", f"{NO_PERMISSION}; grant"
    job, service = f"/v2/{{project_id}}/training-jobs/{JOB}", f"/v1/{{project_id}}/services/{SERVICE}"
    texts = "until then phases come from event texts alone"
    policy = "ModelArts CommonOperations (a system policy; the vendor documents no action for this call)"
    listed = f"modelarts GET /v1/{{project_id}}/notebooks/all: {own} modelarts:notebook:list to these credentials"
    maintenance = f"modelarts GET /v1/{{project_id}}/scheduled-events: {own} {policy} to these credentials"
    work = f"modelarts GET /v2/{{project_id}}/jobs: {own} {policy} to these credentials"
    assert doctor_run.unusual_lines() == [
        f"FAILED {TRAINING} events modelarts GET {job}/events: {own} modelarts:trainJob:listEvents to these credentials",
        f"WARNING {TRAINING} stages modelarts GET {job}/stages: {own} modelarts:trainJob:get to these credentials; {texts}",
        f"FAILED {POOLS} events modelarts GET /v1/{{project_id}}/events: {own} modelarts:pool:get to these credentials",
        f"FAILED {SERVICES} events modelarts GET {service}/events: {own} modelarts:service:getEvents to these credentials",
        f"FAILED {SERVICES_V2} events modelarts GET /v2/{{project_id}}/services/{SERVICE_V2}/events: {own} modelarts:service:get to these credentials",
        *(f"FAILED {NOTEBOOKS} {check} {listed}" for check in ("listing", "events")),
        *(f"FAILED {SCHEDULED} {check} {maintenance}" for check in ("listing", "events")),
        *(f"FAILED {JOBS_OF_POOLS} {check} {work}" for check in ("listing", "events")),
        f"FAILED {DWS} listing dws GET /v1.0/{{project_id}}/clusters: {own} dws:cluster:list (or the role DWS ReadOnlyAccess) to these credentials",
        f"FAILED {DWS} events dws GET /v2/{{project_id}}/events: {own} dws:event:list (or the role DWS ReadOnlyAccess) to these credentials",
        f"FAILED {ALARMS} listing dws GET /v1.0/{{project_id}}/clusters: {own} dws:cluster:list (or the role DWS ReadOnlyAccess) to these credentials",
        f"FAILED {ALARMS} events dws GET /v2/{{project_id}}/alarms: {own} dws:alarm:listDetail (in a custom policy dws:alarmDetail:list; or the role DWS ReadOnlyAccess) to these credentials",
        f"FAILED {PAI} events pai_dlc GET /api/v1/jobs/{DLC}/events: {theirs} paidlc:GetJobEvents (or pai:GetJobEvents) to these credentials",
        f"WARNING {PAI} stages pai_dlc GET /api/v1/jobs/{DLC}: {theirs} paidlc:GetJob to these credentials; {texts}",
        f"WARNING {PAI} pod events pai_dlc GET /api/v1/jobs/{DLC}/pods/none/events: {theirs} {PODS} to these credentials; until then their events are missing",
        f"WARNING {PAI} sanity pai_dlc GET /api/v1/jobs/{DLC}/sanitycheckresults: {theirs} {CHECKS} to these credentials; until then their events are missing",
        f"FAILED {INFERENCE} events pai_eas GET /api/v2/services/cn-hangzhou/{EAS}/events: {theirs} eas:DescribeServiceEvent to these credentials",
        f"FAILED {INSTANCES} events pai_dsw GET /api/v2/instances/{DSW}/events: {theirs} paidsw:GetInstanceEvents to these credentials",
        f"WARNING {INSTANCES} stages pai_dsw GET /api/v2/instances/{DSW}/lifecycle: {theirs} paidsw:GetLifecycle to these credentials; {texts}",
    ]
    assert doctor_run.code == 1


def test_a_part_of_the_events_that_is_forbidden_is_named_with_the_missing_permission(doctor_run: DoctorRun) -> None:
    for call in ("pods", "scaling"):
        doctor_run.cloud.faults.add("denied", f"modelarts_service_v2.{call}")
    deployment = f"/v2/{{project_id}}/services/{SERVICE_V2}/deployments"
    (id_,) = (one.id for one in doctor_run.cloud.resources["modelarts_service_v2"][SERVICE_V2].deployments.values())
    pods = f"modelarts GET {deployment}/default/instances/all/pods/all/events: {FORBIDDEN}; grant modelarts:service:listDeploymentPodEvents to these credentials"
    scaling = f"modelarts GET {deployment}/{id_}/hpa/events: {FORBIDDEN}; grant modelarts:service:listHpaEvents to these credentials"
    assert doctor_run.unusual_lines() == [
        f"WARNING {SERVICES_V2} events 1 event of {SERVICE_V2} (llm-7b) in 1 page; that is all there is; pod events are not read: {pods}; autoscaling events are not read: {scaling}"
    ]
    assert doctor_run.code == 0


def test_forbidden_listings_name_the_permissions_that_were_not_tried(doctor_run: DoctorRun) -> None:
    for call in ("modelarts_training", "modelarts_pool", "modelarts_service", "pai_dlc", "pai_eas", "pai_dsw"):
        doctor_run.cloud.faults.add("denied", f"{call}.list")
    own, untried = f"{FORBIDDEN}; grant", "not asked: nothing was listed;"
    assert doctor_run.unusual_lines() == [
        f"FAILED {TRAINING} listing workspace 0: modelarts POST /v2/{{project_id}}/training-job-searches: {own} modelarts:trainJob:list to these credentials",
        f"skipped {TRAINING} events {untried} modelarts:trainJob:listEvents was not tried",
        f"skipped {TRAINING} stages {untried} modelarts:trainJob:get was not tried",
        f"FAILED {POOLS} listing modelarts GET /v2/{{project_id}}/pools: {own} modelarts:pool:list to these credentials",
        f"skipped {POOLS} events {untried} modelarts:pool:get was not tried",
        f"FAILED {SERVICES} listing modelarts GET /v1/{{project_id}}/services: {own} modelarts:service:list to these credentials",
        f"skipped {SERVICES} events {untried} modelarts:service:getEvents was not tried",
        f"FAILED {PAI} listing workspace 12345: pai_dlc GET /api/v1/jobs: {NO_PERMISSION}; grant paidlc:ListJobs to these credentials",
        f"skipped {PAI} events {untried} paidlc:GetJobEvents (or pai:GetJobEvents) was not tried",
        f"skipped {PAI} stages {untried} paidlc:GetJob was not tried",
        f"skipped {PAI} pod events {untried} {PODS} was not tried",
        f"skipped {PAI} sanity {untried} {CHECKS} was not tried",
        f"FAILED {INFERENCE} listing pai_eas GET /api/v2/services: {NO_PERMISSION}; grant eas:ListServices to these credentials",
        f"skipped {INFERENCE} events {untried} eas:DescribeServiceEvent was not tried",
        f"FAILED {INSTANCES} listing pai_dsw GET /api/v2/instances: {NO_PERMISSION}; grant paidsw:ListInstances (and paidsw:ListAllInstances, for private instances of others) to these credentials",
        f"skipped {INSTANCES} events {untried} paidsw:GetInstanceEvents was not tried",
        f"skipped {INSTANCES} stages {untried} paidsw:GetLifecycle was not tried",
    ]


# --- credentials


def skipped(*places: str) -> list[str]:
    """Return the lines of sources whose credentials were refused."""
    permissions = {
        TRAINING: {"events": "modelarts:trainJob:listEvents", "stages": "modelarts:trainJob:get"},
        POOLS: {"events": "modelarts:pool:get"},
        SERVICES: {"events": "modelarts:service:getEvents"},
        SERVICES_V2: {"events": "modelarts:service:get"},
        NOTEBOOKS: {},
        SCHEDULED: {},
        JOBS_OF_POOLS: {},
        DWS: {},
        ALARMS: {},
        PAI: {
            "events": "paidlc:GetJobEvents (or pai:GetJobEvents)",
            "stages": "paidlc:GetJob",
            "pod events": PODS,
            "sanity": CHECKS,
        },
        INFERENCE: {"events": "eas:DescribeServiceEvent"},
        INSTANCES: {"events": "paidsw:GetInstanceEvents", "stages": "paidsw:GetLifecycle"},
    }
    lines = []
    for place in places:
        lines.append(f"skipped {place} listing not asked: the credentials were refused")
        for check, permission in permissions[place].items():
            lines.append(f"skipped {place} {check} not asked: nothing was listed; {permission} was not tried")
        if not permissions[place]:
            lines.append(f"skipped {place} events not asked: the credentials were refused")
    return lines


def test_refused_keys_are_told_once_and_the_vendor_is_asked_once(doctor_run: DoctorRun) -> None:
    """Vendors lock keys that they refuse several times, and repeat them in refusals."""
    doctor_run.written["targets"][0]["credentials"] = {"access_key": "WRONG-ACCESS-KEY", "secret_key": "x"}
    doctor_run.written["targets"][1]["credentials"]["access_key_secret"] = "WRONG-SECRET"
    refused = "the credentials were refused: check that they exist, are enabled and have not expired"
    assert doctor_run.unusual_lines() == [
        f"FAILED research credentials {KEYS}: modelarts POST /v2/{{project_id}}/training-job-searches: 401 APIGW.0301: Incorrect IAM authentication information: ak *** not exist; {refused}",
        *skipped(TRAINING, POOLS, SERVICES, SERVICES_V2, NOTEBOOKS, SCHEDULED, JOBS_OF_POOLS, DWS, ALARMS),
        f"FAILED pai credentials {ALIBABA_KEYS}: pai_dlc GET /api/v1/jobs: 400 SignatureDoesNotMatch: Specified signature does not match our calculation; {refused}",
        *skipped(PAI, INFERENCE, INSTANCES),
    ]
    assert doctor_run.code == 1
    assert doctor_run.cloud.requests.total() == 2


def test_each_form_of_login_shows_its_origin_and_when_its_keys_expire(doctor_run: DoctorRun) -> None:
    secret, token = doctor_run.folder / "secret", doctor_run.folder / "token"
    secret.write_text(PASSWORD)
    token.write_text(OIDC_TOKEN)
    forms = {
        "an IAM token for user, password and domain (user from FILE:1; password from SECRET; domain from FILE:1)": (
            {"user": "exporter", "password_file": str(secret), "domain": "example-domain"},
            ("iam", "in 24 h"),
        ),
        "the agency of this machine (metadata from FILE:1)": ({"metadata": True}, ("metadata", "in 60 min")),
        "an OIDC token (oidc.provider_urn from FILE:1; oidc.agency_urn from FILE:1; oidc.token from TOKEN)": (
            {"oidc": {"provider_urn": "urn:p", "agency_urn": "urn:a", "token_file": str(token)}},
            ("sts", "in 60 min"),
        ),
    }
    doctor_run.written["targets"][1]["credentials"] = {"ecs_role": "platform-events-exporter"}
    for form, (credentials, (api, until)) in forms.items():
        doctor_run.written["targets"][0]["credentials"] = credentials
        odd = [line.replace(str(secret), "SECRET").replace(str(token), "TOKEN") for line in doctor_run.unusual_lines()]
        assert [re.sub(r"at \S+Z", "at TIME", line) for line in odd] == [
            f"ok research credentials {form}: accepted; they expire {until}, at TIME, and are renewed before",
            f"ok research connection {api}: URL: connected to 127.0.0.1 in 1 ms",
            "ok pai credentials the RAM role of this machine (ecs_role from FILE:1): accepted; they expire in 60 min, at TIME, and are renewed before",
            "ok pai connection metadata: URL: connected to 127.0.0.1 in 1 ms",
        ]


def test_a_refused_login_shows_the_words_of_its_issuer(doctor_run: DoctorRun) -> None:
    wrong = {"user": "exporter", "password": "not-the-password", "domain": "example-domain"}
    doctor_run.written["targets"][0] |= {"credentials": wrong}
    del doctor_run.written["targets"][1]
    form = "an IAM token for user, password and domain (user from FILE:1; password from FILE:1; domain from FILE:1)"
    assert doctor_run.unusual_lines() == [
        f"FAILED research credentials {form}: IAM URL: 401, user, password or domain is wrong; correct credentials.user/password/domain",
        "ok research connection iam: URL: connected to 127.0.0.1 in 1 ms",
        "skipped research clock not compared: no answer had a Date header",
        *skipped(TRAINING, POOLS, SERVICES, SERVICES_V2, NOTEBOOKS, SCHEDULED, JOBS_OF_POOLS, DWS, ALARMS),
    ]
    assert doctor_run.cloud.requests["iam.token"] == 1


def test_temporary_keys_without_a_known_end_are_shown_as_such(doctor_run: DoctorRun) -> None:
    key = doctor_run.cloud.keys.temporary("alibabacloud", doctor_run.cloud.clock() + 60_000)
    given = {"access_key_id": key.access, "access_key_secret": key.secret, "security_token": key.token}
    doctor_run.written["targets"][1]["credentials"] = given
    origins = "; ".join(f"{name} from FILE:1" for name in given)
    assert doctor_run.unusual_lines() == [
        f"ok pai credentials temporary access keys ({origins}): accepted; nobody tells when they expire"
    ]


def test_a_missing_secret_file_fails_only_its_own_target(doctor_run: DoctorRun) -> None:
    """The file was removed after the configuration was read."""
    secret = doctor_run.folder / "secret"
    secret.write_text(SECRET_KEY)
    doctor_run.written["targets"][0]["credentials"] = {"access_key": ACCESS_KEY, "secret_key_file": str(secret)}
    gone = f"{secret}: cannot read the secret (No such file or directory); mount it, or correct its path"
    assert doctor_run.unusual_lines(meanwhile=secret.unlink) == [f"FAILED research credentials {gone}"]
    assert doctor_run.last_line == "not fine: 28 checks of 2 targets, 1 failed, 0 warnings"


# --- clocks


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (3, "ok {} clock 3 s behind the vendor's; reads go by the vendor's"),
        (-50, "ok {} clock 50 s ahead of the vendor's; reads go by the vendor's"),
        (95, "WARNING {} clock 95 s behind the vendor's; reads go by the vendor's, but signatures by ours are refused if they are more than 15 minutes off; set this machine's clock, for example by NTP"),
        (-1000, "FAILED {} clock 1000 s ahead of the vendor's; reads go by the vendor's, but signatures by ours are refused as they are more than 15 minutes off; set this machine's clock, for example by NTP"),
    ],
)  # fmt: skip
def test_a_wrong_clock_is_shown_with_its_consequences(doctor_run: DoctorRun, seconds: float, line: str) -> None:
    doctor_run.cloud.faults.add("skew", seconds=seconds)
    times = [one for one in doctor_run.unusual_lines() if " clock " in one]
    assert [re.sub(r"\d+ s (ahead|behind)", lambda found: _near(found[0], seconds), one) for one in times] == [
        line.format("research"),
        line.format("pai"),
    ]
    assert doctor_run.code == int(line.startswith("FAILED"))


def _near(said: str, seconds: float) -> str:
    """Allow for a Date header, which has whole seconds only."""
    number, _, word = said.partition(" s ")
    assert abs(int(number) - abs(seconds)) <= 1
    return f"{abs(seconds)} s {word}"


# --- connections


def test_unreachable_hosts_are_not_asked_and_stop_no_other_target(doctor_run: DoctorRun) -> None:
    huawei, alibaba = doctor_run.written["targets"]
    huawei["endpoints"] |= {"dws": "http://127.0.0.1:1", "modelarts": "http://nowhere.invalid"}
    alibaba["endpoints"] |= dict.fromkeys(ALIBABA_APIS, doctor_run.base.replace("http://", "https://"))
    unasked = "skipped {} listing not asked: there is no connection to {}"
    odd = "\n".join(doctor_run.unusual_lines())
    odd = re.sub(r"\((Name or service|Temporary|No address)[^)]*\)", "(DNS)", odd)
    odd = re.sub(r"\((record layer failure|wrong version number)\)", "(no TLS)", odd)
    assert odd.splitlines() == [
        f"skipped research credentials {KEYS}: found; no answer told whether they are accepted",
        "FAILED research connection modelarts: http://nowhere.invalid: nowhere.invalid:80 has no address (DNS); correct endpoints.modelarts or region, or see this machine's DNS",
        "FAILED research connection dws: http://127.0.0.1:1: cannot connect to 127.0.0.1:1 (Connection refused); check endpoints.dws, routes and firewalls",
        "skipped research clock not compared: no answer had a Date header",
        *(unasked.format(f"research/{name}", KINDS[name].api) for name in HUAWEI),
        f"skipped pai credentials {ALIBABA_KEYS}: found; no answer told whether they are accepted",
        *(
            f"FAILED pai connection {api}: https://HOST: TLS with HOST failed (no TLS); check endpoints.{api}, its certificate, and ca_file or SSL_CERT_FILE"
            for api in ALIBABA_APIS
        ),
        "skipped pai clock not compared: no answer had a Date header",
        *(unasked.format(f"pai/{name}", KINDS[name].api) for name in ALIBABA),
    ]


def test_the_sts_of_the_environment_is_the_one_that_is_connected_to(doctor_run: DoctorRun) -> None:
    token = doctor_run.folder / "token"
    token.write_text(OIDC_TOKEN)
    doctor_run.environ = {
        "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(token),
        "ALIBABA_CLOUD_STS_REGION": "no.where.invalid",
    }
    target = doctor_run.written["targets"][1]
    del target["credentials"], target["endpoints"]["sts"], doctor_run.written["targets"][0]
    del target["sources"]["pai_eas"]
    variables = "the vendor's environment variables"
    origins = f"role_arn from {variables}; provider_arn from {variables}; token_file from {variables}"
    odd = doctor_run.unusual_lines()
    assert odd[0].startswith("skipped pai credentials an OIDC token (")
    assert set(origins.split("; ")) <= set(odd[0].partition("(")[2].partition(")")[0].split("; "))
    assert odd[1].startswith("FAILED pai connection sts: https://sts.no.where.invalid.aliyuncs.com: ")
    assert odd[3] == f"skipped {PAI} listing not asked: there is no connection to sts"


def test_the_proxy_in_use_is_named_without_its_password(doctor_run: DoctorRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:EXAMPLE-password@127.0.0.1:1")
    del doctor_run.written["targets"][0]
    assert doctor_run.unusual_lines()[1:] == [
        *(
            f"FAILED pai connection {api}: the proxy http://127.0.0.1:1: cannot connect to 127.0.0.1:1 (Connection refused); check HTTP_PROXY, routes and firewalls"
            for api in ALIBABA_APIS
        ),
        "skipped pai clock not compared: no answer had a Date header",
        *(f"skipped pai/{name} listing not asked: there is no connection to {KINDS[name].api}" for name in ALIBABA),
    ]


# --- trouble


def test_a_vendor_that_hangs_is_one_line_after_the_timeout(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.faults.add("slow", "pai_dlc", seconds=60)
    del doctor_run.written["targets"][1]["sources"]["pai_eas"]
    doctor_run.written["targets"][1]["sources"].pop("pai_dsw")
    began = time.monotonic()
    late = "no answer in time; check network, proxy and endpoint"
    assert doctor_run.unusual_lines(0.3) == [
        f"skipped pai credentials {ALIBABA_KEYS}: found; no answer told whether they are accepted",
        "skipped pai clock not compared: no answer had a Date header",
        f"FAILED {PAI} listing workspace 12345: pai_dlc GET /api/v1/jobs: {late}",
        f"skipped {PAI} events not asked: nothing was listed; paidlc:GetJobEvents (or pai:GetJobEvents) was not tried",
        f"skipped {PAI} stages not asked: nothing was listed; paidlc:GetJob was not tried",
        f"skipped {PAI} pod events not asked: nothing was listed; {PODS} was not tried",
        f"skipped {PAI} sanity not asked: nothing was listed; {CHECKS} was not tried",
    ]
    assert time.monotonic() - began < 30


def test_a_throttling_or_failing_vendor_is_shown_with_the_cure(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.faults.add("throttled", "dws.events", seconds=60)
    doctor_run.cloud.faults.add("error", "pai_dlc.events")
    for other in ("modelarts_service", "dws_alarm"):  # whose requests to DWS may come before or after the refusal
        del doctor_run.written["targets"][0]["sources"][other]
    assert doctor_run.unusual_lines() == [
        f"FAILED {DWS} events dws GET /v2/{{project_id}}/events: 429 APIGW.0308: The throttling threshold has been reached: policy user over ratelimit,limit:1,time:1 minute; see who else asks with these credentials",
        f"FAILED {PAI} events pai_dlc GET /api/v1/jobs/{DLC}/events: 503 ServiceUnavailable: The request has failed due to a temporary failure; the platform failed: see its status, and try again",
    ]
    assert doctor_run.cloud.requests["pai_dlc.events"] == 3, "it was asked again before that"


def test_missing_resources_are_shown(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.faults.add("missing", "modelarts_pool.list")
    doctor_run.cloud.faults.add("missing", "pai_dlc.events")
    assert doctor_run.unusual_lines() == [
        f"FAILED {POOLS} listing modelarts GET /v2/{{project_id}}/pools: 404 APIGW.0101: The API does not exist or has not been published; this API is not offered there: check endpoints and region",
        f"skipped {POOLS} events not asked: nothing was listed; modelarts:pool:get was not tried",
        f"FAILED {PAI} events pai_dlc GET /api/v1/jobs/{DLC}/events: 404 InvalidAction.NotFound: Specified api is not found; it is not there (any more): check region, project_id and endpoints",
    ]


def test_an_error_that_passes_is_not_shown(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.faults.add("reset", "modelarts_pool.list", times=1)
    doctor_run.cloud.faults.add("error", "dws", times=1)
    assert doctor_run.unusual_lines() == []


def test_unreadable_records_unknown_texts_and_odd_times_are_warnings(doctor_run: DoctorRun) -> None:
    cloud, now = doctor_run.cloud, doctor_run.cloud.clock()
    cloud.faults.add("garbage", "modelarts_pool.events", size=3)
    cloud.faults.add("garbage", "dws.list", size=1)
    cloud.training_event(JOB, now - 900_000, "Info", "Task", "[worker-0] the moon is at 17 degrees")
    cloud.training_event(JOB, now - 900_000, "Info", "Task", "[worker-1] the moon is at 18 degrees")
    cloud.training_event(JOB, now - 900_000, "Info", "Task", "x" * 200 + " {")
    cloud.service_event(SERVICE, now + 7_300_000, "start to deploy service")
    report = "report the form of the vendor's answer"
    counted = "platform_exporter_unreadable_records_total only"
    assert doctor_run.unusual_lines() == [
        f"ok {TRAINING} events 4 events of {JOB} in 1 page; that is all there is",
        f"WARNING {TRAINING} texts no rule takes 3 of 4, such as '[{{name:word}}] the moon is at {{number:int}} degrees'; write one with the help of explain --stub",
        f"WARNING {POOLS} records 3 of 4 records could not be read; they count in {counted}: {report}",
        f"ok {SERVICES} events 2 events of {SERVICE} (service-07085) in 1 page; that is all there is",
        f"WARNING {SERVICES} times 1 of 2 lie in the future, by up to 2 h; nothing to set here: tell who runs that platform",
        *(
            f"WARNING {place} listing 1 cluster in all enterprise projects, 1 active; 1 record could not be read: {report}"
            for place in (DWS, ALARMS)
        ),
    ]
    assert (doctor_run.code, doctor_run.last_line) == (0, "fine: 86 checks of 2 targets, 0 failed, 5 warnings")


def test_a_text_of_an_event_reaches_the_terminal_without_control_characters(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.pool_event(
        POOL, "Normal", "X", "\x1b]0;evil\x07 \x1b[31m\u202etext", doctor_run.cloud.clock() - 70_000
    )
    (line,) = [line for line in doctor_run.unusual_lines() if " texts " in line]
    assert line.isprintable()
    assert "evil" in line


@pytest.mark.parametrize(
    ("zone", "hours", "line"),
    [
        ("auto", 8.0, f"WARNING {PAI} times event times lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"),
        ("UTC", 8.0, f"WARNING {PAI} times event times lie in the future with event_timezone UTC; it is kept as it was stated, but +08:00 would fit: check it"),
        ("+08:00", 8.0, f"ok {PAI} times the newest was 1 min ago, none lies in the future; they name no zone and are read as +08:00"),
        ("auto", 12.0, f"WARNING {PAI} times 1 of 2 lie in the future, by up to 12 h; set event_timezone"),
    ],
)  # fmt: skip
def test_a_guessed_time_zone_is_shown(doctor_run: DoctorRun, zone: str, hours: float, line: str) -> None:
    doctor_run.cloud.behaviour = Behaviour(pai_zone_hours=hours)
    doctor_run.cloud.dlc_event(DLC, doctor_run.cloud.clock() - 70_000, "Created pod: y")
    doctor_run.written["targets"][1]["sources"]["pai_dlc"]["event_timezone"] = zone
    assert [one for one in doctor_run.unusual_lines() if " times " in one] == [line]


# --- paging


def test_full_answers_and_further_pages_are_shown(doctor_run: DoctorRun) -> None:
    cloud, start = doctor_run.cloud, doctor_run.cloud.clock() - 600_000
    for second in range(250):
        cloud.training_event(JOB, start + 1000 * second, "Info", "Job", "Training job is running.")
        cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from A to B.", start + 1000 * second)
    for number in range(1200):
        cloud.dws_event(CLUSTER, start + number, "createBackup")
        cloud.dlc_event(DLC, start + 100 * number, f"Created pod: {number}")
        cloud.dlc_event(DLC, start + 100 * number, f"Scheduled pod: {number}")
    for _ in range(150):
        cloud.training_event(JOB, start, "Info", "Job", "Training job is running.")
    odd = {
        line.partition(" events ")[0].split("/")[-1]: line for line in doctor_run.unusual_lines() if " events " in line
    }
    cut = "an answer was full, so the time was asked for in parts"
    assert odd["dws"] == f"ok {DWS} events 1,201 events in 2 pages; that is all there is"
    assert odd["modelarts_pool"] == f"ok {POOLS} events 251 events of {POOL} in 1 page; that is all there is"
    assert odd["modelarts_training"].endswith(f" events of {JOB} in 2 pages; more follow; {cut}")
    assert odd["pai_dlc"].endswith(f" events of {DLC} in 2 pages; more follow; {cut}")
    assert doctor_run.code == 0


def test_rows_that_no_answer_can_hold_are_a_warning(doctor_run: DoctorRun) -> None:
    at = doctor_run.cloud.clock() - 600_000
    for number in range(2001):
        doctor_run.cloud.dlc_event(DLC, at, f"Created pod: {number}")
    missing = "rows are missing for good: there are more of one second than the vendor gives"
    (line,) = [line for line in doctor_run.unusual_lines() if f"{PAI} events" in line]
    begin = f"WARNING {PAI} events {{}} events of {DLC} in 2 pages; more follow; "  # by where the time is halved
    assert line.startswith((begin.format("2,001"), begin.format("4,000")))
    assert line.endswith(f"an answer was full, so the time was asked for in parts; {missing}")


def test_a_large_listing_is_asked_for_its_newest_pages_only(doctor_run: DoctorRun) -> None:
    created = doctor_run.cloud.clock() - 900_000
    for number in range(1100):
        doctor_run.cloud.add_training_job(f"old-{number}", created=created - number, phase="Completed")
    assert doctor_run.unusual_lines() == [
        f"ok {TRAINING} listing the newest 1,000 jobs in workspace 0, 1 active; older ones were not asked for",
        f"ok {TRAINING} forecast about 129,600 requests a day for at least 1 active; {SEEN}",
    ]
    assert doctor_run.cloud.requests["modelarts_training.list"] == 20


# --- what is watched


def test_empty_listings_name_the_permissions_that_were_not_tried(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.training.clear()
    doctor_run.cloud.dlc.clear()
    nothing = "not asked: there is no job to ask for;"
    assert doctor_run.unusual_lines() == [
        f"ok {TRAINING} listing no job in workspace 0",
        f"skipped {TRAINING} events {nothing} modelarts:trainJob:listEvents was not tried",
        f"skipped {TRAINING} stages {nothing} modelarts:trainJob:get was not tried",
        f"ok {TRAINING} forecast about 43,200 requests a day while none is active",
        f"ok {PAI} listing no job in workspace 12345",
        f"skipped {PAI} events {nothing} paidlc:GetJobEvents (or pai:GetJobEvents) was not tried",
        f"skipped {PAI} stages {nothing} paidlc:GetJob was not tried",
        f"skipped {PAI} pod events {nothing} {PODS} was not tried",
        f"skipped {PAI} sanity {nothing} {CHECKS} was not tried",
        f"ok {PAI} forecast about 43,200 requests a day while none is active",
    ]
    assert doctor_run.code == 0


def test_each_workspace_is_listed_and_the_newest_wanted_active_job_is_read(doctor_run: DoctorRun) -> None:
    now = doctor_run.cloud.clock()
    doctor_run.cloud.add_training_job("done", created=now - 1000, phase="Completed")
    doctor_run.cloud.add_training_job("younger", created=now - 2000, workspace="7", name="\x1b[31mred")
    doctor_run.cloud.add_training_job("tmp", created=now, name="a-tmp", workspace="7")
    options = doctor_run.written["targets"][0]["sources"]["modelarts_training"]
    options |= {"workspaces": ["0", "7", "8"], "exclude": {"name": ["*-tmp"]}}
    assert doctor_run.unusual_lines() == [
        f"ok {TRAINING} listing 2 jobs in workspace 0, 1 active",
        f"ok {TRAINING} listing 2 jobs in workspace 7, 2 active; 1 left out by include and exclude",
        f"ok {TRAINING} listing no job in workspace 8",
        f"ok {TRAINING} events no events of younger ( [31mred); that is all there is",
        f"ok {TRAINING} stages no stages of younger ( [31mred)",
        f"ok {TRAINING} forecast about 302,400 requests a day for 2 active; {SEEN}",
    ]


def test_a_project_that_must_be_looked_up_is_told_or_missed(doctor_run: DoctorRun) -> None:
    target = doctor_run.written["targets"][0]
    del target["project_id"]
    way = "ok research connection iam: URL: connected to 127.0.0.1 in 1 ms"
    assert doctor_run.unusual_lines() == [
        way,
        "ok research project 0123456789abcdef0123456789abcdef, looked up by the region; set project_id to save the call",
    ]
    target["region"] = "cn-south-1"
    assert doctor_run.unusual_lines() == [
        way,
        "FAILED research project iam: these credentials see no project named cn-south-1; set project_id",
        *(f"skipped research/{name} listing not asked: there is no project to ask for" for name in HUAWEI),
    ]


# --- manners


async def _turned(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, met: set[bytes], both: asyncio.Event
) -> None:
    """Answer no request before both targets have sent one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        met.add(b"pai" if b"/api/" in head.splitlines()[0] else b"research")
        if len(met) == 2:
            both.set()
        await both.wait()
        writer.write(b"HTTP/1.1 403 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
    except asyncio.IncompleteReadError:
        pass  # whoever only looks whether there is a way in
    finally:
        writer.close()


async def test_targets_are_examined_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    met, both = set[bytes](), asyncio.Event()
    server = await asyncio.start_server(lambda r, w: _turned(r, w, met, both), "127.0.0.1", 0)
    async with server:
        path = tmp_path / "exporter.json"
        path.write_text(json.dumps(configuration(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")))
        config = load(path, environ={}, sets=())
        assert await doctor.run(config, known(config).packs, 5.0, as_json=False) == 1
    out = capsys.readouterr().out
    assert "no answer in time" not in out
    assert out.count("403, without an error code of the vendor") == len(SOURCES) + len(PROJECT_WIDE)


def alike(line: str) -> str:
    """A line without what differs from one living cloud to another."""
    line = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}( \([\w-]+\))?", "JOB", re.sub(" {2,}", " ", line))
    line = re.sub(r"[\d,]+ requests a day", "N requests a day", line)
    line = re.sub(r"from \S+:\d+", "from FILE", re.sub(r"http://127.0.0.1:\d+|URL", "HOST", line))
    return re.sub(r"(\d+|no) (jobs|stages?|active|ms|s behind|s ago)", lambda found: f"N {found[2].rstrip('s')}", line)


def test_the_page_on_commands_shows_what_it_really_says(doctor_run: DoctorRun) -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
    (block,) = [block for block in page.split("```text\n") if block.startswith("ok       research ")]
    Scenario(doctor_run.cloud)
    doctor_run.cloud.faults.add("denied", "modelarts_training.events")
    doctor_run.cloud.faults.add("skew", seconds=95)
    del doctor_run.written["targets"][1]
    options = doctor_run.written["targets"][0].pop("sources")["modelarts_training"]
    doctor_run.written["targets"][0]["sources"] = {"modelarts_training": options}
    assert [*map(alike, doctor_run.lines())] == [*map(alike, block.partition("```")[0].splitlines())]


def test_the_budget_is_kept(doctor_run: DoctorRun) -> None:
    """Of the requests to ModelArts two may go at once; each API has its own budget."""
    target = doctor_run.written["targets"][0]
    target["budget"] = dict.fromkeys(("modelarts", "dws", "iam", "sts"), "2/s")
    kept = ("modelarts_training", "modelarts_pool", "modelarts_service", "dws")
    target["sources"] = {name: target["sources"][name] for name in kept}
    del doctor_run.written["targets"][1]
    began = time.monotonic()
    lines = doctor_run.unusual_lines()
    assert [line.split(" about ")[0] for line in lines] == [
        f"WARNING {place} forecast" for place in (TRAINING, POOLS, SERVICES)
    ]
    small = "the budget is too small: 1.6/s serves 3 active resources at 9 s; raise targets[].budget.modelarts"
    assert all(small in line for line in lines)
    assert doctor_run.cloud.requests.total() == 10
    assert time.monotonic() - began > 0.9


def test_a_machine_is_told_the_same_in_values(doctor_run: DoctorRun) -> None:
    doctor_run.cloud.faults.add("denied", "dws.events")
    report = json.loads(doctor_run.output(as_json=True))
    assert (report["ok"], report["failed"], report["warnings"], doctor_run.code) == (False, 1, 0, 1)
    found = {(one["target"], one["source"], one["check"]): one for one in report["checks"]}
    assert set(report["checks"][0]) == {"target", "source", "check", "outcome", "text", "values"}
    (denied,) = [one for one in report["checks"] if one["outcome"] == "failed"]
    assert (denied["target"], denied["source"], denied["check"]) == ("research", "dws", "events")
    assert denied["values"] == {"cause": "denied"}
    assert found["pai", "pai_dlc", "listing"]["values"] == {
        "workspace": "12345", "resources": 1, "active": 1, "wanted": 1, "wanted_active": 1, "complete": True,
        "unreadable": 0,
    }  # fmt: skip
    read = {"resource": JOB, "events": 1, "pages": 1, "complete": True, "full": False}
    assert found["research", "modelarts_training", "events"]["values"] == read
    assert found["pai", "", "clock"]["values"]["skew_seconds"] == 0


def test_doctor_works_beside_a_running_exporter_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with closing(Clouds(tmp_path)) as clouds:
        config = configured(clouds, tmp_path)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted()
            before = sorted(each.name for each in tmp_path.iterdir())
            done = ran("doctor", "--config", str(tmp_path / "run.json"))
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1].startswith("fine: ")
            assert sorted(each.name for each in tmp_path.iterdir()) == before
            assert exporter.get("/-/healthy").status_code == 200
        (tmp_path / "run.json").write_text(json.dumps({**config, "store": str(tmp_path / "elsewhere" / "state.db")}))
        assert ran("doctor", "--config", str(tmp_path / "run.json"), "-o", "json").returncode == 0
        assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_what_cannot_be_started_is_told_in_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yaml"
    path.write_text("targets: []\nweb: {lisen: x}\n")
    plain, machine = all_ran([("doctor", "-c", str(path)), ("doctor", "-c", str(path), "-o", "json")])
    assert (plain.returncode, plain.stdout, machine.returncode, machine.stderr) == (2, "", 2, "")
    assert json.loads(machine.stdout) == {"ok": False, "problems": plain.stderr.splitlines()}


@pytest.mark.parametrize("command", [("doctor",), ("backfill", "--since", "1h", "--output", "past.om")])
def test_a_terminal_sees_a_bar_that_is_gone_afterwards(tmp_path: Path, command: tuple[str, ...]) -> None:
    with closing(Clouds(tmp_path)) as clouds:
        (tmp_path / "run.json").write_text(json.dumps(configured(clouds, tmp_path)))
        ours, theirs = os.openpty()
        words = [*COMMAND, *command, "--config", "run.json"]
        variables = {**environment(), "TERM": "xterm"}
        child = subprocess.Popen(words, cwd=tmp_path, env=variables, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # a terminal that nobody holds open any more
            while part := os.read(ours, 65_536):
                seen += part
        os.close(ours)
        assert child.wait(PATIENCE) == 0
    bar, _, after = seen.decode().rpartition("\x1b[2K")
    assert "━" in bar
    assert re.search(r"(sources|resources) .* 0:00:0", bar)
    assert after.startswith(("ok       research ", "past.om: 0 events from "))
    assert "━" not in after


# --- the way to a host


def test_how_far_the_way_to_a_host_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection as far as trusted TLS, and each step before at which it may fail."""
    needs("openssl", "openssl")
    made = Certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)

    async def story() -> dict[str, Reached | Unreached]:
        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        secured = await asyncio.start_server(mute, "127.0.0.1", 0, ssl=context)
        plain = await asyncio.start_server(mute, "127.0.0.1", 0)
        async with secured, plain:
            tls, bare = (server.sockets[0].getsockname()[1] for server in (secured, plain))
            with monkeypatch.context() as trusting:
                trusting.setenv("SSL_CERT_FILE", str(made.authority))
                found = {"trusted": await connect(f"https://127.0.0.1:{tls}", None, 5.0)}
                found["another name"] = await connect(f"https://localhost:{tls}", None, 5.0)
            found["untrusted"] = await connect(f"https://127.0.0.1:{tls}", None, 5.0)
            found["silent"] = await connect(f"https://127.0.0.1:{bare}", None, 0.2)
            found["behind a proxy"] = await connect(
                "https://nowhere.invalid", Proxy(httpx2.Proxy(f"http://127.0.0.1:{bare}"), "HTTPS_PROXY"), 5.0
            )
            found["no name"] = await connect("http://a..b", None, 5.0)
            return found

    found = asyncio.run(story())
    trusted, proxied = found.pop("trusted"), found.pop("behind a proxy")
    assert isinstance(trusted, Reached)
    assert (trusted.address, trusted.tls) == ("127.0.0.1", "TLSv1.3")
    assert 86_400 < (trusted.ends or 0) - time.time() < 3 * 86_400
    shown = connection_finding(
        FindingPlace("a"), "dws", "https://dws", trusted._replace(seconds=0.0123, ends=1_790_000_000.0)
    )
    assert shown.text == "dws: https://dws: connected to 127.0.0.1 in 12 ms, TLSv1.3, certificate until 2026-09-21"
    assert isinstance(proxied, Reached)
    shown = connection_finding(
        FindingPlace("a"), "dws", "https://dws", proxied._replace(seconds=0.0, proxy="http://p:1")
    )
    assert shown.text == "dws: https://dws through the proxy http://p:1: connected to 127.0.0.1 in 0 ms"
    ends = {name: (way.stop, way.reason.partition(",")[0]) for name, way in found.items() if isinstance(way, Unreached)}
    assert ends == {
        "another name": ("tls", "Hostname mismatch"),
        "untrusted": ("tls", "unable to get local issuer certificate"),
        "silent": ("time", "not within 0.2 s"),
        "no name": ("name", "not a name of a host"),
    }
