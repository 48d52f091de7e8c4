"""Alibaba Cloud's signature against the vendor's own, and every way to sign in against a cloud that checks what it is sent."""

import asyncio
import json
from datetime import datetime
from pathlib import Path

import httpx2
import pytest

from exporter.auth import Login, Signer, make_signer
from exporter.auth.keys import Keys
from exporter.auth.signatures import sign_acs3
from exporter.common.secret import Secret
from exporter.model.errors import SourceDown, SourceError
from tests.support.identities import ROLE, ROLES, Alibaba, Clock, secrets

BASES = {"sts": "https://sts.test", "metadata": "http://metadata.test"}
EVENTS = "https://pai-dlc.test/api/v1/jobs/dlc1/events?StartTime=2026-11-21T00%3A00%3A00Z&MaxEventsNum=2000"
ACTION = {"x-acs-action": "GetJobEvents", "x-acs-version": "2020-12-03"}
VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parents[1] / "data" / "sign-vectors.json").read_text("utf-8"))
    if vector["algorithm"] == "ACS3-HMAC-SHA256"
]


def sign_in(cloud: Alibaba, login: Login) -> Signer:
    return make_signer(
        "alibabacloud",
        login,
        region="cn-hangzhou",
        project_id=None,
        endpoints=BASES,
        clock=cloud.clock,
        report=lambda event: None,
    )


def ask(cloud: Alibaba, auth: Signer, times: int = 1) -> list[int]:
    async def run() -> list[int]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(cloud), auth=auth) as client:
            return [(await client.get(EVENTS, headers=ACTION)).status_code for _ in range(times)]

    return asyncio.run(run())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_signature_is_that_of_the_vendors_sdk(vector: dict[str, object], reverse: bool) -> None:
    given = {str(name): str(text) for name, text in dict(vector["headers"]).items()}  # type: ignore[call-overload]
    at = datetime.fromisoformat(given.pop("x-acs-date")).timestamp()
    nonce, digest = given.pop("x-acs-signature-nonce"), given.pop("x-acs-content-sha256")
    path, mark, query = str(vector["target"]).partition("?")
    target = path + mark + "&".join(sorted(query.split("&"), reverse=reverse))
    keys = Keys(str(vector["ak"]), str(vector["sk"]), given.pop("x-acs-security-token", ""))
    headers = given | {"User-Agent": "changed by proxies", "Accept-Encoding": "gzip", "x-acs-accesskey-id": "old"}
    url = f"https://{vector['host']}{target}"
    request = httpx2.Request(str(vector["method"]), url, headers=headers, content=str(vector["body"]).encode())

    sign_acs3(request, keys, at, nonce)

    assert request.headers["Authorization"] == vector["authorization"]
    assert request.headers["x-acs-content-sha256"] == digest
    assert request.url.raw_path.decode() == target


def test_access_keys_sign_every_request_with_a_new_nonce() -> None:
    cloud = Alibaba(Clock())
    auth = sign_in(cloud, Login("keys", secrets(access_key_id="AK1", access_key_secret="SK1")))

    assert ask(cloud, auth, 3) == [200, 200, 200]
    assert (auth.account, auth.expires) == ("AK1", None)


def test_sts_keys_carry_their_token() -> None:
    cloud = Alibaba(Clock())
    cloud.keys["AK2"] = ("SK2", "T2")

    login = Login("keys", secrets(access_key_id="AK2", access_key_secret="SK2", security_token="T2"))
    assert ask(cloud, sign_in(cloud, login)) == [200]


def test_a_rotated_secret_file_is_picked_up_though_the_vendor_answers_404(tmp_path: Path) -> None:
    """The vendor says 404 of an access key that was deleted; only its code tells that from a missing job."""
    cloud, files = Alibaba(Clock()), {key: tmp_path / key for key in ("access_key_id", "access_key_secret")}
    for key, file in files.items():
        file.write_text({"access_key_id": "AK1", "access_key_secret": "SK1"}[key])
    auth = sign_in(cloud, Login("keys", {key: Secret(path=file) for key, file in files.items()}))
    assert ask(cloud, auth) == [200]

    cloud.keys = {"AK-new": ("SK-new", "")}
    assert ask(cloud, auth) == [404]
    for key, file in files.items():
        file.write_text({"access_key_id": "AK-new", "access_key_secret": "SK-new"}[key])
    assert ask(cloud, auth) == [200]


def test_an_oidc_token_is_read_again_for_every_renewal(tmp_path: Path) -> None:
    cloud, file = Alibaba(Clock()), tmp_path / "token"
    file.write_text("jwt-1")
    auth = sign_in(cloud, Login("oidc", {}, ROLE | {"token_file": str(file)}))
    assert (ask(cloud, auth, 2), cloud.issued, auth.account) == ([200, 200], 1, ROLE["role_arn"])

    cloud.oidc = "jwt-22"
    file.write_text("jwt-22")
    cloud.clock.at += 1801
    assert (ask(cloud, auth), cloud.issued) == ([200], 2)


def test_temporary_keys_that_the_vendor_revoked_are_renewed_though_it_answers_400() -> None:
    cloud = Alibaba(Clock())
    auth = sign_in(cloud, Login("oidc", secrets(token="jwt-1"), ROLE))
    assert ask(cloud, auth) == [200]

    cloud.keys["TAK1"] = ("TSK1", "another")
    assert (ask(cloud, auth), cloud.issued) == ([200], 2)


@pytest.mark.parametrize("role", ["node-role", ""])
@pytest.mark.parametrize("v1", [False, True])
def test_the_metadata_service_gives_the_keys_of_a_role(role: str, v1: bool) -> None:
    cloud = Alibaba(Clock())
    if v1:
        cloud.troubles["/latest/api/token"] = httpx2.Response(404)
    auth = sign_in(cloud, Login("ecs_role", {}, {"ecs_role": role}))

    assert (ask(cloud, auth, 2), cloud.issued) == ([200, 200], 1)
    assert (auth.account, auth.expires) == ("metadata", int((cloud.clock.at + 3600) * 1000))
    assert (f"GET {ROLES}" in cloud.asked) == (not role)


def test_keys_that_come_with_a_failure_are_not_used() -> None:
    cloud = Alibaba(Clock())
    cloud.troubles[f"{ROLES}node-role"] = httpx2.Response(200, json=cloud.temporary() | {"Code": "Failed"})

    with pytest.raises(SourceDown, match="holds no keys"):
        ask(cloud, sign_in(cloud, Login("ecs_role", {}, {"ecs_role": "node-role"})))


BY_TOKEN = Login("oidc", secrets(token="jwt-1"), ROLE)
BY_ROLE = Login("ecs_role", {}, {"ecs_role": "node-role"})
REFUSED = [
    (BY_TOKEN, "/", 401, "AuthenticationFail.NoPermission", "STS https://sts.test: 401, the role does not trust this token; correct its trust policy and provider_arn"),
    (BY_TOKEN, "/", 401, "AuthenticationFail.OIDCToken.AudienceNotMatch", "STS https://sts.test: 401, the token is for others; project it for sts.aliyuncs.com"),
    (BY_TOKEN, "/", 401, "AuthenticationFail.OIDCToken.Expired", "STS https://sts.test: 401, the token is out of date; see why its file is not renewed"),
    (BY_TOKEN, "/", 401, "AuthenticationFail.OIDCToken.IssuerNotMatch", "STS https://sts.test: 401, the token is of another cluster; correct credentials.oidc.provider_arn"),
    (BY_TOKEN, "/", 404, "EntityNotExist.Role", "STS https://sts.test: 404, there is no such role; correct credentials.oidc.role_arn"),
    (BY_TOKEN, "/", 401, "AuthenticationFail.OIDCToken.Invalid", "STS https://sts.test: 401, the token was refused; correct credentials.oidc, or the trust policy of the role"),
    (BY_TOKEN, "/", 400, "Throttling.User", "STS https://sts.test: 400, too many logins; wait, it is asked again"),
    (BY_TOKEN, "/", 500, "", "STS https://sts.test: 500, the service failed; wait, it is asked again"),
    (BY_TOKEN, "/", 200, "", "STS https://sts.test: 200, but the answer holds no keys; correct the endpoint"),
    (BY_ROLE, f"{ROLES}node-role", 404, "", "metadata http://metadata.test: 404, no such RAM role is attached to this machine; attach it, or correct credentials.ecs_role"),
    (BY_ROLE, f"{ROLES}node-role", 200, "Failed", "metadata http://metadata.test: 200, but the answer holds no keys; correct the endpoint"),
    (Login("ecs_role", {}, {"ecs_role": "", "imds_v1": "false"}), "/latest/api/token", 403, "", "metadata http://metadata.test: 403, the metadata service refused; check that this machine may use it"),
    (Login("oidc", secrets(token="two words"), ROLE), "", 0, "", "credentials.oidc.token_file: holds blanks or characters that do not belong there; copy it again"),
]  # fmt: skip


@pytest.mark.parametrize(("login", "path", "status", "code", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_refused_login_names_place_cause_and_cure(
    login: Login, path: str, status: int, code: str, message: str
) -> None:
    cloud = Alibaba(Clock())
    if status:
        cloud.troubles[path] = httpx2.Response(status, json={"Code": code, "Message": "echo of jwt-1"})

    with pytest.raises(SourceError) as raised:
        ask(cloud, sign_in(cloud, login))
    assert str(raised.value) == message
