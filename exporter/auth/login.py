"""The forms of login, and the login of the vendors' environment variables.

Reads no file and asks no vendor.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from exporter.common.secret import Secret
from exporter.model.errors import KeysRefused
from exporter.model.protocols import Clock


class Login(msgspec.Struct, frozen=True):
    """How a target signs in.

    ``values`` are secrets by configuration key, ``options`` are not secret. An ``oidc`` login takes its token from the
    value ``token``, else from the file named by the option ``token_file``.
    """

    form: str
    values: Mapping[str, Secret] = {}
    options: Mapping[str, str] = {}

    def reveal(self, key: str, *, header: bool = False) -> str:
        """Return a value that can be sent.

        Raises KeysRefused, which names the key in the configuration.
        """
        return reveal(self.values[key], f"credentials.{key}", header=header)


def reveal(secret: Secret, name: str, *, header: bool) -> str:
    """Return the value of a secret that can be sent; ``name`` is its name in messages.

    Raises KeysRefused. A value for a ``header`` must be ASCII without blanks; a password may hold any printable
    character.
    """
    text = secret.reveal()
    if not text:
        raise KeysRefused(f"{name}: is empty; write the value into the file or variable that it is read from")
    if not (sendable(text) if header else text.isprintable()):
        raise KeysRefused(f"{name}: holds blanks or characters that do not belong there; copy it again")
    return text


def sendable(text: str) -> bool:
    """Return whether an HTTP header can carry the text as it is."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


class Form(NamedTuple):
    """The configuration keys of one form of login."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


FORMS: Mapping[str, Mapping[str, Form]] = {
    "huaweicloud": {
        "keys": Form(("access_key", "secret_key"), ("security_token",)),
        "password": Form(("user", "password", "domain")),
        "metadata": Form(("metadata",)),
        "oidc": Form(("oidc",)),
    },
    "alibabacloud": {
        "keys": Form(("access_key_id", "access_key_secret"), ("security_token",)),
        "oidc": Form(("oidc",)),
        "ecs_role": Form(("ecs_role",)),
    },
}
"""Platform -> form -> the keys that stand directly in ``credentials``; a target uses exactly one form."""

OIDC: Mapping[str, Form] = {
    "huaweicloud": Form(("provider_urn", "agency_urn", "token_file"), ("session_name",)),
    "alibabacloud": Form(("provider_arn", "role_arn", "token_file"), ("session_name",)),
}
"""Platform -> the keys inside ``credentials.oidc``; all of them are options of the login."""


class Site(NamedTuple):
    """What a login needs of its target.

    Base URLs are by endpoint key; the project may not be configured.
    """

    endpoints: Mapping[str, str]
    region: str
    project_id: str | None
    clock: Clock


def oidc_token(login: Login) -> Secret:
    """Return the token of an ``oidc`` login.

    Its file is read again whenever it changes.
    """
    return login.values.get("token") or Secret(path=Path(login.options["token_file"]))


def login_from_environment(platform: str, environ: Mapping[str, str]) -> Login | None:
    """Return the login that the vendor's SDKs would find in these variables.

    None if there is none. The order is that of the SDKs (Huawei Cloud SDK 3.1.219, Alibaba Cloud credentials 1.0.12).
    Their profile files are not read.
    """
    variables = {name: text for name, text in environ.items() if text}
    return _huaweicloud(variables) if platform == "huaweicloud" else _alibabacloud(variables)


def _huaweicloud(variables: Mapping[str, str]) -> Login | None:
    urns = _options(variables, "HUAWEICLOUD_OIDC_", ("provider_urn", "agency_urn", "session_name", "token_file"))
    if {"provider_urn", "agency_urn"} <= urns.keys() and (
        "HUAWEICLOUD_OIDC_ID_TOKEN" in variables or "token_file" in urns
    ):
        return Login("oidc", _values(variables, {"token": "HUAWEICLOUD_OIDC_ID_TOKEN"}), urns)
    if "HUAWEICLOUD_SDK_AK" in variables and "HUAWEICLOUD_SDK_SK" in variables:
        names = {
            "access_key": "HUAWEICLOUD_SDK_AK",
            "secret_key": "HUAWEICLOUD_SDK_SK",
            "security_token": "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        }
        return Login("keys", _values(variables, names))
    uri, file = (
        variables.get("HC_CONTAINER_CREDENTIALS_FULL_URI"),
        variables.get("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    )
    return Login("pod_identity", {}, {"uri": uri, "token_file": file}) if uri and file else None


def _alibabacloud(variables: Mapping[str, str]) -> Login | None:
    if "ALIBABA_CLOUD_ACCESS_KEY_ID" in variables and "ALIBABA_CLOUD_ACCESS_KEY_SECRET" in variables:
        keys = ("access_key_id", "access_key_secret", "security_token")
        return Login("keys", _values(variables, {key: f"ALIBABA_CLOUD_{key.upper()}" for key in keys}))
    options = _options(variables, "ALIBABA_CLOUD_OIDC_", ("provider_arn", "token_file"))
    options |= _options(variables, "ALIBABA_CLOUD_ROLE_", ("session_name",))
    options |= {"role_arn": variables["ALIBABA_CLOUD_ROLE_ARN"]} if "ALIBABA_CLOUD_ROLE_ARN" in variables else {}
    if set(OIDC["alibabacloud"].required) <= options.keys():
        return Login("oidc", {}, options | _sts(variables))
    if "ALIBABA_CLOUD_ECS_METADATA" not in variables or _true(variables, "ALIBABA_CLOUD_ECS_METADATA_DISABLED"):
        return None
    v1 = "false" if _true(variables, "ALIBABA_CLOUD_IMDSV1_DISABLED") else "true"
    return Login("ecs_role", {}, {"ecs_role": variables["ALIBABA_CLOUD_ECS_METADATA"], "imds_v1": v1})


def _sts(variables: Mapping[str, str]) -> dict[str, str]:
    region = variables.get("ALIBABA_CLOUD_STS_REGION")
    prefix = "sts-vpc" if _true(variables, "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED") else "sts"
    return {"sts": f"https://{prefix}.{region}.aliyuncs.com"} if region else {}


def _values(variables: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Secret]:
    return {key: Secret(variables[name]) for key, name in names.items() if name in variables}


def _options(variables: Mapping[str, str], prefix: str, keys: tuple[str, ...]) -> dict[str, str]:
    return {key: variables[prefix + key.upper()] for key in keys if prefix + key.upper() in variables}


def _true(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").lower() == "true"
