"""Judges what came back from a vendor: foreign statuses, texts and errors become ours, in one line, with the cure. Pure."""

import ssl
from collections.abc import Collection
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from exporter.model.errors import (
    KeysRefused,
    SourceBusy,
    SourceDenied,
    SourceDown,
    SourceError,
    SourceGarbled,
    SourceGone,
)
from exporter.model.events import Millis, Response

THROTTLED = ("APIGW.0308", "APIG.0308", "ModelArts.2799", "ModelArts.6101", "Throttling")
UNPUBLISHED = ("APIGW.0101", "APIG.0101")  # API Gateway, Error Codes: with a 404, yet no resource is missing
LONGEST_WISH = 3600.0  # seconds; nobody means to be asked never again


def read_date(text: str | None) -> Millis | None:
    """A Date header as Unix ms; None where it is missing or wrong."""
    try:
        at = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp()) * 1000


def classify_response(
    answer: Response, place: str, permission: str = "", keys_refused: bool = False, secrets: Collection[str] = ()
) -> SourceError | None:
    """None for a good answer, else the error that says who acts. The status decides; codes only refine it.

    ``secrets`` are what was sent and may not be repeated: some gateways print the request that they did not like.
    """
    if 200 <= answer.status < 300:
        return None
    code, message = read_error(answer.body, secrets)
    said = f"{answer.status}{f' {code}' if code else ''}{f': {message}' if message else ''}"
    if answer.status == 429 or code.startswith(THROTTLED):
        wish = retry_after(answer, message)
        return SourceBusy(f"{place}: {said}", wish and min(wish, LONGEST_WISH))
    if answer.status == 401 or keys_refused:
        return KeysRefused(
            f"{place}: {said}; the credentials were refused: check that they exist, are enabled and have not expired"
        )
    if answer.status == 403:
        return SourceDenied(f"{place}: {said}; grant {permission or 'read permission'} to these credentials")
    if answer.status == 404 and code not in UNPUBLISHED:
        return SourceGone(f"{place}: {said}")
    if answer.status >= 500 or answer.status == 408:
        return SourceDown(f"{place}: {said}")
    return SourceGarbled(f"{place}: {said}{_cure(answer.status)}")


def _cure(status: int) -> str:
    if status < 400:
        return ", a redirect; set endpoints to the final address"
    return "; this API is not offered there: check endpoints and region" if status == 404 else ""


def read_error(body: bytes, secrets: Collection[str] = ()) -> tuple[str, str]:
    """(code, message) of any form the two vendors use, on one line, cut to size; ("", "") where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body[:65_536].decode("utf-8", "replace").strip()
        return "", "" if text.startswith("<") else _line(text, 160, secrets)
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        said = said["error"]
    if not isinstance(said, dict):
        return "", ""
    code = next((said[key] for key in ("error_code", "errorCode", "Code", "code") if said.get(key)), "")
    text = next((said[key] for key in ("error_msg", "errorMsg", "Message", "message") if said.get(key)), "")
    return _line(str(code), 64, secrets), _line(str(text), 160, secrets)


def _line(text: str, most: int, secrets: Collection[str] = ()) -> str:
    """A text of others: one line, nothing that moves a terminal, no secrets, and not long."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * most]).split())[:most]


def retry_after(answer: Response, message: str) -> float | None:
    """Seconds the vendor asks to wait: x-acs-retry-after (ms), Retry-After (s or a date), or Huawei's ``limit:60,time:1 minute``."""
    if (text := answer.headers.get("x-acs-retry-after", "").strip()).isdecimal():
        return float(text) / 1000
    if (text := answer.headers.get("retry-after", "").strip()).isdecimal():
        return float(text)
    if answer.date is not None and (until := read_date(text)) is not None:
        return max(0.0, (until - answer.date) / 1000)
    return limit_pause(message)


def limit_pause(message: str) -> float | None:
    """One request's share of a stated limit, in seconds: ``limit:60,time:1 minute`` gives 1.0."""
    _, found, rest = message.partition("limit:")
    number, _, span = rest.partition(",time:")
    words = span.replace(".", " ").split()
    unit = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
    if not found or not number.strip().isdecimal() or len(words) < 2 or not words[0].isdecimal():
        return None
    seconds = unit.get(words[1].rstrip("s"))
    return None if seconds is None or int(number) == 0 else int(words[0]) * seconds / int(number)


def describe_transport_error(error: httpx.HTTPError) -> str:
    """What went wrong on the way, and the cure, without the URL's query."""
    text = _line(str(error).split("?")[0], 200) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time; check network, proxy and endpoint"
    if isinstance(error.__cause__, ssl.SSLError):
        return f"TLS failed ({text}); check the endpoint's certificate and SSL_CERT_FILE"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect ({text}); check the endpoint, DNS and proxy"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused ({text}); check HTTPS_PROXY"
    return f"the connection broke ({text})"
