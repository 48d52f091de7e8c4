"""Huawei Cloud's signature against the vendor's own, and every way to sign in against a cloud that checks what it is sent."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import httpx2
import pytest

from exporter.auth import Login, Signer, login_from_environment, make_signer
from exporter.auth.keys import Keys
from exporter.auth.signatures import sign_sdk_hmac
from exporter.common.secret import Secret
from exporter.model.errors import SourceDenied, SourceError
from tests.support.identities import AGENCY, Clock, Huawei, secrets, streamed

BASES = {"iam": "https://iam.test", "sts": "https://sts.test", "metadata": "http://metadata.test"}
EVENTS = "https://modelarts.test/v1/p/events?resource=pools&name=a%20b"
VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parents[1] / "data" / "sign-vectors.json").read_text("utf-8"))
    if vector["algorithm"] == "SDK-HMAC-SHA256"
]


def sign_in(cloud: Huawei, login: Login, project: str | None = None) -> Signer:
    return make_signer(
        "huaweicloud",
        login,
        region="cn-north-4",
        project_id=project,
        endpoints=BASES,
        clock=cloud.clock,
        report=lambda event: None,
    )


def ask(cloud: Huawei, auth: Signer, times: int = 1, headers: Mapping[str, str] = {}) -> list[int]:
    async def run() -> list[int]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(cloud), auth=auth) as client:
            return [(await client.get(EVENTS, headers=headers)).status_code for _ in range(times)]

    return asyncio.run(run())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_signature_is_that_of_the_vendors_sdk(vector: dict[str, object], reverse: bool) -> None:
    given = {str(name): str(text) for name, text in dict(vector["headers"]).items()}  # type: ignore[call-overload]
    at = datetime.strptime(given.pop("X-Sdk-Date"), "%Y%m%dT%H%M%S%z").timestamp()
    path, mark, query = str(vector["target"]).partition("?")
    target = path + mark + "&".join(sorted(query.split("&"), reverse=reverse))
    keys = Keys(str(vector["ak"]), str(vector["sk"]), given.pop("X-Security-Token", ""))
    headers = given | {"User-Agent": "changed by proxies", "Accept-Encoding": "gzip", "X-Sdk-Date": "old"}
    url = f"https://{vector['host']}{target}"
    request = httpx2.Request(str(vector["method"]), url, headers=headers, content=str(vector["body"]).encode())

    sign_sdk_hmac(request, keys, at)

    assert request.headers["Authorization"] == vector["authorization"]
    assert unquote(request.url.raw_path.decode()) == unquote(target)


def test_access_keys_sign_every_request_and_ask_nobody() -> None:
    cloud = Huawei(Clock())
    auth = sign_in(cloud, Login("keys", secrets(access_key="AK1", secret_key="SK1")))

    assert ask(cloud, auth, 2, {"X-Project-Id": "p"}) == [200, 200]
    assert (auth.account, auth.expires, cloud.asked) == ("AK1", None, ["GET /v1/p/events"] * 2)


def test_temporary_keys_carry_their_token() -> None:
    cloud = Huawei(Clock())
    cloud.keys["AK2"] = ("SK2", "T2")

    login = Login("keys", secrets(access_key="AK2", secret_key="SK2", security_token="T2"))
    assert ask(cloud, sign_in(cloud, login)) == [200]


def test_a_rotated_key_file_is_picked_up(tmp_path: Path) -> None:
    cloud, files = Huawei(Clock()), {key: tmp_path / key for key in ("access_key", "secret_key")}
    for key, file in files.items():
        file.write_text({"access_key": "AK1\n", "secret_key": "SK1\n"}[key])
    auth = sign_in(cloud, Login("keys", {key: Secret(path=file) for key, file in files.items()}))
    assert ask(cloud, auth) == [200]

    cloud.keys = {"AK-new": ("SK-new", "")}
    files["access_key"].write_text("AK-new\n")
    files["secret_key"].write_text("SK-new\n")
    assert ask(cloud, auth) == [200]


def test_a_key_file_that_was_empty_serves_as_soon_as_it_is_filled(tmp_path: Path) -> None:
    cloud, file = Huawei(Clock()), tmp_path / "sk"
    file.write_text("SK1")
    auth = sign_in(cloud, Login("keys", {"access_key": Secret("AK1"), "secret_key": Secret(path=file)}))
    file.write_text("")
    with pytest.raises(SourceDenied, match=r"^credentials\.secret_key: is empty"):
        ask(cloud, auth)

    file.write_text("SK1")
    assert ask(cloud, auth) == [200]


async def test_a_body_that_is_streamed_is_signed() -> None:
    cloud = Huawei(Clock())
    auth = sign_in(cloud, Login("keys", secrets(access_key="AK1", secret_key="SK1")))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(cloud), auth=auth) as client:
        assert (await client.post(EVENTS, content=streamed(b"{}"))).status_code == 200


def test_unchanged_access_keys_are_not_tried_twice() -> None:
    cloud = Huawei(Clock())

    assert ask(cloud, sign_in(cloud, Login("keys", secrets(access_key="AK1", secret_key="wrong")))) == [401]
    assert cloud.asked == ["GET /v1/p/events"]


@pytest.mark.parametrize(("project", "scope"), [(None, {"name": "cn-north-4"}), ("p1", {"id": "p1"})])
def test_a_password_becomes_a_token_of_the_project(project: str | None, scope: dict[str, str]) -> None:
    cloud = Huawei(Clock())
    auth = sign_in(cloud, Login("password", secrets(user="u", password="right", domain="d")), project)

    assert ask(cloud, auth, 2) == [200, 200]
    assert (auth.account, auth.expires) == ("u@d", int((cloud.clock.at + 86_400) * 1000))
    assert (cloud.scopes, cloud.issued) == ([{"project": scope}], 1)


@pytest.mark.parametrize("status", [200, 404, 405, 503])
def test_the_metadata_service_is_asked_with_a_token_where_it_knows_one(status: int) -> None:
    cloud = Huawei(Clock())
    if status != 200:
        cloud.troubles["/meta-data/latest/api/token"] = httpx2.Response(status)
    auth = sign_in(cloud, Login("metadata"))

    assert ask(cloud, auth, 2) == [200, 200]
    assert (auth.account, auth.expires) == ("metadata", int((cloud.clock.at + 3600) * 1000))
    assert cloud.asked[:2] == ["PUT /meta-data/latest/api/token", "GET /openstack/latest/securitykey"]


def test_an_oidc_token_is_read_again_for_every_renewal(tmp_path: Path) -> None:
    cloud, file = Huawei(Clock()), tmp_path / "token"
    file.write_text("jwt-1")
    auth = sign_in(cloud, Login("oidc", {}, AGENCY | {"token_file": str(file)}))
    assert (ask(cloud, auth), auth.account) == ([200], AGENCY["agency_urn"])

    cloud.oidc = "jwt-22"
    file.write_text("jwt-22")
    cloud.clock.at += 3000
    assert (ask(cloud, auth), cloud.issued) == ([200], 2)


def test_a_pod_identity_is_found_in_the_environment(tmp_path: Path) -> None:
    cloud, file = Huawei(Clock()), tmp_path / "token"
    file.write_text("pod-1")
    names = ("HC_CONTAINER_CREDENTIALS_FULL_URI", "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    login = login_from_environment("huaweicloud", dict(zip(names, ("http://agent.test/pod", str(file)), strict=True)))

    assert login is not None
    assert ask(cloud, sign_in(cloud, login)) == [200]


PASSWORD = Login("password", secrets(user="u", password="wrong", domain="d"))
BY_TOKEN = Login("oidc", secrets(token="jwt-1"), AGENCY)
REFUSED = [
    (PASSWORD, "", None, "IAM https://iam.test: 401, user, password or domain is wrong; correct credentials.user/password/domain"),
    (PASSWORD, "/v3/auth/tokens", 403, "IAM https://iam.test: 403, the user is locked or may not sign in by password; allow programmatic access, or wait 15 minutes"),
    (PASSWORD, "/v3/auth/tokens", 400, "IAM https://iam.test: 400, the login was not understood; correct project_id, region or endpoints.iam"),
    (PASSWORD, "/v3/auth/tokens", 404, "IAM https://iam.test: 404, there is no such project; correct project_id or region"),
    (PASSWORD, "/v3/auth/tokens", 409, "IAM https://iam.test: 409, the login was refused; correct credentials.user/password/domain"),
    (PASSWORD, "/v3/auth/tokens", 429, "IAM https://iam.test: 429, too many logins; wait, it is asked again"),
    (PASSWORD, "/v3/auth/tokens", 503, "IAM https://iam.test: 503, the service failed; wait, it is asked again"),
    (PASSWORD, "/v3/auth/tokens", 302, "IAM https://iam.test: 302, which is no answer to a login; correct the endpoint"),
    (PASSWORD, "/v3/auth/tokens", 201, "IAM https://iam.test: 201, but the answer holds no keys; correct the endpoint"),
    (Login("metadata"), "/meta-data/latest/api/token", 403, "metadata http://metadata.test: 403, no agency is attached to this machine; attach a cloud service agency, or use other credentials"),
    (Login("metadata"), "/openstack/latest/securitykey", 401, "metadata http://metadata.test: 401, no agency is attached to this machine; attach a cloud service agency, or use other credentials"),
    (Login("metadata"), "/openstack/latest/securitykey", 200, "metadata http://metadata.test: 200, but the answer holds no keys; correct the endpoint"),
    (BY_TOKEN, "/v5/agencies/assume-with-oidc", 403, "STS https://sts.test: 403, the token was refused; correct credentials.oidc, or the trust policy of the agency"),
    (Login("keys", secrets(access_key="AK1", secret_key="S K")), "", None, "credentials.secret_key: holds blanks or characters that do not belong there; copy it again"),
    (Login("keys", secrets(access_key="AK1", secret_key="")), "", None, "credentials.secret_key: is empty; write the value into the file or variable that it is read from"),
]  # fmt: skip


@pytest.mark.parametrize(("login", "path", "status", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_refused_login_names_place_cause_and_cure(login: Login, path: str, status: int | None, message: str) -> None:
    cloud = Huawei(Clock())
    if status is not None:
        cloud.troubles[path] = httpx2.Response(status, json={"error_msg": "echo of wrong"})

    with pytest.raises(SourceError) as raised:
        ask(cloud, sign_in(cloud, login))
    assert str(raised.value) == message
