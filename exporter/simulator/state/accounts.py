"""The fixed accounts of the simulated clouds, and the keys and tokens that were issued. None of them is secret."""

from typing import Literal

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
    """An access key; a temporary one has a security token and expires at ``expires`` (Unix ms)."""

    access: str
    secret: str
    platform: Platform
    token: str = ""
    expires: int | None = None


class Keyring:
    """All keys and tokens that were issued, also expired ones."""

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
        """Issue a temporary key that expires at ``expires``."""
        number = self._next()
        key = Key(
            f"EXAMPLETEMPORARY{number}", f"EXAMPLE-temporary-{number}", platform, f"EXAMPLE+sts/{number}==", expires
        )
        self.keys[key.access] = key
        return key

    def token(self, expires: int) -> str:
        """Issue an IAM token that expires at ``expires``."""
        token = f"EXAMPLEIAMTOKEN{self._next()}"
        self.tokens[token] = expires
        return token

    def metadata_token(self, expires: int) -> str:
        """Issue a token of an instance's metadata service."""
        token = f"EXAMPLEMETADATATOKEN{self._next()}"
        self.metadata_tokens[token] = expires
        return token

    def _next(self) -> str:
        self._given += 1
        return f"{self._given:08d}"
