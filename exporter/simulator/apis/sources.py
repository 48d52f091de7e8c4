"""The table of the simulated sources of events: to add one is to write its module and its row here."""

from exporter.simulator.apis import (
    authentication,
    dlc,
    dsw,
    dws,
    dws_alarm,
    eas,
    notebooks,
    pool_jobs,
    pools,
    scheduled_events,
    services,
    services_v2,
    training,
)
from exporter.simulator.apis.api import AddedEvent, SimulatedApi, SimulatedSource
from exporter.simulator.state.accounts import ALIBABA_WORKSPACE
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.dlc import dlc_jobs
from exporter.simulator.stories.dsw import instance_life
from exporter.simulator.stories.dws import cluster_life
from exporter.simulator.stories.dws_alarm import cluster_alarms
from exporter.simulator.stories.eas import eas_service_life
from exporter.simulator.stories.node import node_life
from exporter.simulator.stories.notebook import notebook_life
from exporter.simulator.stories.pool import pool_life
from exporter.simulator.stories.pool_job import work_on_nodes
from exporter.simulator.stories.service import service_life
from exporter.simulator.stories.service_v2 import service_v2_life
from exporter.simulator.stories.training import training_jobs


def _training_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    cloud.training_event(event.resource, at, event.level, event.origin, event.text)


def _pool_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    span = (at, event.until, event.count)
    cloud.pool_event(event.resource, event.type or "Normal", event.reason, event.text, *span)


def _service_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    cloud.service_event(event.resource, at, event.text, event.type or "normal")


def _service_v2_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    services_v2.add(cloud, event.resource, at, event.text, event.type, event.fields)


def _notebook_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    notebooks.fail(cloud, event.resource, at, event.text)


def _scheduled_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    scheduled_events.happen(cloud, event.resource, at, event.text)


def _pool_job(cloud: Cloud, event: AddedEvent, at: int) -> None:
    pool_jobs.happen(cloud, event.resource, at, event.text, **event.fields)


def _dws_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    cloud.dws_event(event.resource, at, event.text, **event.fields)


def _dws_alarm(cloud: Cloud, event: AddedEvent, at: int) -> None:
    dws_alarm.add_alarm(cloud, event.resource, at, event.text, **event.fields)


def _dlc_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    if event.pod:
        dlc.pod_event(cloud, event.resource, event.pod, at, event.text)
    elif event.restart:
        cloud.dlc_restart(event.resource, at, **{"Reason": event.text} | event.fields)
    else:
        cloud.dlc_event(event.resource, None if event.timeless else at, event.text)


def _eas_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    eas.service_event(cloud, event.resource, at, event.text, **{"Type": event.type or "Normal"} | event.fields)


def _dsw_event(cloud: Cloud, event: AddedEvent, at: int) -> None:
    dsw.add_event(cloud, event.resource, None if event.timeless else at, event.text)


_JOB = "/v2/{project_id}/training-jobs/{id}"
_SERVICE = "/v1/{project_id}/services/{id}"
_SERVICE_V2 = "/v2/{project_id}/services/{id}"
_DEPLOYMENT = f"{_SERVICE_V2}/deployments/{{name}}"
_EAS, _INSTANCE = "/api/v2/services", "/api/v2/instances/{id}"
_huawei = authentication.huawei
_dlc, _eas, _dsw = (authentication.alibaba(version) for version in ("2020-12-03", "2021-07-01", "2022-01-01"))

SOURCES: dict[str, SimulatedSource] = {
    "modelarts_training": SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(
            SimulatedApi(
                "modelarts_training.list",
                "/v2/{project_id}/training-job-searches",
                _huawei,
                training.search,
                ("POST",),
            ),
            SimulatedApi("modelarts_training.details", _JOB, _huawei, training.details),
            SimulatedApi("modelarts_training.stages", f"{_JOB}/stages", _huawei, training.stages),
            SimulatedApi("modelarts_training.events", f"{_JOB}/events", _huawei, training.events),
        ),
        resource=Cloud.add_training_job,
        event=_training_event,
        story=training_jobs,
        drift=training.drift,
        options={"workspaces": ["0"]},
    ),
    "modelarts_pool": SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(
            SimulatedApi("modelarts_pool.list", "/v2/{project_id}/pools", _huawei, pools.pools),
            SimulatedApi("modelarts_pool.events", "/v1/{project_id}/events", _huawei, pools.events),
        ),
        resource=Cloud.add_pool,
        event=_pool_event,
        story=pool_life,
        drift=pools.drift,
        growth=pools.grow,
    ),
    "modelarts_service": SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(
            SimulatedApi("modelarts_service.list", "/v1/{project_id}/services", _huawei, services.services),
            SimulatedApi("modelarts_service.details", _SERVICE, _huawei, services.details),
            SimulatedApi("modelarts_service.events", f"{_SERVICE}/events", _huawei, services.events),
        ),
        resource=Cloud.add_service,
        event=_service_event,
        story=service_life,
        drift=services.drift,
    ),
    services_v2.SOURCE: SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(
            SimulatedApi("modelarts_service_v2.list", "/v2/{project_id}/services", _huawei, services_v2.services),
            SimulatedApi("modelarts_service_v2.events", f"{_SERVICE_V2}/events", _huawei, services_v2.events),
            SimulatedApi(
                "modelarts_service_v2.deployments", f"{_SERVICE_V2}/deployments", _huawei, services_v2.deployments
            ),
            SimulatedApi(
                "modelarts_service_v2.pods",
                f"{_DEPLOYMENT}/instances/{{instance}}/pods/{{pod}}/events",
                _huawei,
                services_v2.pod_events,
            ),
            SimulatedApi(
                "modelarts_service_v2.scaling", f"{_DEPLOYMENT}/hpa/events", _huawei, services_v2.scaling_events
            ),
        ),
        resource=services_v2.add_service,
        event=_service_v2_event,
        story=service_v2_life,
        drift=services_v2.drift,
        growth=services_v2.grow,
    ),
    notebooks.SOURCE: SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(
            SimulatedApi("modelarts_notebook.events", "/v1/{project_id}/notebooks/all", _huawei, notebooks.notebooks),
        ),
        resource=notebooks.add_notebook,
        event=_notebook_event,
        story=notebook_life,
        drift=notebooks.drift,
    ),
    scheduled_events.SOURCE: SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(
            SimulatedApi(
                "modelarts_scheduled.events",
                "/v1/{project_id}/scheduled-events",
                _huawei,
                scheduled_events.scheduled_events,
            ),
        ),
        resource=scheduled_events.add_node,
        event=_scheduled_event,
        story=node_life,
        drift=scheduled_events.drift,
        growth=scheduled_events.grow,
    ),
    pool_jobs.SOURCE: SimulatedSource(
        platform="huaweicloud",
        endpoint="modelarts",
        apis=(SimulatedApi("modelarts_pool_job.events", "/v2/{project_id}/jobs", _huawei, pool_jobs.jobs),),
        resource=pool_jobs.add_pool,
        event=_pool_job,
        story=work_on_nodes,
        drift=pool_jobs.drift,
        growth=pool_jobs.grow,
    ),
    "dws": SimulatedSource(
        platform="huaweicloud",
        endpoint="dws",
        apis=(
            SimulatedApi("dws.list", "/v1.0/{project_id}/clusters", _huawei, dws.clusters),
            SimulatedApi("dws.events", "/v2/{project_id}/events", _huawei, dws.events),
        ),
        resource=Cloud.add_cluster,
        event=_dws_event,
        story=cluster_life,
        drift=dws.drift,
    ),
    "dws_alarm": SimulatedSource(
        platform="huaweicloud",
        endpoint="dws",
        apis=(SimulatedApi("dws_alarm.events", "/v2/{project_id}/alarms", _huawei, dws_alarm.alarms),),
        resource=Cloud.add_cluster,
        event=_dws_alarm,
        story=cluster_alarms,
        drift=dws_alarm.drift,
    ),
    "pai_dlc": SimulatedSource(
        platform="alibabacloud",
        endpoint="pai_dlc",
        apis=(
            SimulatedApi("pai_dlc.list", "/api/v1/jobs", _dlc, dlc.jobs),
            SimulatedApi("pai_dlc.details", "/api/v1/jobs/{id}", _dlc, dlc.details),
            SimulatedApi("pai_dlc.events", "/api/v1/jobs/{id}/events", _dlc, dlc.events),
            SimulatedApi("pai_dlc.pod_events", "/api/v1/jobs/{id}/pods/{pod}/events", _dlc, dlc.pod_events),
            SimulatedApi("pai_dlc.sanity_checks", "/api/v1/jobs/{id}/sanitycheckresults", _dlc, dlc.sanity_checks),
        ),
        resource=Cloud.add_dlc_job,
        event=_dlc_event,
        story=dlc_jobs,
        drift=dlc.drift,
        options={"workspaces": [ALIBABA_WORKSPACE], "pod_events": True, "sanity_checks": True},
    ),
    eas.SOURCE: SimulatedSource(
        platform="alibabacloud",
        endpoint="pai_eas",
        apis=(
            SimulatedApi("pai_eas.list", _EAS, _eas, eas.services),
            SimulatedApi("pai_eas.events", f"{_EAS}/{{region}}/{{id}}/events", _eas, eas.events),
        ),
        resource=eas.add_service,
        event=_eas_event,
        story=eas_service_life,
        drift=eas.drift,
    ),
    dsw.SOURCE: SimulatedSource(
        platform="alibabacloud",
        endpoint="pai_dsw",
        apis=(
            SimulatedApi("pai_dsw.list", "/api/v2/instances", _dsw, dsw.list_instances),
            SimulatedApi("pai_dsw.events", f"{_INSTANCE}/events", _dsw, dsw.events),
            SimulatedApi("pai_dsw.lifecycle", f"{_INSTANCE}/lifecycle", _dsw, dsw.lifecycle),
        ),
        resource=dsw.add_instance,
        event=_dsw_event,
        story=instance_life,
        drift=dsw.drift,
    ),
}
