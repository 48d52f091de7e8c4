"""Clouds that give out keys and tokens and check, with arithmetic of their own, what they are sent."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, unquote

import httpx2

from exporter.common.secret import Secret

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
AGENCY = {"provider_urn": "iam::1:oidc:k8s", "agency_urn": "iam::1:agency:reader"}
ROLE = {"provider_arn": "acs:ram::1:oidc-provider/k", "role_arn": "acs:ram::1:role/reader"}
ROLES = "/latest/meta-data/ram/security-credentials/"


def secrets(**values: str) -> dict[str, Secret]:
    return {key: Secret(text) for key, text in values.items()}


async def streamed(body: bytes) -> AsyncIterator[bytes]:
    """A body that has to be read, as one from the network has."""
    yield body


class Clock:
    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def now(self) -> float:
        return self.at

    def steady(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Huawei:
    """Huawei Cloud with one account. ``troubles`` are answers by path in place of its own; ``asked`` is what it was asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked, self.issued = clock, list[str](), 0
        self.keys = {"AK1": ("SK1", "")}
        self.tokens: set[str] = set()
        self.password, self.oidc, self.pod = "right", "jwt-1", "pod-1"
        self.scopes: list[object] = []
        self.troubles: dict[str, httpx2.Response] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append(f"{request.method} {path}")
        ways: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {
            "/v3/auth/tokens": self._log_in,
            "/meta-data/latest/api/token": self._metadata_token,
            "/openstack/latest/securitykey": self._security_key,
            "/v5/agencies/assume-with-oidc": self._assume,
            "/pod": self._pod_identity,
        }
        return self.troubles.get(path) or ways.get(path, self._events)(request)

    def _log_in(self, request: httpx2.Request) -> httpx2.Response:
        auth = json.loads(request.content)["auth"]
        user = auth["identity"]["password"]["user"]
        assert (user["name"], user["domain"]["name"], request.url.query) == ("u", "d", b"nocatalog=true")
        self.scopes.append(auth["scope"])
        if user["password"] != self.password:
            return httpx2.Response(401, json={"error": {"code": 401, "message": f"no {user['password']}"}})
        self.tokens.add(token := f"token-{self._next()}")
        end = datetime.fromtimestamp(self.clock.at + 86_400, UTC).strftime(STAMP)
        return httpx2.Response(201, json={"token": {"expires_at": end}}, headers={"X-Subject-Token": token})

    def _metadata_token(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["X-Metadata-Token-Ttl-Seconds"] == "21600"
        assert request.extensions["timeout"]["connect"] == 3.0
        return httpx2.Response(200, text="metadata-token")

    def _security_key(self, request: httpx2.Request) -> httpx2.Response:
        v1 = "/meta-data/latest/api/token" in self.troubles
        assert request.headers.get("X-Metadata-Token") == (None if v1 else "metadata-token")
        return self._temporary("credential", ("access", "secret", "securitytoken", "expires_at"))

    def _assume(self, request: httpx2.Request) -> httpx2.Response:
        said = json.loads(request.content)
        assert said == AGENCY | {
            "agency_session_name": "platform-events-exporter",
            "duration_seconds": 3600,
            "id_token": self.oidc,
        }
        return self._temporary("credentials", ("access_key_id", "secret_access_key", "security_token", "expiration"))

    def _pod_identity(self, request: httpx2.Request) -> httpx2.Response:
        assert (request.method, request.headers["Authorization"]) == ("POST", self.pod)
        return self._temporary("credential", ("access", "secret", "securitytoken", "expires_at"))

    def _temporary(self, block: str, names: tuple[str, str, str, str]) -> httpx2.Response:
        number = self._next()
        self.keys[f"TAK{number}"] = (f"TSK{number}", f"TT{number}")
        end = datetime.fromtimestamp(self.clock.at + 3600, UTC).strftime(STAMP)
        return httpx2.Response(
            200, json={block: dict(zip(names, (f"TAK{number}", f"TSK{number}", f"TT{number}", end), strict=True))}
        )

    def _events(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers.get("X-Auth-Token") in self.tokens or self._signed(request):
            return httpx2.Response(200, json={"items": []})
        return httpx2.Response(401, json={"error_code": "APIGW.0301"})

    def _signed(self, request: httpx2.Request) -> bool:
        """The gateway's own arithmetic, from what came over the wire."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(", ") if part)
        secret, token = self.keys.get(fields.get("Access", ""), ("", ""))
        if scheme != "SDK-HMAC-SHA256" or not secret or request.headers.get("X-Security-Token", "") != token:
            return False
        path, _, query = request.url.raw_path.decode().partition("?")
        path = "/".join(quote(part, safe="~") for part in unquote(path).split("/")) + "/"
        lines = "".join(f"{name}:{request.headers[name]}\n" for name in fields["SignedHeaders"].split(";"))
        query = "&".join(sorted(query.split("&")))
        body = hashlib.sha256(request.content).hexdigest()
        canonical = f"{request.method}\n{path}\n{query}\n{lines}\n{fields['SignedHeaders']}\n{body}"
        text = f"{scheme}\n{request.headers['X-Sdk-Date']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        late = abs(self._date(request) - self.clock.at) > 900
        return not late and hmac.new(secret.encode(), text.encode(), "sha256").hexdigest() == fields["Signature"]

    def _date(self, request: httpx2.Request) -> float:
        return datetime.strptime(request.headers["X-Sdk-Date"], "%Y%m%dT%H%M%S%z").timestamp()

    def _next(self) -> int:
        self.issued += 1
        return self.issued


class Alibaba:
    """Alibaba Cloud with one account. ``troubles`` are answers by path in place of its own; ``asked`` is what it was asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked, self.issued = clock, list[str](), 0
        self.keys = {"AK1": ("SK1", "")}
        self.nonces: set[str] = set()
        self.oidc = "jwt-1"
        self.troubles: dict[str, httpx2.Response] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append(f"{request.method} {path}")
        if path in self.troubles:
            return self.troubles[path]
        if path == "/":
            return self._assume(request)
        return self._metadata(request) if path.startswith("/latest") else self._events(request)

    def _assume(self, request: httpx2.Request) -> httpx2.Response:
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assert query.pop("Timestamp") == datetime.fromtimestamp(self.clock.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert query == {"Action": "AssumeRoleWithOIDC", "Version": "2015-04-01", "Format": "JSON"}
        assert form.pop("OIDCToken") == self.oidc
        assert form == {
            "RoleArn": ROLE["role_arn"],
            "OIDCProviderArn": ROLE["provider_arn"],
            "RoleSessionName": "platform-events-exporter",
            "DurationSeconds": "3600",
        }
        assert "Authorization" not in request.headers
        return httpx2.Response(200, json={"Credentials": self.temporary()})

    def _metadata(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/latest/api/token":
            assert request.headers["X-aliyun-ecs-metadata-token-ttl-seconds"] == "21600"
            return httpx2.Response(200, text="metadata-token")
        v1 = "/latest/api/token" in self.troubles
        assert request.headers.get("X-aliyun-ecs-metadata-token") == (None if v1 else "metadata-token")
        if request.url.path == ROLES:
            return httpx2.Response(200, text="node-role\n")
        if request.url.path != f"{ROLES}node-role":
            return httpx2.Response(404, text="Not Found")
        return httpx2.Response(200, json=self.temporary() | {"Code": "Success"})

    def temporary(self) -> dict[str, str]:
        self.issued += 1
        key = (f"TAK{self.issued}", f"TSK{self.issued}", f"TT{self.issued}")
        self.keys[key[0]] = key[1:]
        end = datetime.fromtimestamp(self.clock.at + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return dict(zip(("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"), (*key, end), strict=True))

    def _events(self, request: httpx2.Request) -> httpx2.Response:
        """The gateway's own arithmetic, from what came over the wire."""
        sent = request.headers
        scheme, _, rest = sent["Authorization"].partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(","))
        secret, token = self.keys.get(fields["Credential"], ("", ""))
        if not secret:
            return httpx2.Response(404, json={"Code": "InvalidAccessKeyId.NotFound"})
        if sent.get("x-acs-security-token", "") != token or (
            token and sent["x-acs-accesskey-id"] != fields["Credential"]
        ):
            return httpx2.Response(400, json={"Code": "InvalidSecurityToken.MismatchWithAccessKey"})
        must = {"host", *(name for name in sent if name.startswith("x-acs-"))}
        assert must == set(fields["SignedHeaders"].split(";"))
        assert {"x-acs-signature-nonce", "x-acs-date"} <= must
        assert sent["x-acs-signature-nonce"] not in self.nonces, "a nonce serves once"
        self.nonces.add(sent["x-acs-signature-nonce"])
        path, _, query = request.url.raw_path.decode().partition("?")
        lines = "".join(f"{name}:{sent[name]}\n" for name in fields["SignedHeaders"].split(";"))
        body = hashlib.sha256(request.content).hexdigest()
        query = "&".join(sorted(query.split("&")))
        canonical = f"{request.method}\n{path}\n{query}\n{lines}\n{fields['SignedHeaders']}\n{body}"
        text = f"{scheme}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        good = hmac.new(secret.encode(), text.encode(), "sha256").hexdigest() == fields["Signature"]
        return (
            httpx2.Response(200, json={"Events": []})
            if good
            else httpx2.Response(400, json={"Code": "SignatureDoesNotMatch"})
        )
