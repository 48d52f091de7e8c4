"""Where keys and tokens come from: IAM, the vendors' STS and the metadata services of their virtual machines."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from exporter.simulator.http import Call, Refused, Reply, alibaba_error, answer, huawei_error, iam_error, text
from exporter.simulator.state import accounts
from exporter.simulator.state.accounts import ALIBABA_ROLE, OIDC_TOKEN, PROJECT_ID, REGION
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.times import SECOND, micros, zulu


def projects(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v3/projects?name=<region> (IAM)."""
    project: dict[str, Any] = {
        "id": PROJECT_ID,
        "name": REGION,
        "domain_id": accounts.DOMAIN_ID,
        "parent_id": accounts.DOMAIN_ID,
    }
    project |= {"is_domain": False, "enabled": True, "description": "", "links": {"self": ""}}
    found = [project] if call.query.get("name", REGION) == REGION else []
    return answer({"links": {"self": "", "next": None, "previous": None}, "projects": found})


def iam_token(cloud: Cloud, call: Call, now: int) -> Reply:
    """POST /v3/auth/tokens: user name, password and domain for a token in the header X-Subject-Token."""
    auth = _dug(_json(call), "auth")
    user = _dug(auth, "identity", "password", "user")
    given = (user.get("name"), user.get("password"), _dug(user, "domain").get("name"))
    if given != (accounts.USER, accounts.PASSWORD, accounts.DOMAIN):
        raise iam_error(401, "The username or password is wrong.", "Unauthorized")
    scope = _dug(auth, "scope", "project")
    if scope.get("name") != REGION and scope.get("id") != PROJECT_ID:
        raise iam_error(400, "The project of the scope does not exist.", "Bad Request")
    expires = now + round(cloud.behaviour.token_lifetime * SECOND)
    body = {
        "expires_at": micros(expires),
        "issued_at": micros(now),
        "methods": ["password"],
        "user": {"name": accounts.USER, "domain": {"name": accounts.DOMAIN, "id": accounts.DOMAIN_ID}},
        "project": {"id": PROJECT_ID, "name": REGION},
        "roles": [],
        "catalog": [],
    }
    return answer({"token": body}, 201, ((b"x-subject-token", cloud.keys.token(expires).encode()),))


def huawei_oidc(cloud: Cloud, call: Call, now: int) -> Reply:
    """POST /v5/agencies/assume-with-oidc (STS): an identity token for a temporary key."""
    body = _json(call)
    missing = [name for name in ("provider_urn", "agency_urn", "agency_session_name", "id_token") if not body.get(name)]
    if missing:
        raise huawei_error(400, "STS5.1001", f"The parameter {missing[0]} is missing.")  # the code is inferred
    if body["id_token"] != OIDC_TOKEN:
        raise huawei_error(401, "STS5.1002", "The identity token is not valid.")  # the code is inferred
    key = cloud.keys.temporary("huaweicloud", now + round(cloud.behaviour.key_lifetime * SECOND))
    words = {"access_key_id": key.access, "secret_access_key": key.secret, "security_token": key.token}
    agency = {"urn": body["agency_urn"], "id": f"agency:{body['agency_session_name']}"}
    return answer({"credentials": words | {"expiration": micros(key.expires or now)}, "assumed_agency": agency})


def huawei_metadata_token(cloud: Cloud, call: Call, now: int) -> Reply:
    """PUT /meta-data/latest/api/token on an ECS; version 1 does not know it."""
    return _metadata_token(cloud, call.headers.get("x-metadata-token-ttl-seconds", ""), now)


def huawei_metadata_key(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /openstack/latest/securitykey on an ECS."""
    _metadata_allowed(cloud, call.headers.get("x-metadata-token", ""), now, 401)
    if not cloud.behaviour.agency:
        raise Refused(text("Please configure Cloud Service Agency first", 401))
    key = cloud.keys.temporary("huaweicloud", now + round(cloud.behaviour.key_lifetime * SECOND))
    words = {"access": key.access, "secret": key.secret, "securitytoken": key.token}
    return answer({"credential": words | {"expires_at": micros(key.expires or now)}})


def alibaba_oidc(cloud: Cloud, call: Call, now: int) -> Reply:
    """AssumeRoleWithOIDC (STS 2015-04-01), unsigned, parameters in the query or as a form."""
    asked = call.query | dict(parse_qsl(call.body.decode()))
    if asked.get("Action") != "AssumeRoleWithOIDC" or asked.get("Version") != "2015-04-01":
        raise alibaba_error(404, "InvalidAction.NotFound", "Specified api is not found.")
    missing = [name for name in ("RoleArn", "OIDCProviderArn", "OIDCToken", "RoleSessionName") if not asked.get(name)]
    if missing:
        raise alibaba_error(400, f"Missing{missing[0]}", f"{missing[0]} is mandatory for this action.")
    if asked["OIDCToken"] != OIDC_TOKEN:
        raise alibaba_error(400, "AuthenticationFail.OIDCToken.Invalid", "This OIDC token is invalid.")
    lifetime = min(cloud.behaviour.key_lifetime, float(asked.get("DurationSeconds") or 3600))
    role = {"Arn": f"{asked['RoleArn']}/{asked['RoleSessionName']}", "AssumedRoleId": "300000000000000000"}
    body = {"RequestId": "78F6FCE2-278F-4C4A-A6B7-DD8ECEA9C456", "AssumedRoleUser": role}
    return answer(body | {"Credentials": _alibaba_key(cloud, now + round(lifetime * SECOND))})


def alibaba_metadata_token(cloud: Cloud, call: Call, now: int) -> Reply:
    """PUT /latest/api/token on an ECS; version 1 does not know it."""
    return _metadata_token(cloud, call.headers.get("x-aliyun-ecs-metadata-token-ttl-seconds", ""), now)


def alibaba_metadata_role(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /latest/meta-data/ram/security-credentials/: the name of the instance's role."""
    _metadata_allowed(cloud, call.headers.get("x-aliyun-ecs-metadata-token", ""), now, 403)
    if not cloud.behaviour.agency:
        raise Refused(text("Not Found", 404))
    return text(ALIBABA_ROLE)


def alibaba_metadata_key(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /latest/meta-data/ram/security-credentials/{role}: a temporary key."""
    _metadata_allowed(cloud, call.headers.get("x-aliyun-ecs-metadata-token", ""), now, 403)
    if call.params["role"] != ALIBABA_ROLE or not cloud.behaviour.agency:
        raise Refused(text("Not Found", 404))
    key = _alibaba_key(cloud, now + round(cloud.behaviour.key_lifetime * SECOND))
    return answer(key | {"LastUpdated": zulu(now), "Code": "Success"})


def _alibaba_key(cloud: Cloud, expires: int) -> dict[str, str]:
    key = cloud.keys.temporary("alibabacloud", expires)
    words = {"AccessKeyId": key.access, "AccessKeySecret": key.secret, "SecurityToken": key.token}
    return words | {"Expiration": zulu(expires)}


def _metadata_token(cloud: Cloud, lifetime: str, now: int) -> Reply:
    if cloud.behaviour.metadata == "v1":
        raise Refused(text("Not Found", 404))
    if not lifetime.isdecimal() or not 1 <= int(lifetime) <= 21_600:
        raise Refused(text("The lifetime of the token is missing or out of range", 400))
    return text(cloud.keys.metadata_token(now + int(lifetime) * SECOND))


def _metadata_allowed(cloud: Cloud, token: str, now: int, refusal: int) -> None:
    if cloud.behaviour.metadata == "v2" and cloud.keys.metadata_tokens.get(token, 0) <= now:
        raise Refused(text("Unauthorized", refusal))


def _json(call: Call) -> dict[str, Any]:
    try:
        return msgspec.json.decode(call.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise iam_error(400, "The body is not JSON.", "Bad Request") from None


def _dug(value: Any, *names: str) -> dict[str, Any]:
    """What lies under ``names``; empty where something on the way is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
