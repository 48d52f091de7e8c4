"""Who the simulated clouds let in, and where keys and tokens come from."""

import json
from collections.abc import Callable

import pytest

from exporter.simulator import Cloud
from exporter.simulator.state.accounts import (
    ACCESS_KEY,
    ALIBABA_ACCESS_KEY,
    ALIBABA_ROLE,
    DOMAIN,
    OIDC_TOKEN,
    PASSWORD,
    PROJECT_ID,
    REGION,
    SECRET_KEY,
    USER,
    Key,
)
from tests.support.clouds import DLC_EVENTS, DWS_EVENTS, NOW, acs3, aksk, at_rest, get, send


def unsigned(headers: dict[str, str], name: str) -> dict[str, str]:
    """As if the client had not signed one header."""
    return headers | {"authorization": headers["authorization"].replace(f";{name}", "")}


def test_a_key_signature_or_token_is_taken_by_huawei() -> None:
    cloud = at_rest()
    key = cloud.keys.temporary("huaweicloud", NOW + 1000)
    assert send(cloud, "GET", DWS_EVENTS, headers=aksk(cloud, DWS_EVENTS)).status_code == 200
    signed = aksk(cloud, DWS_EVENTS, key, {"x-security-token": key.token})
    assert send(cloud, "GET", DWS_EVENTS, headers=signed).status_code == 200
    loose = aksk(cloud, DWS_EVENTS, key) | {"x-security-token": key.token}
    assert send(cloud, "GET", DWS_EVENTS, headers=loose).status_code == 401
    assert get(cloud, DWS_EVENTS).status_code == 200


@pytest.mark.parametrize(
    ("make", "status", "detail"),
    [
        (lambda c: {}, 401, "auth header"),
        (lambda c: aksk(c, DWS_EVENTS, Key(ACCESS_KEY, "wrong", "huaweicloud")), 401, "verify aksk signature fail"),
        (lambda c: aksk(c, DWS_EVENTS, Key("NOBODY", "wrong", "huaweicloud")), 401, "ak NOBODY not exist"),
        (lambda c: aksk(c, DWS_EVENTS, more={"x-sdk-date": "20221126T075400Z"}), 401, "15 minutes"),
        (lambda c: aksk(c, DWS_EVENTS) | {"x-sdk-date": "20221126T081001Z"}, 401, "verify aksk signature fail"),
        (lambda c: aksk(c, DWS_EVENTS, more={"x-project-id": "another"}), 403, "not authorized"),
        (lambda c: aksk(c, DWS_EVENTS, c.keys.temporary("huaweicloud", NOW + 1)), 401, "security token is missing"),
        (lambda c: unsigned(aksk(c, DWS_EVENTS), "x-sdk-date"), 401, "15 minutes"),
        (lambda c: {"x-auth-token": c.keys.token(NOW)}, 401, "token expires"),
        (lambda c: {"x-auth-token": "made up"}, 401, "decrypt token fail"),
    ],
)
def test_huawei_refuses(make: Callable[[Cloud], dict[str, str]], status: int, detail: str) -> None:
    cloud = at_rest()
    answer = send(cloud, "GET", DWS_EVENTS, headers=make(cloud))
    assert (answer.status_code, detail in answer.json()["error_msg"]) == (status, True), answer.text


def test_the_project_of_the_path_must_be_the_callers() -> None:
    cloud = at_rest()
    assert get(cloud, DWS_EVENTS.replace(PROJECT_ID, "another")).status_code == 403


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda c: {}, "MissingParameter"),
        (lambda c: acs3(c, DLC_EVENTS, Key(ALIBABA_ACCESS_KEY, "wrong", "alibabacloud")), "SignatureDoesNotMatch"),
        (lambda c: acs3(c, DLC_EVENTS, Key("NOBODY", "wrong", "alibabacloud")), "InvalidAccessKeyId.NotFound"),
        (lambda c: acs3(c, DLC_EVENTS, Key(ACCESS_KEY, SECRET_KEY, "huaweicloud")), "InvalidAccessKeyId.NotFound"),
        (lambda c: acs3(c, DLC_EVENTS, more={"x-acs-date": "2022-11-26T07:54:00Z"}), "InvalidTimeStamp.Expired"),
        (lambda c: acs3(c, DLC_EVENTS, more={"x-acs-version": "2019-01-01"}), "InvalidVersion"),
        (lambda c: acs3(c, DLC_EVENTS, more={"x-acs-action": "ListJobs"}), "InvalidAction.NotFound"),
        (lambda c: acs3(c, DLC_EVENTS) | {"x-acs-more": "unsigned"}, "IncompleteSignature"),
        (lambda c: acs3(c, DLC_EVENTS, c.keys.temporary("alibabacloud", NOW + 1)), "MissingSecurityToken"),
    ],
)
def test_alibaba_refuses(make: Callable[[Cloud], dict[str, str]], code: str) -> None:
    cloud = at_rest()
    answer = send(cloud, "GET", DLC_EVENTS, headers=make(cloud))
    assert (answer.status_code in (400, 404), answer.json()["Code"]) == (True, code)


def test_alibaba_takes_a_signature_once_and_a_temporary_key_until_it_ends() -> None:
    cloud = at_rest()
    signed = acs3(cloud, DLC_EVENTS)
    assert send(cloud, "GET", DLC_EVENTS, headers=signed).status_code == 200
    assert send(cloud, "GET", DLC_EVENTS, headers=signed).json()["Code"] == "SignatureNonceUsed"
    for expires, status in ((NOW + 1000, 200), (NOW, 400)):
        key = cloud.keys.temporary("alibabacloud", expires)
        more = {"x-acs-security-token": key.token, "x-acs-accesskey-id": key.access}
        assert send(cloud, "GET", DLC_EVENTS, headers=acs3(cloud, DLC_EVENTS, key, more)).status_code == status


def test_iam_gives_a_token_for_the_right_password_only_and_it_ends() -> None:
    cloud = at_rest()
    cloud.behaviour.token_lifetime = 0.0
    for password, status in ((PASSWORD, 201), ("wrong", 401)):
        user = {"name": USER, "password": password, "domain": {"name": DOMAIN}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": {"name": REGION}}}}).encode()
        answer = send(cloud, "POST", "/v3/auth/tokens", body)
        assert answer.status_code == status
        token = answer.headers.get("x-subject-token", "")
        assert send(cloud, "GET", DWS_EVENTS, headers={"x-auth-token": token}).status_code == 401


@pytest.mark.parametrize(("token", "status"), [(OIDC_TOKEN, 200), ("wrong", 401)])
def test_huawei_sts_gives_a_key_for_an_identity_token(token: str, status: int) -> None:
    cloud = at_rest()
    asked = {"provider_urn": "p", "agency_urn": "a", "agency_session_name": "s", "id_token": token}
    answer = send(cloud, "POST", "/v5/agencies/assume-with-oidc", json.dumps(asked).encode())
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["credentials"]["access_key_id"] in cloud.keys.keys
        assert answer.json()["credentials"]["expiration"] == "2022-11-26T09:10:00.000000Z"


@pytest.mark.parametrize(("token", "status"), [(OIDC_TOKEN, 200), ("wrong", 400)])
def test_alibaba_sts_gives_a_key_for_an_identity_token(token: str, status: int) -> None:
    cloud = at_rest()
    asked = "Action=AssumeRoleWithOIDC&Version=2015-04-01&RoleArn=r&OIDCProviderArn=p&RoleSessionName=s&OIDCToken="
    answer = send(cloud, "POST", "/?" + asked + token)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["Credentials"]["AccessKeyId"] in cloud.keys.keys
        assert answer.json()["Credentials"]["Expiration"] == "2022-11-26T09:10:00Z"


def test_huawei_metadata_wants_its_token_knows_version_1_and_an_instance_without_agency() -> None:
    cloud = at_rest()
    key, token = "/openstack/latest/securitykey", "/meta-data/latest/api/token"
    assert send(cloud, "GET", key).status_code == 401
    given = send(cloud, "PUT", token, headers={"x-metadata-token-ttl-seconds": "21600"}).text
    answer = send(cloud, "GET", key, headers={"x-metadata-token": given}).json()["credential"]
    assert answer["access"] in cloud.keys.keys
    assert answer["expires_at"] == "2022-11-26T09:10:00.000000Z"
    cloud.behaviour.metadata = "v1"
    assert send(cloud, "PUT", token, headers={"x-metadata-token-ttl-seconds": "21600"}).status_code == 404
    assert send(cloud, "GET", key).status_code == 200
    cloud.behaviour.agency = False
    assert "Please configure Cloud Service Agency first" in send(cloud, "GET", key).text


def test_alibaba_metadata_names_the_role_and_gives_its_key() -> None:
    cloud = at_rest()
    roles, header = "/latest/meta-data/ram/security-credentials/", "x-aliyun-ecs-metadata-token"
    assert send(cloud, "GET", roles).status_code == 403
    given = send(cloud, "PUT", "/latest/api/token", headers={f"{header}-ttl-seconds": "21600"}).text
    assert send(cloud, "GET", roles, headers={header: given}).text == ALIBABA_ROLE
    answer = send(cloud, "GET", roles + ALIBABA_ROLE, headers={header: given}).json()
    assert (answer["Code"], answer["AccessKeyId"] in cloud.keys.keys) == ("Success", True)


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "status"),
    [
        ("POST", "/v3/auth/tokens", b"no JSON", {}, 400),
        ("POST", "/v5/agencies/assume-with-oidc", b"{}", {}, 400),
        ("GET", "/?Action=AssumeRoleWithOIDC&Version=2015-04-01", b"", {}, 400),
        ("GET", "/?Action=GetCallerIdentity&Version=2015-04-01", b"", {}, 404),
        ("PUT", "/meta-data/latest/api/token", b"", {}, 400),
        ("PUT", "/latest/api/token", b"", {"x-aliyun-ecs-metadata-token-ttl-seconds": "99999"}, 400),
        ("GET", "/nowhere", b"", {}, 404),
    ],
)
def test_a_call_for_a_token_that_lacks_something_is_refused(
    method: str, target: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert send(at_rest(), method, target, body, headers).status_code == status


def test_a_token_is_given_for_a_project_that_exists() -> None:
    user = {"name": USER, "password": PASSWORD, "domain": {"name": DOMAIN}}
    auth = {"identity": {"password": {"user": user}}, "scope": {"project": {"name": "elsewhere"}}}
    assert send(at_rest(), "POST", "/v3/auth/tokens", json.dumps({"auth": auth}).encode()).status_code == 400


def test_temporary_keys_end_and_do_not_go_with_the_token_of_another() -> None:
    cloud = at_rest()
    one, two = (cloud.keys.temporary("alibabacloud", NOW + 1000) for _ in range(2))
    signed = acs3(cloud, DLC_EVENTS, one, {"x-acs-security-token": two.token, "x-acs-accesskey-id": one.access})
    assert send(cloud, "GET", DLC_EVENTS, headers=signed).json()["Code"] == "InvalidSecurityToken.MismatchWithAccessKey"
    ended = cloud.keys.temporary("huaweicloud", NOW)
    signed = aksk(cloud, DWS_EVENTS, ended, {"x-security-token": ended.token})
    assert "token expires" in send(cloud, "GET", DWS_EVENTS, headers=signed).json()["error_msg"]
