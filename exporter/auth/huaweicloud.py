"""The ways to sign in at Huawei Cloud: each states what it asks of IAM, STS or the machine, and reads the keys; never waits.

Sources: Huawei Cloud SDK for Python 3.1.219 (requests, answers, environment), IAM API reference (tokens, errors).
"""

import httpx
import msgspec

from exporter.auth.keys import Asking, Keys, LoginMethod, own_keys, read_json, read_keys, read_time
from exporter.auth.login import Login, Site, oidc_token, reveal, sendable
from exporter.auth.refusals import refusal, unreadable
from exporter.auth.signatures import sign_sdk_hmac
from exporter.model.errors import SourceDenied, SourceGarbled
from exporter.model.events import Millis, Request, Response

_TIMEOUT = {"timeout": httpx.Timeout(10.0).as_dict()}
_METADATA_TIMEOUT = {"timeout": httpx.Timeout(3.0).as_dict()}
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
    """Access keys, permanent or temporary."""
    return own_keys(login, ("access_key", "secret_key"), sign_sdk_hmac)


def with_password(login: Login, site: Site) -> LoginMethod:
    """An IAM token for user, password and domain, scoped to the project, else to the one named like the region."""
    place, url = f"IAM {site.endpoints['iam']}", f"{site.endpoints['iam']}/v3/auth/tokens?nocatalog=true"

    def obtain() -> Asking:
        answer = yield httpx.Request("POST", url, json=_login_body(login, site), extensions=_TIMEOUT)
        if not answer.is_success:
            raise refusal(place, answer.status_code, answer.content, _LOGIN_CURES)
        token, expires = answer.headers.get("X-Subject-Token", ""), _token_end(answer.content)
        if not sendable(token) or expires is None:
            raise unreadable(place, answer.status_code)
        return Keys(token=token, expires=expires)

    account = f"{login.reveal('user')}@{login.reveal('domain')}"
    # Five wrong passwords within an hour lock an account (IAM, login authentication policy).
    return LoginMethod(account, place, obtain, _carry_token, tuple(login.values.values()), patience=900.0)


def with_metadata(login: Login, site: Site) -> LoginMethod:
    """The keys of the agency attached to this ECS or CCE node; with a metadata token where the service knows them."""
    base = site.endpoints["metadata"]
    place = f"metadata {base}"

    def obtain() -> Asking:
        ttl = {"X-Metadata-Token-Ttl-Seconds": "21600"}
        answer = yield httpx.Request(
            "PUT", f"{base}/meta-data/latest/api/token", headers=ttl, extensions=_METADATA_TIMEOUT
        )
        headers = {}
        if answer.is_success and sendable(answer.text.strip()):
            headers["X-Metadata-Token"] = answer.text.strip()
        elif answer.status_code not in _V1_ONLY:
            raise refusal(place, answer.status_code, answer.content, _METADATA_CURES)
        answer = yield httpx.Request(
            "GET", f"{base}/openstack/latest/securitykey", headers=headers, extensions=_METADATA_TIMEOUT
        )
        return _keys(place, answer, _METADATA_CURES)

    return LoginMethod("metadata", place, obtain, sign_sdk_hmac)


def with_oidc(login: Login, site: Site) -> LoginMethod:
    """The keys of an agency that trusts an OIDC token (STS API reference, AssumeAgencyWithOIDC)."""
    place, token = f"STS {site.endpoints['sts']}", oidc_token(login)
    agency = {
        "provider_urn": login.options["provider_urn"],
        "agency_urn": login.options["agency_urn"],
        "agency_session_name": login.options.get("session_name", "platform-events-exporter"),
        "duration_seconds": 3600,
    }

    def obtain() -> Asking:
        url = f"{site.endpoints['sts']}/v5/agencies/assume-with-oidc"
        body = agency | {"id_token": reveal(token, "credentials.oidc.token_file", header=True)}
        answer = yield httpx.Request("POST", url, json=body, extensions=_TIMEOUT)
        return _keys(place, answer, _OIDC_CURES)

    return LoginMethod(login.options["agency_urn"], place, obtain, sign_sdk_hmac, (token,))


def with_pod_identity(login: Login, site: Site) -> LoginMethod:
    """The keys of the agency associated with the pod's service account in CCE."""
    uri, token = login.options["uri"], oidc_token(login)
    place = f"pod identity {uri}"

    def obtain() -> Asking:
        headers = {"Authorization": reveal(token, "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", header=True)}
        answer = yield httpx.Request("POST", uri, headers=headers, json={}, extensions=_METADATA_TIMEOUT)
        return _keys(place, answer, _POD_CURES)

    return LoginMethod("metadata", place, obtain, sign_sdk_hmac, (token,))


def _carry_token(request: httpx.Request, keys: Keys, at: float) -> None:
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
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _keys(place: str, answer: httpx.Response, cures: dict[int | str, str]) -> Keys:
    if not answer.is_success:
        raise refusal(place, answer.status_code, answer.content, cures)
    said = read_json(answer.content)
    found = (said.get("credential") or said.get("credentials") or said) if isinstance(said, dict) else None
    keys = read_keys(found, _NAMES)
    if keys is None:
        raise unreadable(place, answer.status_code)
    return keys


# Finds the project id of a Huawei Cloud region: states the question and reads the answer; sends nothing itself.


class _Project(msgspec.Struct):
    id: str


class _Projects(msgspec.Struct):
    projects: list[_Project] = []


def project_lookup(region: str) -> Request:
    """Asks for the projects that bear the region's name (IAM API reference, KeystoneListProjects)."""
    return Request("iam", "/v3/projects", (("name", region),), permission="iam:projects:listProjects")


def read_project(answer: Response, region: str) -> str:
    """The id of the one project there is. Raises SourceDenied if there is none or more than one."""
    try:
        found = msgspec.json.decode(answer.body, type=_Projects).projects
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SourceGarbled("iam: the list of projects cannot be read; set project_id") from None
    if not found:
        raise SourceDenied(f"iam: these credentials see no project named {region}; set project_id")
    if len(found) > 1:
        raise SourceDenied(f"iam: {len(found)} projects are named {region}; set project_id to one of them")
    return found[0].id
