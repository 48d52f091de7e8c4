"""The fixed accounts of the simulated clouds and the keys and tokens they have given out; none of them is secret."""

from typing import Any, Literal

import msgspec

Platform = Literal["huaweicloud", "alibabacloud"]

PROJECT_ID = "0123456789abcdef0123456789abcdef"
REGION = "cn-north-4"
DOMAIN_ID = "fedcba9876543210fedcba9876543210"
DOMAIN = "example-domain"
USER = "exporter"
PASSWORD = "EXAMPLE-password-of-the-simulator"  # noqa: S105 (a fixed value for tests)
ACCESS_KEY = "EXAMPLEACCESSKEY0001"
SECRET_KEY = "EXAMPLE-secret-key-of-the-simulator-0001"  # noqa: S105 (a fixed value for tests)

ALIBABA_REGION = "cn-hangzhou"
ALIBABA_WORKSPACE = "12345"
ALIBABA_ACCESS_KEY = "EXAMPLEACCESSKEY0002"
ALIBABA_SECRET_KEY = "EXAMPLE-secret-key-of-the-simulator-0002"  # noqa: S105 (a fixed value for tests)
ALIBABA_ROLE = "platform-events-exporter"

OIDC_TOKEN = "EXAMPLE.oidc.token"  # noqa: S105 (a fixed value for tests)


class Key(msgspec.Struct, frozen=True):
    """An access key. Temporary ones have a security token and end at ``expires`` (Unix ms)."""

    access: str
    secret: str
    platform: Platform
    token: str = ""
    expires: int | None = None


class Keyring:
    """Every key and token that is valid or was."""

    def __init__(self) -> None:
        self.keys = {
            ACCESS_KEY: Key(ACCESS_KEY, SECRET_KEY, "huaweicloud"),
            ALIBABA_ACCESS_KEY: Key(ALIBABA_ACCESS_KEY, ALIBABA_SECRET_KEY, "alibabacloud"),
        }
        self.tokens: dict[str, int] = {}
        self.metadata_tokens: dict[str, int] = {}
        self.nonces: set[str] = set()
        self._given = 0

    def temporary(self, platform: Platform, expires: int) -> Key:
        """Gives out a temporary key that ends at ``expires``."""
        number = self._next()
        key = Key(
            f"EXAMPLETEMPORARY{number}", f"EXAMPLE-temporary-{number}", platform, f"EXAMPLE+sts/{number}==", expires
        )
        self.keys[key.access] = key
        return key

    def token(self, expires: int) -> str:
        """Gives out an IAM token that ends at ``expires``."""
        token = f"EXAMPLEIAMTOKEN{self._next()}"
        self.tokens[token] = expires
        return token

    def metadata_token(self, expires: int) -> str:
        """Gives out a token of an instance's metadata service."""
        token = f"EXAMPLEMETADATATOKEN{self._next()}"
        self.metadata_tokens[token] = expires
        return token

    def _next(self) -> str:
        self._given += 1
        return f"{self._given:08d}"


# A ready configuration of the exporter against the simulated clouds; holds no other knowledge of the exporter.


def configuration(base_url: str, **overrides: Any) -> dict[str, Any]:
    """Both platforms with all five sources, asked often and with room; ``overrides`` replace top-level parts."""
    often = {"poll_interval": "1s", "max_poll_interval": "2s", "discovery_interval": "2s"}
    huawei = {
        "name": "research",
        "platform": "huaweicloud",
        "region": REGION,
        "project_id": PROJECT_ID,
        "credentials": {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
        "endpoints": dict.fromkeys(("modelarts", "dws", "iam", "sts", "metadata"), base_url),
        "budget": dict.fromkeys(("modelarts", "dws", "iam", "sts"), "100/s"),  # one host here: the lowest rate holds
        "sources": {
            "modelarts_training": {"workspaces": ["0"], **often},
            "modelarts_pool": dict(often),
            "modelarts_service": dict(often),
            "dws": dict(often),
        },
    }
    alibaba = {
        "name": "pai",
        "platform": "alibabacloud",
        "region": ALIBABA_REGION,
        "credentials": {
            "access_key_id": ALIBABA_ACCESS_KEY,
            "access_key_secret": ALIBABA_SECRET_KEY,
        },
        "endpoints": dict.fromkeys(("pai_dlc", "sts", "metadata"), base_url),
        "budget": dict.fromkeys(("pai_dlc", "sts"), "100/s"),
        "sources": {"pai_dlc": {"workspaces": [ALIBABA_WORKSPACE], **often}},
    }
    return {"targets": [huawei, alibaba], "store": ":memory:"} | overrides
