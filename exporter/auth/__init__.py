"""Credentials for both platforms by form of login: the public API of this package.

It asks nobody until a request needs it.
"""

from collections.abc import Callable, Mapping

from exporter.auth import alibabacloud, huaweicloud
from exporter.auth.endpoints import default_endpoints
from exporter.auth.huaweicloud import project_lookup, read_project
from exporter.auth.keys import LoginMethod
from exporter.auth.login import FORMS, OIDC, Form, Login, Site, login_from_environment
from exporter.auth.refusals import refuses_keys
from exporter.auth.signer import Signer
from exporter.model.errors import ConfigError
from exporter.model.protocols import Clock, Report

__all__ = [
    "FORMS",
    "OIDC",
    "Form",
    "Login",
    "Signer",
    "default_endpoints",
    "login_from_environment",
    "make_signer",
    "project_lookup",
    "read_project",
    "refuses_keys",
]

_METHODS: dict[tuple[str, str], Callable[[Login, Site], LoginMethod]] = {
    ("huaweicloud", "keys"): huaweicloud.with_keys,
    ("huaweicloud", "password"): huaweicloud.with_password,
    ("huaweicloud", "metadata"): huaweicloud.with_metadata,
    ("huaweicloud", "oidc"): huaweicloud.with_oidc,
    ("huaweicloud", "pod_identity"): huaweicloud.with_pod_identity,
    ("alibabacloud", "keys"): alibabacloud.with_keys,
    ("alibabacloud", "oidc"): alibabacloud.with_oidc,
    ("alibabacloud", "ecs_role"): alibabacloud.with_ecs_role,
}


def make_signer(
    platform: str,
    login: Login,
    *,
    region: str,
    project_id: str | None,
    endpoints: Mapping[str, str],
    clock: Clock,
    report: Report,
) -> Signer:
    """Make the ``Credentials`` of a login.

    An ``httpx2.AsyncClient`` takes them as ``auth``. ``endpoints`` override the default ones. Raises ConfigError for a
    form that the platform does not have, and SourceDenied if a secret that names the account cannot be read.
    """
    make_method = _METHODS.get((platform, login.form))
    if make_method is None:
        raise ConfigError(
            f"credentials: {platform} has no form '{login.form}'; use one of {', '.join(FORMS[platform])}"
        )
    bases = {key: url.rstrip("/") for key, url in {**default_endpoints(platform, region), **endpoints}.items()}
    return Signer(make_method(login, Site(bases, region, project_id, clock)), clock, report)
