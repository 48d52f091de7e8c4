"""The vendors' two request signatures, SDK-HMAC-SHA256 and ACS3-HMAC-SHA256.

Nothing but the request's headers changes. Both sign the method, the path, the sorted query, a few headers and a hash of
the body. Only headers that no proxy changes are signed, never ``user-agent`` or ``accept-encoding``. A request has a
``content-type`` only where it has a body; then that header is signed too. The URL must be percent-encoded already and
is sent as it is.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote

import httpx2

from exporter.auth.keys import Keys

_HUAWEI_SIGNED = ("content-type", "host", "x-project-id", "x-sdk-date", "x-security-token")


def sign_sdk_hmac(request: httpx2.Request, keys: Keys, at: float) -> None:
    """Sign a request for Huawei Cloud as at Unix second ``at``.

    Source: API Request Signing Guide, AK/SK signing. Adds X-Sdk-Date, Authorization and, with temporary keys,
    X-Security-Token. A date more than 15 minutes off is refused.
    """
    date = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    _set(request, {"X-Sdk-Date": date, "X-Security-Token": keys.token})
    names = [name for name in _HUAWEI_SIGNED if name in request.headers]
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    signed_path = quote(unquote(path), safe="/~")
    slash = "" if signed_path.endswith("/") else "/"
    digest = _canonical(request, signed_path + slash, query, names)
    signature = _hmac(keys.secret, f"SDK-HMAC-SHA256\n{date}\n{digest}")
    signed = ";".join(names)
    request.headers["Authorization"] = (
        f"SDK-HMAC-SHA256 Access={keys.id}, SignedHeaders={signed}, Signature={signature}"
    )


def sign_acs3(request: httpx2.Request, keys: Keys, at: float, nonce: str) -> None:
    """Sign a request for Alibaba Cloud as at Unix second ``at``.

    Source: request syntax and signature method V3. ``x-acs-action`` and ``x-acs-version`` are on the request already;
    the rest is added. A nonce may be used once.
    """
    _set(request, {
        "x-acs-date": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": _sha256(request.content),
        "x-acs-security-token": keys.token,
        "x-acs-accesskey-id": keys.id if keys.token else "",
    })  # fmt: skip
    names = sorted(n for n in request.headers if n in ("host", "content-type") or n.startswith("x-acs-"))
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    digest = _canonical(request, path, query, names)
    signature = _hmac(keys.secret, f"ACS3-HMAC-SHA256\n{digest}")
    signed = ";".join(names)
    request.headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={keys.id},SignedHeaders={signed},Signature={signature}"
    )


def _set(request: httpx2.Request, headers: dict[str, str]) -> None:
    """Set headers, replacing those of an earlier signature.

    An empty value removes the header.
    """
    for name, value in headers.items():
        request.headers.pop(name, None)
        if value:
            request.headers[name] = value


def _canonical(request: httpx2.Request, path: str, query: str, names: list[str]) -> str:
    lines = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    body = _sha256(request.content)
    return _sha256(f"{request.method}\n{path}\n{_sorted(query)}\n{lines}\n{';'.join(names)}\n{body}".encode())


def _sorted(query: str) -> str:
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
