"""Holds the simulator to the vendors' own idea of their APIs: their official clients must get along with it.

ModelArts services (API version 1) are not in the vendor's client; nothing here covers them.
"""

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from exporter.simulator import Cloud, running
from exporter.simulator.apis import dsw, notebooks, pool_jobs, services_v2
from exporter.simulator.apis.dlc import pod_event
from exporter.simulator.apis.dws_alarm import clear_alarm, raise_alarm
from exporter.simulator.apis.eas import add_service, service_event
from exporter.simulator.apis.scheduled_events import enter, publish
from exporter.simulator.state.accounts import (
    ACCESS_KEY,
    ALIBABA_ACCESS_KEY,
    ALIBABA_REGION,
    ALIBABA_SECRET_KEY,
    DOMAIN,
    DOMAIN_ID,
    PASSWORD,
    PROJECT_ID,
    REGION,
    SECRET_KEY,
    USER,
)
from exporter.simulator.state.resources import SanityCheck, SimulatedRun
from tests.support.heavy import missing

pytestmark = [
    pytest.mark.sdk,
    # the clients' own: naive UTC times and sockets that they leave open
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

JOB = "5bd61eea-9de2-4864-a0f7-5fae966171b5"
POOL = "pool-6f5da086876d4cd084d36f8bd3346036"
SERVICE_V2 = "6c1d0f52-7c2f-4ec4-9a4d-0d3e9b7c2a11"
CLUSTER = "9defa0ce-b11c-47b2-abbc-5cad09ced772"
DLC = "dlc-20210126170216-abcdef"
DSW = "dsw-730c3f2a9d1e4b57"


def library(name: str) -> Any:
    """A vendor's library. Without it the test is skipped, but fails where CI=true: there it must be installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"{name} is not installed; make test installs it, or pip install -r requirements/sdk.txt")


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    cloud = Cloud()
    now = cloud.clock()
    cloud.add_training_job(JOB, name="resnet50", created=now - 60_000)
    cloud.add_pool(POOL, name="train", nodes=(3, 1, 0, 0))
    cloud.add_cluster(CLUSTER, name="sales")
    cloud.add_dlc_job(DLC, "Running", name="qwen")
    dsw.add_instance(cloud, DSW, "Creating", name="lab", resource="quota-1").enter("Running", now)
    for number in range(7):
        at = now - 1000 * (7 - number)
        cloud.training_event(JOB, at, "Info", "Task", f"[worker-0] step {number}, 100% & more/+~*'()")
        cloud.pool_event(POOL, "Warning", "PoolStatusChange", f"Pool status changed {number}", at, count=number + 1)
        cloud.dws_event(CLUSTER, at, "createBackup")
        cloud.dlc_event(DLC, at, f"Created pod: {DLC}-worker-{number}")
        dsw.add_event(cloud, DSW, at, f"step {number}")
    return cloud


@pytest.fixture(scope="module")
def url(cloud: Cloud) -> Iterator[str]:
    with running(cloud) as url:
        yield url


def huawei_client(url: str, package: str, name: str, *, secret: str = SECRET_KEY, whole_account: bool = False) -> Any:
    auth = library("huaweicloudsdkcore.auth.credentials")
    if whole_account:
        credentials = auth.GlobalCredentials(ACCESS_KEY, secret, DOMAIN_ID)
    else:
        credentials = auth.BasicCredentials(ACCESS_KEY, secret, PROJECT_ID)
    client = getattr(library(package), name)
    return client.new_builder().with_credentials(credentials).with_endpoint(url).build()


def modelarts_client(url: str, secret: str = SECRET_KEY) -> Any:
    return huawei_client(url, "huaweicloudsdkmodelarts.v1", "ModelArtsClient", secret=secret)


def alibaba_client(
    url: str, secret: str = ALIBABA_SECRET_KEY, package: str = "alibabacloud_pai_dlc20201203", **more: str
) -> Any:
    settings = {"region_id": ALIBABA_REGION, "endpoint": url.removeprefix("http://"), "protocol": "http"}
    settings |= {"access_key_id": ALIBABA_ACCESS_KEY, "access_key_secret": secret} | more
    config = library("alibabacloud_tea_openapi.models").Config(**settings)
    return library(f"{package}.client").Client(config)


def test_modelarts_lists_training_jobs_and_their_details(url: str) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client = modelarts_client(url)
    found = client.list_training_jobs(v1.ListTrainingJobsRequest(body=v1.JobSearches(offset=0, limit=50)))
    assert (found.total, found.items[0].metadata.id, found.items[0].status.phase) == (1, JOB, "Running")
    details = client.show_training_job_details(v1.ShowTrainingJobDetailsRequest(training_job_id=JOB))
    assert (details.metadata.name, details.spec.resource.node_count) == ("resnet50", 1)


def test_modelarts_reads_training_stages(url: str, cloud: Cloud) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    run = SimulatedRun(cloud.clock() - 5000)
    run.enter("scheduling", run.start)
    run.enter("running", run.start + 2000)
    cloud.training[JOB].runs = [run]
    answer = modelarts_client(url).list_training_job_stages(v1.ListTrainingJobStagesRequest(training_job_id=JOB))
    stages = answer.running_records[0].stages
    assert [(stage.name, stage.stage_order) for stage in stages] == [("scheduling", 1), ("running", 2)]
    assert stages[0].end_time == stages[1].start_time


def test_modelarts_lists_the_notebooks_of_a_project_by_status_and_record(url: str, cloud: Cloud) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client = modelarts_client(url)
    for number in range(12):
        notebooks.add_notebook(cloud, f"nb-{number}")
    notebooks.fail(cloud, "features", cloud.clock(), "no flavor is left")
    found = client.list_all_notebooks(v1.ListAllNotebooksRequest(limit=10, offset=10, workspace_id="0"))
    assert (found.total, found.pages, len(found.data)) == (13, 2, 3)
    (failed,) = client.list_all_notebooks(v1.ListAllNotebooksRequest(limit=10, status="CREATE_FAILED")).data
    assert (failed.name, failed.fail_reason, failed.action_progress[3].status) == (
        "features",
        "no flavor is left",
        "FAILED",
    )
    assert failed.lease.update_at >= failed.lease.create_at


def test_modelarts_lists_scheduled_events_by_state_and_record(url: str, cloud: Cloud) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client, now = modelarts_client(url), cloud.clock()
    planned = [publish(cloud, f"node-{number}", now - number * 1000, not_before=now + 60_000) for number in range(3)]
    enter(cloud, planned[1], "executing", now)
    found = client.list_scheduled_events(v1.ListScheduledEventsRequest(limit=2, offset=1))
    assert (found.count, len(found.events)) == (3, 2)
    request = v1.ListScheduledEventsRequest(state=["executing"], node_name="node-1", workspace_id="0")
    (event,) = client.list_scheduled_events(request).events
    assert (event.id, event.node_name, event.state) == (planned[1].id, "node-1", "executing")
    assert event.not_before > event.start_time >= event.publish_time


def test_modelarts_lists_the_jobs_of_pools_by_type_pool_and_record(url: str, cloud: Cloud) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client, now = modelarts_client(url), cloud.clock()
    for number in range(3):
        pool_jobs.start(cloud, f"pool-{number}", now - number * 1000)
    job = pool_jobs.start(cloud, "pool-9", now - 60_000, type="reset-nodes")
    pool_jobs.finish(cloud, job, "Failed", now, "no node is left")
    found = client.list_jobs(v1.ListJobsRequest(resource="pools", limit=2, offset=1))
    assert (found.count, len(found.items)) == (4, 2)
    request = v1.ListJobsRequest(resource="pools", name="pool-9", type="reset-nodes", since=now - 60_000, until=now)
    (failed,) = client.list_jobs(request).items
    assert (failed.job_id, failed.phase, failed.message, failed.suspend) == (job.id, "Failed", "no node is left", False)
    assert failed.end_timestamp > failed.start_timestamp
    assert client.list_jobs(v1.ListJobsRequest(since=now + 1)).count == 0


def test_modelarts_reads_services_of_the_new_generation_their_deployments_and_events(url: str, cloud: Cloud) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client, now = modelarts_client(url), cloud.clock() // 1000 * 1000
    services_v2.add_service(cloud, SERVICE_V2, name="llm-7b", created=now - 9000)
    for number in range(5):
        rows = services_v2.add_event(cloud, SERVICE_V2, now - 1000 * (5 - number), f"event {number}", "ABNORMAL")
    services_v2.repeat_event(cloud, cloud.resources[services_v2.SOURCE][SERVICE_V2], rows[0], now, 2)
    services_v2.add_pod_event(cloud, SERVICE_V2, now, "BackOff", "again", type="Warning")
    services_v2.add_scaling_event(cloud, SERVICE_V2, now, "load", status="FAILED")

    (service,) = client.list_infer_services(v1.ListInferServicesRequest(workspace_id="0", limit=500, offset=0)).data
    assert (service.id, service.name, service.status, service.create_at) == (
        SERVICE_V2,
        "llm-7b",
        "RUNNING",
        now - 9000,
    )
    request = v1.ListInferDeploymentsRequest(service_id=SERVICE_V2, status="all", delete_after=7)
    (deployment,) = client.list_infer_deployments(request).data
    request = v1.ListInferServiceEventsRequest(
        service_id=SERVICE_V2, limit=2, offset=0, sort_key="update_at", sort_dir="DESC"
    )
    found = client.list_infer_service_events(request)
    assert (found.total, found.pages, [(one.event_info, one.event_count) for one in found.data]) == (
        5,
        3,
        [("event 4", 3), ("event 3", 1)],
    )
    named = {"id": SERVICE_V2, "deployment_name": deployment.name, "instance_name": "all", "name": "all"}
    (pod,) = client.list_infer_deployment_pod_events(v1.ListInferDeploymentPodEventsRequest(**named)).body
    assert (pod.reason, pod.type, pod.count) == ("BackOff", "Warning", 1)
    assert pod.first_timestamp.replace(tzinfo=UTC).timestamp() * 1000 == now
    request = v1.ListInferDeploymentHpaEventsRequest(
        service_id=SERVICE_V2, deployment_id=deployment.id, limit=500, offset=0, sort_key="lastProbeTime"
    )
    (scaling,) = client.list_infer_deployment_hpa_events(request).data
    assert (scaling.status, scaling.message, scaling.target_replicas) == ("FAILED", "load", 2)


def test_modelarts_pages_training_events_by_page_number(url: str) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client, seen = modelarts_client(url), []
    for page in range(4):
        request = v1.ListTrainingJobEventsRequest(training_job_id=JOB, offset=page, limit=2, order="asc")
        answer = client.list_training_job_events(request)
        seen += [event.message for event in answer.events]
        assert answer.total == 7
    assert seen == [f"[worker-0] step {number}, 100% & more/+~*'()" for number in range(7)]


def test_modelarts_filters_training_events_by_time_and_pattern(url: str, cloud: Cloud) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    start, end = str(cloud.clock() - 3_600_000), str(cloud.clock())
    request = v1.ListTrainingJobEventsRequest(
        training_job_id=JOB, start_time=start, end_time=end, pattern="step 3, 100% & more/+~*'()"
    )
    assert modelarts_client(url).list_training_job_events(request).total == 1


def test_modelarts_lists_pools(url: str) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    pool = modelarts_client(url).list_pools(v1.ListPoolsRequest()).items[0]
    assert (pool.metadata.name, pool.metadata.labels.os_modelarts_name) == (POOL, "train")
    assert pool.status.phase == "Running"


def test_modelarts_follows_the_continue_token_through_pool_events(url: str) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    client, counts, token = modelarts_client(url), [], ""
    while True:
        answer = client.list_events(v1.ListEventsRequest(resource="pools", name=POOL, limit=3, _continue=token))
        counts += [event.count for event in answer.items]
        if answer.metadata is None or not answer.metadata._continue:
            break
        token = answer.metadata._continue
    assert counts == [1, 2, 3, 4, 5, 6, 7]


def test_modelarts_lists_workspaces(url: str) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    assert modelarts_client(url).list_workspace(v1.ListWorkspaceRequest()).workspaces[0].id == "0"


def test_dws_lists_clusters_and_pages_events_of_the_project(url: str) -> None:
    v2 = library("huaweicloudsdkdws.v2")
    client = huawei_client(url, "huaweicloudsdkdws.v2", "DwsClient")
    cluster = client.list_clusters(v2.ListClustersRequest()).clusters[0]
    assert (cluster.id, cluster.status) == (CLUSTER, "AVAILABLE")
    pages = [client.list_events(v2.ListEventsRequest(offset=str(page), limit="3")) for page in range(3)]
    ids = [event.event_id for page in pages for event in page.events]
    assert (pages[0].count, len(ids), len(set(ids))) == (7, 7, 7)
    assert (pages[0].events[0].name, pages[0].events[0].source_name) == ("createBackup", "sales")


def test_dws_pages_alarms_which_are_open_or_cleared(url: str, cloud: Cloud) -> None:
    v2 = library("huaweicloudsdkdws.v2")
    client = huawei_client(url, "huaweicloudsdkdws.v2", "DwsClient")
    at = cloud.clock() // 1000 * 1000
    rows = [raise_alarm(cloud, CLUSTER, at - 60_000 * number, f"alarm {number}") for number in range(5)]
    clear_alarm(cloud, rows[0])
    pages = [client.list_alarm_detail(v2.ListAlarmDetailRequest("GMT", str(page), "2")) for page in range(3)]
    found = [alarm for page in pages for alarm in page.alarm_details]
    assert [(alarm.alarm_name, alarm.alarm_status) for alarm in found] == [
        (f"alarm {number}", "0" if number else "1") for number in range(5)
    ]
    raised = datetime.fromtimestamp(at / 1000, UTC).isoformat(" ").removesuffix("+00:00")
    assert (pages[0].count, found[0].alarm_generate_date) == (5, raised)
    second = v2.ListAlarmDetailRequest(_from=at - 60_001, to=at - 59_999)
    assert [alarm.alarm_name for alarm in client.list_alarm_detail(second).alarm_details] == ["alarm 1"]


def test_iam_finds_the_project_of_a_region(url: str) -> None:
    v3 = library("huaweicloudsdkiam.v3")
    client = huawei_client(url, "huaweicloudsdkiam.v3", "IamClient", whole_account=True)
    projects = client.keystone_list_projects(v3.KeystoneListProjectsRequest(name=REGION)).projects
    assert [project.id for project in projects] == [PROJECT_ID]


def test_iam_gives_a_token_that_the_other_services_take(url: str, cloud: Cloud) -> None:
    v3 = library("huaweicloudsdkiam.v3")
    client = huawei_client(url, "huaweicloudsdkiam.v3", "IamClient", whole_account=True)
    user = v3.PwdPasswordUser(name=USER, password=PASSWORD, domain=v3.PwdPasswordUserDomain(name=DOMAIN))
    identity = v3.PwdIdentity(methods=["password"], password=v3.PwdPassword(user=user))
    auth = v3.PwdAuth(identity=identity, scope=v3.AuthScope(project=v3.AuthScopeProject(name=REGION)))
    request = v3.KeystoneCreateUserTokenByPasswordRequest(
        body=v3.KeystoneCreateUserTokenByPasswordRequestBody(auth=auth)
    )
    assert client.keystone_create_user_token_by_password(request).x_subject_token in cloud.keys.tokens


@pytest.mark.parametrize(("package", "name"), [("modelarts", "ModelArtsClient"), ("dws", "DwsClient")])
def test_huawei_clients_with_a_wrong_secret_are_refused(url: str, package: str, name: str) -> None:
    errors = library("huaweicloudsdkcore.exceptions.exceptions")
    version = "v1" if package == "modelarts" else "v2"
    module = library(f"huaweicloudsdk{package}.{version}")
    client = huawei_client(url, f"huaweicloudsdk{package}.{version}", name, secret="wrong")
    request = module.ListPoolsRequest() if package == "modelarts" else module.ListClustersRequest()
    with pytest.raises(errors.ClientRequestException) as refused:
        (client.list_pools if package == "modelarts" else client.list_clusters)(request)
    assert (refused.value.status_code, refused.value.error_code) == (401, "APIGW.0301")


def test_an_unknown_pool_is_an_error_that_the_client_understands(url: str) -> None:
    v1 = library("huaweicloudsdkmodelarts.v1")
    errors = library("huaweicloudsdkcore.exceptions.exceptions")
    with pytest.raises(errors.ClientRequestException) as refused:
        modelarts_client(url).list_events(v1.ListEventsRequest(resource="pools", name="none"))
    assert (refused.value.status_code, refused.value.error_code) == (404, "ModelArts.50015001")


def test_pai_lists_jobs_and_shows_one(url: str) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    client = alibaba_client(url)
    body = client.list_jobs(models.ListJobsRequest(page_number=1, page_size=10, show_own=False)).body
    assert (body.total_count, body.jobs[0].job_id, body.jobs[0].status) == (1, DLC, "Running")
    job = client.get_job(DLC, models.GetJobRequest()).body
    assert (job.display_name, job.status_history[0].status) == ("qwen", "Running")


def test_pai_shows_the_restarts_of_a_job(url: str, cloud: Cloud) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    cloud.add_dlc_job("dlc-restarted")
    error = {"ErrorCode": "1001", "ErrorMsg": "Xid 79", "Node": "n-1", "TriggerRestart": True}
    cloud.dlc_restart("dlc-restarted", cloud.clock(), RestartStatus="Failed", DetailErrorInfoList=[error])
    client = alibaba_client(url)
    listed = client.list_jobs(models.ListJobsRequest(job_ids="dlc-restarted")).body.jobs
    assert [job.restart_times for job in listed] == ["1/10"]
    body = client.get_job("dlc-restarted", models.GetJobRequest()).body
    (record,) = body.restart_record
    assert (record.restart_level_type, record.restart_status, record.reason) == ("JobRestart", "Failed", "PodFailed")
    assert (record.restart_duration_in_sec, record.occur_phase) == (5, "Running")
    (detail,) = record.detail_error_info_list
    assert (detail.error_code, detail.node, detail.trigger_restart) == ("1001", "n-1", True)
    assert set(record.to_map()) >= set(body.to_map()["RestartRecord"][0]), "the client knows each field"


def test_pai_reads_events_of_a_pod_by_its_id_and_uid(url: str, cloud: Cloud) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    job, at = cloud.add_dlc_job("dlc-pods"), cloud.clock()
    pod_event(cloud, "dlc-pods", "w-0", at, "Successfully pulled image.")
    client = alibaba_client(url)
    (named,) = client.get_job("dlc-pods", models.GetJobRequest()).body.pods
    assert (named.pod_id, named.status) == ("w-0", "Failed")
    body = client.get_pod_events("dlc-pods", "w-0", models.GetPodEventsRequest(pod_uid=named.pod_uid)).body
    assert (body.job_id, body.pod_id, body.pod_uid) == ("dlc-pods", "w-0", job.pods[0].uid)
    assert [event.partition(" ")[2].partition(" ")[2] for event in body.events] == ["Successfully pulled image."]
    future = models.GetPodEventsRequest(start_time=f"{datetime.fromtimestamp(at / 1000 + 60, UTC):%Y-%m-%dT%H:%M:%SZ}")
    assert client.get_pod_events("dlc-pods", "w-0", future).body.events == []


def test_pai_lists_the_results_of_sanity_checks_by_check_and_phase(url: str, cloud: Cloud) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    job, at = cloud.add_dlc_job("dlc-checked"), cloud.clock()
    for number, phase in ((1, "CheckInit"), (1, "DeviceCheck"), (2, "CheckInit")):
        job.checks.append(SanityCheck(number, phase, "Succeeded", at, at + 60_000))
    request = models.ListJobSanityCheckResultsRequest(order="asc")
    body = alibaba_client(url).list_job_sanity_check_results("dlc-checked", request).body
    assert [[(one.check_number, one.phase) for one in check] for check in body.sanity_check_results] == [
        [(1, "CheckInit"), (1, "DeviceCheck")],
        [(2, "CheckInit")],
    ]
    (first, *_), *_ = body.sanity_check_results
    assert datetime.fromisoformat(first.finished_at).timestamp() * 1000 == at // 1000 * 1000 + 60_000
    assert (first.status, body.total_count, bool(body.request_id)) == ("Succeeded", 2, True)


def test_pai_reads_events_as_plain_strings(url: str) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    client = alibaba_client(url)
    everything = client.get_job_events(DLC, models.GetJobEventsRequest()).body
    assert (everything.job_id, len(everything.events)) == (DLC, 7)
    assert everything.events[0].endswith(f" Created pod: {DLC}-worker-0")
    assert len(client.get_job_events(DLC, models.GetJobEventsRequest(max_events_num=2)).body.events) == 2


def test_pai_with_a_wrong_secret_is_refused(url: str) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    with pytest.raises(Exception, match="signature does not match") as refused:
        alibaba_client(url, secret="wrong").get_job_events(DLC, models.GetJobEventsRequest())
    assert getattr(refused.value, "code", "") == "SignatureDoesNotMatch"


def test_pai_takes_a_temporary_key_with_its_security_token(url: str, cloud: Cloud) -> None:
    models = library("alibabacloud_pai_dlc20201203.models")
    key = cloud.keys.temporary("alibabacloud", cloud.clock() + 60_000)
    client = alibaba_client(url, key.secret, access_key_id=key.access, security_token=key.token, type="sts")
    assert len(client.get_job_events(DLC, models.GetJobEventsRequest()).body.events) == 7


def test_eas_lists_services_and_pages_their_events(url: str, cloud: Cloud) -> None:
    models = library("alibabacloud_eas20210701.models")
    client = alibaba_client(url, package="alibabacloud_eas20210701")
    at = cloud.clock() // 1000 * 1000
    service = add_service(cloud, "echo", instances=2, running=1)
    for number in range(5):
        service_event(cloud, "echo", at - 60_000 * number, f"step {number}", Type="Warning" if number else "Normal")
    listed = client.list_services(models.ListServicesRequest(page_size=10, sort="CreateTime", order="desc")).body
    (one,) = listed.services
    assert (listed.total_count, one.service_name, one.service_id, one.region) == (1, "echo", service.id, ALIBABA_REGION)
    assert (one.status, one.running_instance, one.pending_instance) == ("Running", 1, 1)
    pages = [
        client.describe_service_event(
            ALIBABA_REGION, "echo", models.DescribeServiceEventRequest(page_num=str(page), page_size="2")
        ).body
        for page in (1, 2, 3)
    ]
    assert [len(page.events) for page in pages] == [2, 2, 1]
    assert (pages[2].page_num, pages[0].total_count, pages[0].total_page_num) == (3, 5, 3)
    first = pages[0].events[0]
    assert (first.type, first.reason, msgspec.json.decode(first.message)["message"]) == ("Normal", "Running", "step 0")
    assert first.time == datetime.fromtimestamp(at / 1000, UTC).isoformat(" ").removesuffix("+00:00")
    begin = datetime.fromtimestamp(at / 1000 - 60, UTC).isoformat(" ").removesuffix("+00:00")
    request = models.DescribeServiceEventRequest(start_time=begin, event_type="Warning")
    assert client.describe_service_event(ALIBABA_REGION, "echo", request).body.total_count == 1


def test_pai_lists_notebook_instances_of_all_workspaces_and_resources(url: str) -> None:
    models = library("alibabacloud_pai_dsw20220101.models")
    client = alibaba_client(url, package="alibabacloud_pai_dsw20220101")
    assert client.list_instances(models.ListInstancesRequest()).body.total_count == 0, "the default hides quotas"
    request = models.ListInstancesRequest(workspace_id="ALL", resource_id="ALL", sort_by="GmtCreateTime", order="DESC")
    body = client.list_instances(request).body
    (found,) = body.instances
    assert (body.total_count, body.success) == (1, True)
    assert (found.instance_id, found.instance_name, found.status) == (DSW, "lab", "Running")
    assert found.gmt_modified_time >= found.gmt_create_time


def test_pai_reads_events_and_sessions_of_a_notebook_instance(url: str) -> None:
    models = library("alibabacloud_pai_dsw20220101.models")
    client = alibaba_client(url, package="alibabacloud_pai_dsw20220101")
    everything = client.get_instance_events(DSW, models.GetInstanceEventsRequest()).body
    assert (everything.instance_id, len(everything.events)) == (DSW, 7)
    assert everything.events[0].endswith(" step 0")
    some = client.get_instance_events(DSW, models.GetInstanceEventsRequest(max_events_num=2)).body
    assert len(some.events) == 2
    (session,) = client.get_lifecycle(DSW, models.GetLifecycleRequest(order="ASC")).body.lifecycle
    assert [state.status for state in session] == ["Creating", "Running"]
    nobody = client.get_instance_events("dsw-none", models.GetInstanceEventsRequest()).body
    assert (nobody.success, nobody.http_status_code, nobody.events) == (False, 404, None)
