"""The table of every call that the simulated clouds know; all of them fit on one port, no two paths collide."""

from collections.abc import Callable
from typing import NamedTuple

from exporter.simulator.apis import authentication, control, dlc, dws, modelarts, pools, services, tokens, training
from exporter.simulator.http import Call, Reply, huawei_error
from exporter.simulator.state.cloud import Cloud

Check = Callable[[Cloud, Call, int], None]
Answer = Callable[[Cloud, Call, int], Reply]
Move = Callable[[Cloud, Call, int, int], None]


class Api(NamedTuple):
    """One call: its name (for faults and counts), its path, who may call it, and what answers it."""

    name: str
    path: str
    check: Check
    answer: Answer
    methods: tuple[str, ...] = ("GET",)


def unknown(cloud: Cloud, call: Call, now: int) -> Reply:
    """What Huawei Cloud's gateway says to a path that it does not know."""
    raise huawei_error(404, "APIGW.0101", "The API does not exist or has not been published in the environment.")


_ROLES = "/latest/meta-data/ram/security-credentials/"

CONTROL = (
    Api("simulator.faults", "/simulator/faults", authentication.loopback, control.faults, ("POST",)),
    Api("simulator.events", "/simulator/events", authentication.loopback, control.events, ("POST",)),
    Api("simulator.state", "/simulator/state", authentication.loopback, control.state),
)
HUAWEI = (
    Api(
        "modelarts_training.list",
        "/v2/{project_id}/training-job-searches",
        authentication.huawei,
        training.search,
        ("POST",),
    ),
    Api("modelarts_training.details", "/v2/{project_id}/training-jobs/{id}", authentication.huawei, training.details),
    Api(
        "modelarts_training.stages",
        "/v2/{project_id}/training-jobs/{id}/stages",
        authentication.huawei,
        training.stages,
    ),
    Api(
        "modelarts_training.events",
        "/v2/{project_id}/training-jobs/{id}/events",
        authentication.huawei,
        training.events,
    ),
    Api("modelarts_pool.list", "/v2/{project_id}/pools", authentication.huawei, pools.pools),
    Api("modelarts_pool.events", "/v1/{project_id}/events", authentication.huawei, pools.events),
    Api("modelarts_service.list", "/v1/{project_id}/services", authentication.huawei, services.services),
    Api("modelarts_service.details", "/v1/{project_id}/services/{id}", authentication.huawei, services.details),
    Api("modelarts_service.events", "/v1/{project_id}/services/{id}/events", authentication.huawei, services.events),
    Api("modelarts.workspaces", "/v1/{project_id}/workspaces", authentication.huawei, modelarts.workspaces),
    Api("dws.list", "/v1.0/{project_id}/clusters", authentication.huawei, dws.clusters),
    Api("dws.events", "/v2/{project_id}/events", authentication.huawei, dws.events),
    Api("iam.projects", "/v3/projects", authentication.huawei, tokens.projects),
    Api("iam.token", "/v3/auth/tokens", authentication.anyone, tokens.iam_token, ("POST",)),
    Api("sts.huawei", "/v5/agencies/assume-with-oidc", authentication.anyone, tokens.huawei_oidc, ("POST",)),
    Api(
        "metadata.huawei", "/meta-data/latest/api/token", authentication.anyone, tokens.huawei_metadata_token, ("PUT",)
    ),
    Api("metadata.huawei", "/openstack/latest/securitykey", authentication.anyone, tokens.huawei_metadata_key),
)
ALIBABA = (
    Api("pai_dlc.list", "/api/v1/jobs", authentication.alibaba, dlc.jobs),
    Api("pai_dlc.details", "/api/v1/jobs/{id}", authentication.alibaba, dlc.details),
    Api("pai_dlc.events", "/api/v1/jobs/{id}/events", authentication.alibaba, dlc.events),
    Api("sts.alibaba", "/", authentication.anyone, tokens.alibaba_oidc, ("GET", "POST")),
    Api("metadata.alibaba", "/latest/api/token", authentication.anyone, tokens.alibaba_metadata_token, ("PUT",)),
    Api("metadata.alibaba", _ROLES, authentication.anyone, tokens.alibaba_metadata_role),
    Api("metadata.alibaba", f"{_ROLES}{{role}}", authentication.anyone, tokens.alibaba_metadata_key),
)
UNKNOWN = Api("unknown", "/{rest:path}", authentication.anyone, unknown, ("GET", "POST", "PUT", "DELETE", "PATCH"))

DRIFT: dict[str, Move] = {
    "modelarts_training.events": training.drift,
    "modelarts_pool.events": pools.drift,
    "modelarts_service.events": services.drift,
    "dws.events": dws.drift,
    "pai_dlc.events": dlc.drift,
}
GROWTH: dict[str, Move] = {"modelarts_pool.events": pools.grow}
