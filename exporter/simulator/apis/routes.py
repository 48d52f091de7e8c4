"""The table of every call that the simulated clouds know; all of them fit on one port, no two paths collide."""

from collections.abc import Callable
from typing import NamedTuple

from exporter.simulator.apis import authentication, control, dlc, dws, modelarts, pools, services, tokens, training
from exporter.simulator.http import Call, Reply, huawei_error
from exporter.simulator.state.cloud import Cloud

Check = Callable[[Cloud, Call, int], None]
SimulatedAnswer = Callable[[Cloud, Call, int], Reply]
Move = Callable[[Cloud, Call, int, int], None]


class SimulatedApi(NamedTuple):
    """One call: its name (for faults and counts), its path, who may call it, and what answers it."""

    name: str
    path: str
    check: Check
    answer: SimulatedAnswer
    methods: tuple[str, ...] = ("GET",)


def unknown(cloud: Cloud, call: Call, now: int) -> Reply:
    """What Huawei Cloud's gateway says to a path that it does not know."""
    raise huawei_error(404, "APIGW.0101", "The API does not exist or has not been published in the environment.")


_ROLES = "/latest/meta-data/ram/security-credentials/"

CONTROL = (
    SimulatedApi("simulator.faults", "/simulator/faults", authentication.loopback, control.faults, ("POST",)),
    SimulatedApi("simulator.events", "/simulator/events", authentication.loopback, control.events, ("POST",)),
    SimulatedApi("simulator.state", "/simulator/state", authentication.loopback, control.state),
)
HUAWEI = (
    SimulatedApi(
        "modelarts_training.list",
        "/v2/{project_id}/training-job-searches",
        authentication.huawei,
        training.search,
        ("POST",),
    ),
    SimulatedApi(
        "modelarts_training.details", "/v2/{project_id}/training-jobs/{id}", authentication.huawei, training.details
    ),
    SimulatedApi(
        "modelarts_training.stages",
        "/v2/{project_id}/training-jobs/{id}/stages",
        authentication.huawei,
        training.stages,
    ),
    SimulatedApi(
        "modelarts_training.events",
        "/v2/{project_id}/training-jobs/{id}/events",
        authentication.huawei,
        training.events,
    ),
    SimulatedApi("modelarts_pool.list", "/v2/{project_id}/pools", authentication.huawei, pools.pools),
    SimulatedApi("modelarts_pool.events", "/v1/{project_id}/events", authentication.huawei, pools.events),
    SimulatedApi("modelarts_service.list", "/v1/{project_id}/services", authentication.huawei, services.services),
    SimulatedApi(
        "modelarts_service.details", "/v1/{project_id}/services/{id}", authentication.huawei, services.details
    ),
    SimulatedApi(
        "modelarts_service.events", "/v1/{project_id}/services/{id}/events", authentication.huawei, services.events
    ),
    SimulatedApi("modelarts.workspaces", "/v1/{project_id}/workspaces", authentication.huawei, modelarts.workspaces),
    SimulatedApi("dws.list", "/v1.0/{project_id}/clusters", authentication.huawei, dws.clusters),
    SimulatedApi("dws.events", "/v2/{project_id}/events", authentication.huawei, dws.events),
    SimulatedApi("iam.projects", "/v3/projects", authentication.huawei, tokens.projects),
    SimulatedApi("iam.token", "/v3/auth/tokens", authentication.anyone, tokens.iam_token, ("POST",)),
    SimulatedApi("sts.huawei", "/v5/agencies/assume-with-oidc", authentication.anyone, tokens.huawei_oidc, ("POST",)),
    SimulatedApi(
        "metadata.huawei", "/meta-data/latest/api/token", authentication.anyone, tokens.huawei_metadata_token, ("PUT",)
    ),
    SimulatedApi("metadata.huawei", "/openstack/latest/securitykey", authentication.anyone, tokens.huawei_metadata_key),
)
ALIBABA = (
    SimulatedApi("pai_dlc.list", "/api/v1/jobs", authentication.alibaba, dlc.jobs),
    SimulatedApi("pai_dlc.details", "/api/v1/jobs/{id}", authentication.alibaba, dlc.details),
    SimulatedApi("pai_dlc.events", "/api/v1/jobs/{id}/events", authentication.alibaba, dlc.events),
    SimulatedApi("sts.alibaba", "/", authentication.anyone, tokens.alibaba_oidc, ("GET", "POST")),
    SimulatedApi(
        "metadata.alibaba", "/latest/api/token", authentication.anyone, tokens.alibaba_metadata_token, ("PUT",)
    ),
    SimulatedApi("metadata.alibaba", _ROLES, authentication.anyone, tokens.alibaba_metadata_role),
    SimulatedApi("metadata.alibaba", f"{_ROLES}{{role}}", authentication.anyone, tokens.alibaba_metadata_key),
)
UNKNOWN = SimulatedApi(
    "unknown", "/{rest:path}", authentication.anyone, unknown, ("GET", "POST", "PUT", "DELETE", "PATCH")
)

DRIFT: dict[str, Move] = {
    "modelarts_training.events": training.drift,
    "modelarts_pool.events": pools.drift,
    "modelarts_service.events": services.drift,
    "dws.events": dws.drift,
    "pai_dlc.events": dlc.drift,
}
GROWTH: dict[str, Move] = {"modelarts_pool.events": pools.grow}
