"""Login methods of Huawei Cloud.

Each states its requests to IAM, STS or the machine and reads the keys. None waits. Sources: Huawei Cloud SDK for Python
3.1.219 (requests, answers, environment), IAM API reference (tokens, errors).
"""

import string

import httpx2
import msgspec

from exporter.auth.keys import KeyExchange, Keys, LoginMethod, own_keys, read_json, read_keys, read_time
from exporter.auth.login import Login, Site, oidc_token, reveal, sendable
from exporter.auth.refusals import login_error, no_keys_error
from exporter.auth.signatures import sign_sdk_hmac
from exporter.model.errors import NOT_JSON, SourceDenied, SourceGarbled
from exporter.model.events import Millis, Request, Response

_TIMEOUT = {"timeout": httpx2.Timeout(10.0).as_dict()}
_METADATA_TIMEOUT = {"timeout": httpx2.Timeout(3.0).as_dict()}
# Field names of id, secret, token and end: the metadata service, STS and pod identities each have their own.
_NAMES = (
    ("access", "accessKeyId", "access_key_id"),
    ("secret", "secretAccessKey", "secret_access_key"),
    ("securitytoken", "securityToken", "security_token"),
    ("expires_at", "expiration"),
)
_V1_ONLY = (404, 405, 503)  # answers of a metadata service that knows no tokens
_LOGIN_CURES: dict[int | str, str] = {
    0: "the login was refused; correct credentials.user/password/domain",
    400: "the login was not understood; correct project_id, region or endpoints.iam",
    401: "user, password or domain is wrong; correct credentials.user/password/domain",
    403: "the user is locked or may not sign in by password; allow programmatic access, or wait 15 minutes",
    404: "there is no such project; correct project_id or region",
}
_METADATA_CURES: dict[int | str, str] = {
    0: "no agency is attached to this machine; attach a cloud service agency, or use other credentials",
}
_OIDC_CURES: dict[int | str, str] = {
    0: "the token was refused; correct credentials.oidc, or the trust policy of the agency",
}
_POD_CURES: dict[int | str, str] = {
    0: "the pod has no identity; associate its service account with an agency",
}


class _Token(msgspec.Struct):
    expires_at: str


class _Granted(msgspec.Struct):
    token: _Token


def with_keys(login: Login, site: Site) -> LoginMethod:
    """Return the login with access keys, permanent or temporary."""
    return own_keys(login, ("access_key", "secret_key"), sign_sdk_hmac)


def with_password(login: Login, site: Site) -> LoginMethod:
    """Return the login with an IAM token for user, password and domain.

    The token is for the configured project, else for the project named like the region.
    """
    place, url = f"IAM {site.endpoints['iam']}", f"{site.endpoints['iam']}/v3/auth/tokens?nocatalog=true"

    def obtain() -> KeyExchange:
        answer = yield httpx2.Request("POST", url, json=_login_body(login, site), extensions=_TIMEOUT)
        if not answer.is_success:
            raise login_error(place, answer.status_code, answer.content, _LOGIN_CURES)
        token, expires = answer.headers.get("X-Subject-Token", ""), _token_end(answer.content)
        if not sendable(token) or expires is None:
            raise no_keys_error(place, answer.status_code)
        return Keys(token=token, expires=expires)

    account = f"{login.reveal('user')}@{login.reveal('domain')}"
    # Five wrong passwords within an hour lock an account (IAM, login authentication policy).
    return LoginMethod(account, place, obtain, _carry_token, tuple(login.values.values()), refusal_wait=900.0)


def with_metadata(login: Login, site: Site) -> LoginMethod:
    """Return the login with the keys of the agency attached to this ECS or CCE node.

    A metadata token is used where the metadata service has them.
    """
    base = site.endpoints["metadata"]
    place = f"metadata {base}"

    def obtain() -> KeyExchange:
        ttl = {"X-Metadata-Token-Ttl-Seconds": "21600"}
        answer = yield httpx2.Request(
            "PUT", f"{base}/meta-data/latest/api/token", headers=ttl, extensions=_METADATA_TIMEOUT
        )
        headers = {}
        if answer.is_success and sendable(token := answer.content.decode("utf-8", "replace").strip()):
            headers["X-Metadata-Token"] = token
        elif answer.status_code not in _V1_ONLY:
            raise login_error(place, answer.status_code, answer.content, _METADATA_CURES)
        answer = yield httpx2.Request(
            "GET", f"{base}/openstack/latest/securitykey", headers=headers, extensions=_METADATA_TIMEOUT
        )
        return _keys(place, answer, _METADATA_CURES)

    return LoginMethod("metadata", place, obtain, sign_sdk_hmac)


def with_oidc(login: Login, site: Site) -> LoginMethod:
    """Return the login with the keys of an agency that trusts an OIDC token.

    Source: STS API reference, AssumeAgencyWithOIDC.
    """
    place, token = f"STS {site.endpoints['sts']}", oidc_token(login)
    agency = {
        "provider_urn": login.options["provider_urn"],
        "agency_urn": login.options["agency_urn"],
        "agency_session_name": login.options.get("session_name", "platform-events-exporter"),
        "duration_seconds": 3600,
    }

    def obtain() -> KeyExchange:
        url = f"{site.endpoints['sts']}/v5/agencies/assume-with-oidc"
        body = agency | {"id_token": reveal(token, "credentials.oidc.token_file", header=True)}
        answer = yield httpx2.Request("POST", url, json=body, extensions=_TIMEOUT)
        return _keys(place, answer, _OIDC_CURES)

    return LoginMethod(login.options["agency_urn"], place, obtain, sign_sdk_hmac, (token,))


def with_pod_identity(login: Login, site: Site) -> LoginMethod:
    """Return the login with the keys of the agency of the pod's service account.

    CCE associates agencies with service accounts.
    """
    uri, token = login.options["uri"], oidc_token(login)
    place = f"pod identity {uri}"

    def obtain() -> KeyExchange:
        headers = {"Authorization": reveal(token, "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", header=True)}
        answer = yield httpx2.Request("POST", uri, headers=headers, json={}, extensions=_METADATA_TIMEOUT)
        return _keys(place, answer, _POD_CURES)

    return LoginMethod("metadata", place, obtain, sign_sdk_hmac, (token,))


def _carry_token(request: httpx2.Request, keys: Keys, at: float) -> None:
    request.headers["X-Auth-Token"] = keys.token


def _login_body(login: Login, site: Site) -> dict[str, object]:
    user = {
        "name": login.reveal("user"),
        "password": login.reveal("password"),
        "domain": {"name": login.reveal("domain")},
    }
    project = {"id": site.project_id} if site.project_id else {"name": site.region}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": project}}}


def _token_end(body: bytes) -> Millis | None:
    try:
        return read_time(msgspec.json.decode(body, type=_Granted).token.expires_at)
    except NOT_JSON:
        return None


def _keys(place: str, answer: httpx2.Response, cures: dict[int | str, str]) -> Keys:
    if not answer.is_success:
        raise login_error(place, answer.status_code, answer.content, cures)
    body = read_json(answer.content)
    found = (body.get("credential") or body.get("credentials") or body) if isinstance(body, dict) else None
    keys = read_keys(found, _NAMES)
    if keys is None:
        raise no_keys_error(place, answer.status_code)
    return keys


# --- the project id of a region


_NO_PROJECTS = "iam: the list of projects cannot be read; set project_id"
_PROJECT_ID = frozenset(string.ascii_letters + string.digits + "-_")  # it becomes a segment of every path


class _Project(msgspec.Struct):
    id: str


class _Projects(msgspec.Struct):
    projects: list[_Project] = []


def project_lookup(region: str) -> Request:
    """Return the request for the projects named like the region.

    Source: IAM API reference, KeystoneListProjects.
    """
    return Request("iam", "/v3/projects", (("name", region),), permission="iam:projects:listProjects")


def read_project(answer: Response, region: str) -> str:
    """Read the id of the only project.

    Raises SourceDenied if there is none or more than one, else SourceGarbled.
    """
    try:
        found = msgspec.json.decode(answer.body, type=_Projects).projects
    except NOT_JSON:
        raise SourceGarbled(_NO_PROJECTS) from None
    if not found:
        raise SourceDenied(f"iam: these credentials see no project named {region}; set project_id")
    if len(found) > 1:
        raise SourceDenied(f"iam: {len(found)} projects are named {region}; set project_id to one of them")
    if not _PROJECT_ID.issuperset(found[0].id) or not 0 < len(found[0].id) <= 64:
        raise SourceGarbled(_NO_PROJECTS)
    return found[0].id
