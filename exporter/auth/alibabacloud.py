"""Login methods of Alibaba Cloud.

Each states its requests to STS or the machine and reads the keys. None waits. Sources: Alibaba Cloud credentials for
Python 1.0.12 and for Go (requests, answers), STS API reference (errors).
"""

import secrets
from datetime import UTC, datetime
from urllib.parse import quote

import httpx2

from exporter.auth.endpoints import default_endpoints
from exporter.auth.keys import KeyExchange, Keys, LoginMethod, own_keys, read_json, read_keys
from exporter.auth.login import Login, Site, oidc_token, reveal, sendable
from exporter.auth.refusals import login_error, no_keys_error
from exporter.auth.signatures import sign_acs3

_TIMEOUT = {"timeout": httpx2.Timeout(10.0).as_dict()}
_METADATA_TIMEOUT = {"timeout": httpx2.Timeout(3.0).as_dict()}
_NAMES = (("AccessKeyId",), ("AccessKeySecret",), ("SecurityToken",), ("Expiration",))
_ROLES = "/latest/meta-data/ram/security-credentials/"
_OIDC_CURES: dict[int | str, str] = {
    0: "the token was refused; correct credentials.oidc, or the trust policy of the role",
    "AuthenticationFail.NoPermission": "the role does not trust this token; correct its trust policy and provider_arn",
    "AuthenticationFail.OIDCToken.AudienceNotMatch": "the token is for others; project it for sts.aliyuncs.com",
    "AuthenticationFail.OIDCToken.Expired": "the token is out of date; see why its file is not renewed",
    "AuthenticationFail.OIDCToken.IssuerNotMatch": "the token is of another cluster; correct credentials.oidc.provider_arn",
    "EntityNotExist.Role": "there is no such role; correct credentials.oidc.role_arn",
}
_ROLE_CURES: dict[int | str, str] = {
    0: "the metadata service refused; check that this machine may use it",
    404: "no such RAM role is attached to this machine; attach it, or correct credentials.ecs_role",
}


def with_keys(login: Login, site: Site) -> LoginMethod:
    """Return the login with access keys, permanent or of STS."""
    return own_keys(login, ("access_key_id", "access_key_secret"), _sign)


def with_oidc(login: Login, site: Site) -> LoginMethod:
    """Return the login with the keys of a RAM role that trusts an OIDC token.

    RRSA gives such tokens to pods. The call is not signed (STS API reference, AssumeRoleWithOIDC). The token goes in
    the body, never in the URL, where logs and proxies would see it.
    """
    base, token = _sts(login, site), oidc_token(login)
    place = f"STS {base}"
    role = {
        "RoleArn": login.options["role_arn"],
        "OIDCProviderArn": login.options["provider_arn"],
        "RoleSessionName": login.options.get("session_name", "platform-events-exporter"),
        "DurationSeconds": "3600",
    }

    def obtain() -> KeyExchange:
        now = datetime.fromtimestamp(site.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        action = {"Action": "AssumeRoleWithOIDC", "Version": "2015-04-01", "Format": "JSON", "Timestamp": now}
        form = role | {"OIDCToken": reveal(token, "credentials.oidc.token_file", header=True)}
        answer = yield httpx2.Request("POST", f"{base}/", params=action, data=form, extensions=_TIMEOUT)
        if not answer.is_success:
            raise login_error(place, answer.status_code, answer.content, _OIDC_CURES)
        body = read_json(answer.content)
        return _keys(place, answer, body.get("Credentials") if isinstance(body, dict) else None)

    return LoginMethod(login.options["role_arn"], place, obtain, _sign, (token,))


def with_ecs_role(login: Login, site: Site) -> LoginMethod:
    """Return the login with the keys of the RAM role attached to this ECS instance.

    Without a configured role, the metadata service names it. A metadata token is used where the service has them; the
    option ``imds_v1: false`` requires one.
    """
    base = site.endpoints["metadata"]
    place = f"metadata {base}"

    def obtain() -> KeyExchange:
        ttl = {"X-aliyun-ecs-metadata-token-ttl-seconds": "21600"}
        answer = yield httpx2.Request("PUT", f"{base}/latest/api/token", headers=ttl, extensions=_METADATA_TIMEOUT)
        headers = {}
        if answer.is_success and sendable(token := answer.content.decode("utf-8", "replace").strip()):
            headers["X-aliyun-ecs-metadata-token"] = token
        elif login.options.get("imds_v1") == "false":
            raise login_error(place, answer.status_code, answer.content, _ROLE_CURES)
        role = login.options.get("ecs_role", "")
        if not role:
            role = _text(place, (yield _metadata(f"{base}{_ROLES}", headers)))
        answer = yield _metadata(f"{base}{_ROLES}{quote(role, safe='')}", headers)
        body = read_json(_text(place, answer).encode())
        return _keys(place, answer, body if isinstance(body, dict) and body.get("Code") == "Success" else None)

    return LoginMethod("metadata", place, obtain, _sign)


def _sign(request: httpx2.Request, keys: Keys, at: float) -> None:
    sign_acs3(request, keys, at, secrets.token_hex(16))


def _sts(login: Login, site: Site) -> str:
    """Return the endpoint of STS.

    A configured one goes before the one that the environment names, and that before the default.
    """
    configured, usual = site.endpoints["sts"], default_endpoints("alibabacloud", site.region)["sts"]
    return login.options.get("sts", usual) if configured == usual else configured


def _metadata(url: str, headers: dict[str, str]) -> httpx2.Request:
    return httpx2.Request("GET", url, headers=headers, extensions=_METADATA_TIMEOUT)


def _text(place: str, answer: httpx2.Response) -> str:
    """Return the body of a good answer as text. Raises SourceError for any other."""
    if not answer.is_success:
        raise login_error(place, answer.status_code, answer.content, _ROLE_CURES)
    return answer.content.decode("utf-8", "replace").strip()


def _keys(place: str, answer: httpx2.Response, found: object) -> Keys:
    keys = read_keys(found, _NAMES)
    if keys is None:
        raise no_keys_error(place, answer.status_code)
    return keys
