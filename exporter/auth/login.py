"""Which forms of login there are, and the one that a target uses; reads the vendors' variables, never a file or a vendor."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from exporter.common.secret import Secret
from exporter.model.errors import KeysRefused
from exporter.model.protocols import Clock


class Login(msgspec.Struct, frozen=True):
    """How a target signs in. ``values`` are secrets by configuration key; ``options`` are not secret.

    An ``oidc`` login takes its token from the value ``token``, else from the file named by the option ``token_file``.
    """

    form: str
    values: Mapping[str, Secret] = {}
    options: Mapping[str, str] = {}

    def reveal(self, key: str, *, header: bool = False) -> str:
        """A value, fit to be sent. Raises KeysRefused, naming the key in the configuration."""
        return reveal(self.values[key], f"credentials.{key}", header=header)


def reveal(secret: Secret, name: str, *, header: bool) -> str:
    """The value of a secret, fit to be sent; ``name`` is what messages call it. Raises KeysRefused.

    What goes into a ``header`` holds no blanks and only ASCII; a password may hold any character that can be printed.
    """
    text = secret.reveal()
    if not text:
        raise KeysRefused(f"{name}: is empty; write the value into the file or variable that it is read from")
    if not (sendable(text) if header else text.isprintable()):
        raise KeysRefused(f"{name}: holds blanks or characters that do not belong there; copy it again")
    return text


def sendable(text: str) -> bool:
    """Whether a header can carry it as it is."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


class Form(NamedTuple):
    """The keys of one form of login: those it needs, and those it may have."""

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
    """Where a login takes place: base URLs by endpoint key, the region, the project if it is known, and the time."""

    endpoints: Mapping[str, str]
    region: str
    project_id: str | None
    clock: Clock


def oidc_token(login: Login) -> Secret:
    """The token of an ``oidc`` login, read again whenever its file changes."""
    return login.values.get("token") or Secret(path=Path(login.options["token_file"]))


def login_from_environment(platform: str, environ: Mapping[str, str]) -> Login | None:
    """The login that the vendor's own SDKs would find in these variables, in their order; None if there is none.

    Sources: Huawei Cloud SDK 3.1.219 and Alibaba Cloud credentials 1.0.12. Their profile files are not looked at.
    """
    given = {name: text for name, text in environ.items() if text}
    return _huaweicloud(given) if platform == "huaweicloud" else _alibabacloud(given)


def _huaweicloud(given: Mapping[str, str]) -> Login | None:
    urns = _options(given, "HUAWEICLOUD_OIDC_", ("provider_urn", "agency_urn", "session_name", "token_file"))
    if {"provider_urn", "agency_urn"} <= urns.keys() and ("HUAWEICLOUD_OIDC_ID_TOKEN" in given or "token_file" in urns):
        return Login("oidc", _values(given, {"token": "HUAWEICLOUD_OIDC_ID_TOKEN"}), urns)
    if "HUAWEICLOUD_SDK_AK" in given and "HUAWEICLOUD_SDK_SK" in given:
        names = {
            "access_key": "HUAWEICLOUD_SDK_AK",
            "secret_key": "HUAWEICLOUD_SDK_SK",
            "security_token": "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        }
        return Login("keys", _values(given, names))
    uri, file = given.get("HC_CONTAINER_CREDENTIALS_FULL_URI"), given.get("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    return Login("pod_identity", {}, {"uri": uri, "token_file": file}) if uri and file else None


def _alibabacloud(given: Mapping[str, str]) -> Login | None:
    if "ALIBABA_CLOUD_ACCESS_KEY_ID" in given and "ALIBABA_CLOUD_ACCESS_KEY_SECRET" in given:
        keys = ("access_key_id", "access_key_secret", "security_token")
        return Login("keys", _values(given, {key: f"ALIBABA_CLOUD_{key.upper()}" for key in keys}))
    options = _options(given, "ALIBABA_CLOUD_OIDC_", ("provider_arn", "token_file"))
    options |= _options(given, "ALIBABA_CLOUD_ROLE_", ("session_name",))
    options |= {"role_arn": given["ALIBABA_CLOUD_ROLE_ARN"]} if "ALIBABA_CLOUD_ROLE_ARN" in given else {}
    if set(OIDC["alibabacloud"].required) <= options.keys():
        return Login("oidc", {}, options | _sts(given))
    if "ALIBABA_CLOUD_ECS_METADATA" not in given or _true(given, "ALIBABA_CLOUD_ECS_METADATA_DISABLED"):
        return None
    v1 = "false" if _true(given, "ALIBABA_CLOUD_IMDSV1_DISABLED") else "true"
    return Login("ecs_role", {}, {"ecs_role": given["ALIBABA_CLOUD_ECS_METADATA"], "imds_v1": v1})


def _sts(given: Mapping[str, str]) -> dict[str, str]:
    region = given.get("ALIBABA_CLOUD_STS_REGION")
    prefix = "sts-vpc" if _true(given, "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED") else "sts"
    return {"sts": f"https://{prefix}.{region}.aliyuncs.com"} if region else {}


def _values(given: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Secret]:
    return {key: Secret(given[name]) for key, name in names.items() if name in given}


def _options(given: Mapping[str, str], prefix: str, keys: tuple[str, ...]) -> dict[str, str]:
    return {key: given[prefix + key.upper()] for key in keys if prefix + key.upper() in given}


def _true(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "").lower() == "true"
