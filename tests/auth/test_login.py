"""Which login a target has, where it goes to, which project it finds, and that no secret is ever told."""

import asyncio
import json
import traceback
from collections.abc import Callable

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from exporter.auth import (
    FORMS,
    OIDC,
    Login,
    Signer,
    default_endpoints,
    login_from_environment,
    make_signer,
    project_lookup,
    read_project,
)
from exporter.auth.keys import Keys, read_keys
from exporter.common.clock import SystemClock
from exporter.common.secret import Secret
from exporter.model.errors import ConfigError, SourceDenied, SourceError, SourceGarbled
from exporter.model.events import Response

HUAWEI_KEYS = {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "s"}
HUAWEI_OIDC = {"HUAWEICLOUD_OIDC_PROVIDER_URN": "p", "HUAWEICLOUD_OIDC_AGENCY_URN": "g"}
POD = {"HC_CONTAINER_CREDENTIALS_FULL_URI": "http://x", "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"}
ALIBABA_KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}
RRSA = {
    "ALIBABA_CLOUD_ROLE_ARN": "r",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "p",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/t",
}
VPC = {"ALIBABA_CLOUD_STS_REGION": "cn-beijing", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "TRUE"}
ROLE = {"ALIBABA_CLOUD_ECS_METADATA": "node"}
RRSA_OPTIONS = {"provider_arn": "p", "token_file": "/t", "role_arn": "r"}
FOUND = [
    ("huaweicloud", {}, None),
    ("huaweicloud", {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": ""}, None),
    ("huaweicloud", HUAWEI_KEYS, ("keys", {"access_key": "a", "secret_key": "s"}, {})),
    ("huaweicloud", HUAWEI_KEYS | {"HUAWEICLOUD_SDK_SECURITY_TOKEN": "t"}, ("keys", {"access_key": "a", "secret_key": "s", "security_token": "t"}, {})),
    ("huaweicloud", HUAWEI_OIDC, None),
    ("huaweicloud", HUAWEI_KEYS | HUAWEI_OIDC | {"HUAWEICLOUD_OIDC_ID_TOKEN": "j"}, ("oidc", {"token": "j"}, {"provider_urn": "p", "agency_urn": "g"})),
    ("huaweicloud", HUAWEI_OIDC | {"HUAWEICLOUD_OIDC_TOKEN_FILE": "/t"}, ("oidc", {}, {"provider_urn": "p", "agency_urn": "g", "token_file": "/t"})),
    ("huaweicloud", POD, ("pod_identity", {}, {"uri": "http://x", "token_file": "/t"})),
    ("alibabacloud", HUAWEI_KEYS, None),
    ("alibabacloud", ALIBABA_KEYS | RRSA, ("keys", {"access_key_id": "a", "access_key_secret": "s"}, {})),
    ("alibabacloud", RRSA, ("oidc", {}, RRSA_OPTIONS)),
    ("alibabacloud", RRSA | VPC, ("oidc", {}, RRSA_OPTIONS | {"sts": "https://sts-vpc.cn-beijing.aliyuncs.com"})),
    ("alibabacloud", RRSA | {"ALIBABA_CLOUD_ROLE_SESSION_NAME": "n"}, ("oidc", {}, RRSA_OPTIONS | {"session_name": "n"})),
    ("alibabacloud", ROLE, ("ecs_role", {}, {"ecs_role": "node", "imds_v1": "true"})),
    ("alibabacloud", ROLE | {"ALIBABA_CLOUD_IMDSV1_DISABLED": "true"}, ("ecs_role", {}, {"ecs_role": "node", "imds_v1": "false"})),
    ("alibabacloud", ROLE | {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("platform", "environ", "expected"), FOUND)
def test_the_vendors_variables_are_understood(
    platform: str, environ: dict[str, str], expected: tuple[str, dict[str, str], dict[str, str]] | None
) -> None:
    login = login_from_environment(platform, environ)

    values = {key: secret.reveal() for key, secret in login.values.items()} if login else {}
    assert (login and (login.form, values, dict(login.options))) == expected


def sign_in(platform: str, login: Login, endpoints: dict[str, str] | None = None) -> Signer:
    return make_signer(
        platform,
        login,
        region="r",
        project_id=None,
        endpoints=endpoints or {},
        clock=SystemClock(),
        report=lambda event: None,
    )


def test_every_form_of_the_table_signs_in() -> None:
    for platform, forms in FORMS.items():
        options = {**dict.fromkeys(OIDC[platform].required, "x"), "ecs_role": "x"}
        for name, form in forms.items():
            values = {key: Secret("x") for key in (*form.required, *form.optional)}
            assert sign_in(platform, Login(name, values, options)).account in ("x", "x@x", "metadata")


def test_a_form_that_a_platform_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError) as raised:
        sign_in("alibabacloud", Login("password"))
    assert str(raised.value) == "credentials: alibabacloud has no form 'password'; use one of keys, oidc, ecs_role"


HOSTS = [
    ("huaweicloud", "cn-north-4", "modelarts", "https://modelarts.cn-north-4.myhuaweicloud.com"),
    ("huaweicloud", "cn-north-4", "dws", "https://dws.cn-north-4.myhuaweicloud.com"),
    ("huaweicloud", "tr-west-1", "dws", "https://dws.tr-west-1.myhuaweicloud.cn"),
    ("huaweicloud", "tr-west-1", "iam", "https://iam.tr-west-1.myhuaweicloud.com"),
    ("huaweicloud", "ap-southeast-1", "modelarts", "https://modelarts.ap-southeast-1.myhuaweicloud.cn"),
    ("huaweicloud", "eu-west-101", "iam", "https://iam.eu-west-101.myhuaweicloud.eu"),
    ("huaweicloud", "eu-west-101", "sts", "https://sts.eu-west-101.myhuaweicloud.eu"),
    ("huaweicloud", "cn-north-4", "metadata", "http://169.254.169.254"),
    ("alibabacloud", "cn-hangzhou", "pai_dlc", "https://pai-dlc.cn-hangzhou.aliyuncs.com"),
    ("alibabacloud", "cn-zhangjiakou", "pai_dlc", "https://pai-dlc.aliyuncs.com"),
    ("alibabacloud", "cn-hangzhou", "sts", "https://sts.cn-hangzhou.aliyuncs.com"),
    ("alibabacloud", "cn-hangzhou", "metadata", "http://100.100.100.200"),
]


@pytest.mark.parametrize(("platform", "region", "key", "url"), HOSTS)
def test_apis_live_where_the_vendor_says(platform: str, region: str, key: str, url: str) -> None:
    assert default_endpoints(platform, region)[key] == url


@pytest.mark.parametrize(("given", "host"), [
    ({}, "sts-vpc.cn-beijing.aliyuncs.com"),
    ({"sts": "https://sts.r.aliyuncs.com"}, "sts-vpc.cn-beijing.aliyuncs.com"),
    ({"sts": "https://sts.test"}, "sts.test"),
])  # fmt: skip
def test_a_configured_sts_goes_before_that_of_the_environment(given: dict[str, str], host: str) -> None:
    login = login_from_environment("alibabacloud", RRSA | VPC)
    assert login is not None
    auth = sign_in("alibabacloud", Login("oidc", {"token": Secret("jwt")}, login.options), given)
    hosts = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(403)

    with pytest.raises(SourceDenied):
        ask(auth, refuse)
    assert hosts == [host]


def ask(auth: Signer, cloud: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.Response:
    async def run() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(cloud), auth=auth) as client:
            return await client.get("https://api.test/", headers={"x-acs-action": "a", "x-acs-version": "v"})

    return asyncio.run(run())


def test_the_project_is_looked_up_by_the_name_of_the_region() -> None:
    ask_ = project_lookup("cn-north-4")
    assert (ask_.api, ask_.path, ask_.query) == ("iam", "/v3/projects", (("name", "cn-north-4"),))

    answer = Response(200, b'{"projects": [{"id": "0123", "name": "cn-north-4"}], "links": {}}')
    assert read_project(answer, "cn-north-4") == "0123"


@pytest.mark.parametrize(("body", "kind", "message"), [
    (b'{"projects": []}', SourceDenied, "iam: these credentials see no project named r; set project_id"),
    (b'{"projects": [{"id": "1"}, {"id": "2"}]}', SourceDenied, "iam: 2 projects are named r; set project_id to one of them"),
    (b'{"projects": [{}]}', SourceGarbled, "iam: the list of projects cannot be read; set project_id"),
    (b"<html>", SourceGarbled, "iam: the list of projects cannot be read; set project_id"),
    (b'{"projects": [{"id": "../../v3"}]}', SourceGarbled, "iam: the list of projects cannot be read; set project_id"),
    (b'{"projects": [{"id": ""}]}', SourceGarbled, "iam: the list of projects cannot be read; set project_id"),
    (b'{"projects": ' + b"[" * 100_000, SourceGarbled, "iam: the list of projects cannot be read; set project_id"),
])  # fmt: skip
def test_without_exactly_one_project_the_user_must_say_which(
    body: bytes, kind: type[SourceError], message: str
) -> None:
    with pytest.raises(kind) as raised:
        read_project(Response(200, body), "r")
    assert str(raised.value) == message


@pytest.mark.parametrize("text", ["", "a\nb", "\udcff"])
def test_a_password_must_be_printable_text(text: str) -> None:
    with pytest.raises(SourceDenied, match=r"^credentials\.password: (is empty|holds blanks or characters)"):
        Login("password", {"password": Secret(text)}).reveal("password")
    assert Login("password", {"password": Secret("pass wörd")}).reveal("password") == "pass wörd"


NAMES = (("id",), ("secret",), ("token", "tok"), ("end",))
KEYS = {"id": "i", "secret": "s", "tok": "t", "end": "2026-11-21T00:00:00Z"}


@pytest.mark.parametrize(
    "change", [{"id": ""}, {"secret": "s s"}, {"tok": "t\r\nX-Evil: 1"}, {"end": "soon"}, {"tok": None}]
)
def test_keys_that_could_not_be_sent_are_no_keys(change: dict[str, object]) -> None:
    assert read_keys(KEYS, NAMES) == Keys("i", "s", "t", 1_795_219_200_000)
    assert read_keys(KEYS | {"end": "2026-11-21T01:00:00.000+01:00"}, NAMES) == Keys("i", "s", "t", 1_795_219_200_000)
    assert read_keys(KEYS | change, NAMES) is None


SECRETS = st.text(st.characters(), min_size=12, max_size=40) | st.text("abcXYZ019+/=.-_", min_size=12, max_size=40)
LOGINS = [
    *(("huaweicloud", form) for form in ("keys", "password", "oidc", "metadata")),
    *(("alibabacloud", form) for form in ("keys", "oidc", "ecs_role")),
]


class Echo:
    """A vendor that repeats every secret it is sent, wherever it can."""

    def __init__(self, status: int, secret: str) -> None:
        self.status, self.secret = status, secret

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        said = dict.fromkeys(("Code", "error_code", "Message", "access", "secret", "expires_at"), self.secret)
        echoed = {"heard": request.content.decode(), "headers": str(dict(request.headers))}
        return httpx2.Response(self.status, content=json.dumps(said | echoed).encode(), headers={"X-Echo": "x"})


@settings(max_examples=150, deadline=None)
@given(
    secret=SECRETS, status=st.sampled_from([200, 201, 302, 400, 401, 403, 404, 429, 500]), login=st.sampled_from(LOGINS)
)
def test_no_secret_is_ever_shown(secret: str, status: int, login: tuple[str, str]) -> None:
    platform, form = login
    keys = (*FORMS[platform][form].required, *FORMS[platform][form].optional, "token")
    options = {**dict.fromkeys(OIDC[platform].required, "x"), "ecs_role": ""}
    values = {
        key: Secret("u" if key in ("user", "domain") or "_id" in key or key == "access_key" else secret) for key in keys
    }
    one = Login(form, values, options)
    told = [repr(one), pretty_repr(one), pretty_repr(Keys("u", secret, secret)), f"{Keys('u', secret, secret)}"]
    try:
        auth = sign_in(platform, one)
        told += [repr(auth), pretty_repr(auth), auth.account]
        answer = ask(auth, Echo(status, secret))
        told += [repr(answer), repr(answer.request)]
    except SourceError as error:
        told.append("".join(traceback.format_exception(error)))
    assert not [text for text in told if secret in text]
