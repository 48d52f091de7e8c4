"""The table of all calls of the simulated clouds; no two paths collide, so that one port serves all."""

from functools import partial

from exporter.simulator.apis import authentication, control, modelarts, tokens
from exporter.simulator.apis.api import Move, SimulatedApi
from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.http import Call, Reply, huawei_error
from exporter.simulator.state.accounts import Platform
from exporter.simulator.state.cloud import Cloud


def unknown(cloud: Cloud, call: Call, now: int) -> Reply:
    """Return the answer of Huawei Cloud's gateway to an unknown path."""
    raise huawei_error(404, "APIGW.0101", "The API does not exist or has not been published in the environment.")


def _of(platform: Platform) -> tuple[SimulatedApi, ...]:
    return tuple(api for source in SOURCES.values() if source.platform == platform for api in source.apis)


_ROLES = "/latest/meta-data/ram/security-credentials/"

HUAWEI = (
    *_of("huaweicloud"),
    SimulatedApi("modelarts.workspaces", "/v1/{project_id}/workspaces", authentication.huawei, modelarts.workspaces),
    SimulatedApi("iam.projects", "/v3/projects", authentication.huawei, tokens.projects),
    SimulatedApi("iam.token", "/v3/auth/tokens", authentication.anyone, tokens.iam_token, ("POST",)),
    SimulatedApi("sts.huawei", "/v5/agencies/assume-with-oidc", authentication.anyone, tokens.huawei_oidc, ("POST",)),
    SimulatedApi(
        "metadata.huawei", "/meta-data/latest/api/token", authentication.anyone, tokens.huawei_metadata_token, ("PUT",)
    ),
    SimulatedApi("metadata.huawei", "/openstack/latest/securitykey", authentication.anyone, tokens.huawei_metadata_key),
)
ALIBABA = (
    *_of("alibabacloud"),
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
APIS: dict[SimulatedApi, Platform] = {
    **dict.fromkeys(HUAWEI, "huaweicloud"),
    **dict.fromkeys(ALIBABA, "alibabacloud"),
    UNKNOWN: "huaweicloud",
}
"""All calls that faults apply to, with the platform in whose words they are refused."""

NAMES = tuple(dict.fromkeys(api.name for api in APIS))
CONTROL = (
    SimulatedApi(
        "simulator.faults", "/simulator/faults", authentication.loopback, partial(control.faults, NAMES), ("POST",)
    ),
    SimulatedApi("simulator.events", "/simulator/events", authentication.loopback, control.events, ("POST",)),
    SimulatedApi("simulator.state", "/simulator/state", authentication.loopback, control.state),
)

DRIFT: dict[str, Move] = {f"{name}.events": source.drift for name, source in SOURCES.items()}
GROWTH: dict[str, Move] = {f"{name}.events": source.growth for name, source in SOURCES.items() if source.growth}
