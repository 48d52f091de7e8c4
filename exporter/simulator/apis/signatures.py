"""Recomputes the signatures of both vendors from a received call.

Written from the vendors' signing guides, independently of the exporter's own signing.
"""

import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from exporter.simulator.http import Call


class Signed(NamedTuple):
    """The parts of an Authorization header."""

    access: str
    headers: tuple[str, ...]
    signature: str


def read(authorization: str, algorithm: str) -> Signed | None:
    """Split an Authorization header; return None if it is not of ``algorithm`` or lacks a part."""
    scheme, _, rest = authorization.partition(" ")
    if scheme != algorithm:
        return None
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    access = parts.get("Access") or parts.get("Credential")
    if not access or not parts.get("SignedHeaders") or not parts.get("Signature"):
        return None
    return Signed(access, tuple(parts["SignedHeaders"].split(";")), parts["Signature"])


def huawei(call: Call, signed: Signed, secret: str) -> bool:
    """Return whether SDK-HMAC-SHA256 gives the same signature (Huawei Cloud API Signing Guide)."""
    segments = [quote(part, safe="~") for part in unquote(call.path).split("/")]
    path = "/".join(segments)
    canonical = "\n".join(
        (
            call.method,
            path if path.endswith("/") else path + "/",
            _query(call.raw_query, plus=False),
            _headers(call, signed.headers),
            ";".join(signed.headers),
            hashlib.sha256(call.body).hexdigest(),
        )
    )
    text = f"SDK-HMAC-SHA256\n{call.headers['x-sdk-date']}\n{_sha256(canonical)}"
    return hmac.compare_digest(_hmac(secret, text), signed.signature)


def alibaba(call: Call, signed: Signed, secret: str) -> bool:
    """Return whether ACS3-HMAC-SHA256 gives the same signature.

    Source: Alibaba Cloud, Request syntax and signature method V3.
    """
    canonical = "\n".join(
        (
            call.method,
            call.path,
            _query(call.raw_query, plus=True),
            _headers(call, signed.headers),
            ";".join(signed.headers),
            hashlib.sha256(call.body).hexdigest(),
        )
    )
    return hmac.compare_digest(_hmac(secret, f"ACS3-HMAC-SHA256\n{_sha256(canonical)}"), signed.signature)


def _query(raw: str, *, plus: bool) -> str:
    """Sort a query by name and value and encode it again.

    Only Alibaba Cloud is known to take ``+`` for a blank.
    """
    if not raw:
        return ""
    decode = unquote_plus if plus else unquote
    pairs = sorted((decode(name), decode(value)) for name, _, value in (part.partition("=") for part in raw.split("&")))
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)


def _headers(call: Call, names: tuple[str, ...]) -> str:
    return "".join(f"{name}:{call.headers.get(name, '').strip()}\n" for name in names)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
