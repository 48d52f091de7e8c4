"""What an answer of a vendor means.

Foreign statuses, texts and errors become the program's own, in one line. Pure.
"""

import ssl
from collections.abc import Collection, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import msgspec

from exporter.client.budget import MAX_CLOSED
from exporter.common.http_body import BodyUnreadable
from exporter.common.text import one_line
from exporter.model.errors import (
    NOT_JSON,
    KeysRefused,
    RequestRefused,
    SourceBusy,
    SourceDenied,
    SourceDown,
    SourceError,
    SourceGarbled,
    SourceGone,
)
from exporter.model.events import Millis, Response

THROTTLED = ("APIGW.0308", "APIG.0308", "ModelArts.2799", "ModelArts.6101", "Throttling")
DENIED = ("NoPermission", "Forbidden", "AccessDenied")  # Alibaba Cloud, public error codes; their status may be another
UNPUBLISHED = ("APIGW.0101", "APIG.0101")  # API Gateway, Error Codes: with a 404, yet no resource is missing
_CODE_FIELDS = ("error_code", "errorCode", "Code", "code")
_MESSAGE_FIELDS = ("error_msg", "errorMsg", "Message", "message")
_NO_JSON = (b"<", b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")  # HTML or XML, bare gzip, UTF-16: no vendor answers so
_INTERMEDIARY = " came instead of JSON: a proxy, firewall or portal answers, not the vendor; check endpoints and proxy"
_MASKED = "***"
SHORTEST_SECRET = 6  # characters; to mask a shorter text would tear other words apart


class _Outcome(msgspec.Struct, rename="pascal"):
    """The outcome of a request as the body of its answer states it (alibabacloud-pai-dsw20220101 2.4.0).

    The fields are of any form, so that none of them hides a failure.
    """

    success: Any = None
    code: Any = None
    http_status_code: Any = None


_OUTCOME = msgspec.json.Decoder(_Outcome)


class ErrorBody(msgspec.Struct, frozen=True):
    """What the body of a refusal says.

    ``vendor`` tells whether it is an error object in one of the vendors' forms.
    """

    code: str = ""
    message: str = ""
    vendor: bool = False


def read_date(text: str | None) -> Millis | None:
    """Read a Date header as Unix ms; None where it is missing or wrong."""
    try:
        at = parsedate_to_datetime(text or "")
        return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def apply_stated_outcome(response: Response) -> Response:
    """Return a response with the status that its body states, where the body tells of a failure.

    ``Success`` decides, and where it is missing ``HttpStatusCode``: an answer that succeeded may have 0 for a status,
    and ``null`` for a code. A failure without a status has the one that its code means.
    """
    if not 200 <= response.status < 300:
        return response
    try:
        outcome = _OUTCOME.decode(response.body)
    except NOT_JSON:
        return response
    success, status = _word(outcome.success), _word(outcome.http_status_code)
    stated = int(status) if len(status) == 3 and status.isdecimal() and status[0] in "45" else 0
    if success == "false" or (success != "true" and stated):
        return msgspec.structs.replace(response, status=stated or _status_of(_word(outcome.code)))
    return response


def _word(value: Any) -> str:
    return str(value).casefold() if isinstance(value, str | bool) or _is_scalar(value) else ""


def _status_of(code: str) -> int:
    """Return the status that an error code of Alibaba Cloud usually comes with; 500 for one that is not known."""
    if code.startswith("throttling"):
        return 429
    if code.startswith(("nopermission", "forbidden", "accessdenied")):
        return 403
    if "notfound" in code or "notexist" in code:
        return 404
    return 400 if code.startswith(("validationerror", "invalid")) else 500


def classify_response(
    response: Response, place: str, permission: str = "", keys_refused: bool = False, secrets: Collection[str] = ()
) -> SourceError | None:
    """Return None for a good answer, else the error that says who acts.

    The status decides; codes only refine it. ``secrets`` are what was sent and may not be repeated: vendors and
    gateways print keys and requests that they did not like. An answer of a proxy, a firewall or a portal on the way is
    described as that: it says nothing of permissions, resources or contracts of the vendor.
    """
    page = describe_intermediary(response, secrets)
    if 200 <= response.status < 300:
        return SourceGarbled(f"{place}: {response.status}, {page}{_INTERMEDIARY}") if page else None
    body = read_error(response.body, secrets)
    words = f"{place}: {_status_line(response.status, body, page)}"
    if response.status == 429 or body.code.startswith(THROTTLED):
        wait = retry_after(response, body.message)
        return SourceBusy(words, None if wait is None else min(wait, MAX_CLOSED))
    if response.status == 401 or keys_refused:
        return KeysRefused(
            with_cure(words, "; the credentials were refused: check that they exist, are enabled and have not expired")
        )
    if response.status >= 500 or response.status == 408:
        return SourceDown(words)
    if response.status == 407:
        return SourceGarbled(f"{words}; a proxy wants a login: write user and password into the proxy's address")
    if response.status >= 400 and page:
        return SourceGarbled(f"{words}{_INTERMEDIARY}")
    return _refusal(response.status, body, words, permission)


def _refusal(status: int, body: ErrorBody, words: str, permission: str) -> SourceError:
    """Return the error for a status below 500 that is no matter of rates or keys."""
    if status == 403 or body.code.startswith(DENIED):
        wanted = permission or "read permission"
        if body.vendor:
            return SourceDenied(with_cure(words, f"; grant {wanted} to these credentials"))
        return SourceDenied(
            f"{words}, without an error code of the vendor; check proxy and firewall on the way, then {wanted}"
        )
    if status == 404 and body.code not in UNPUBLISHED:
        return SourceGone(words)
    return (RequestRefused if status == 400 else SourceGarbled)(with_cure(words, _cure(status)))


def with_cure(words: str, cure: str) -> str:
    """Join the vendor's words and a cure that begins with its own mark, without the vendor's full stop before it."""
    return f"{words.rstrip('.')}{cure}" if cure else words


def _status_line(status: int, body: ErrorBody, page: str) -> str:
    if page:
        return f"{status}, {page}"
    return f"{status}{f' {body.code}' if body.code else ''}{f': {body.message}' if body.message else ''}"


def _cure(status: int) -> str:
    if status < 400:
        return ", a redirect; set endpoints to the final address"
    return "; this API is not offered there: check endpoints and region" if status == 404 else ""


def describe_intermediary(response: Response, secrets: Collection[str] = ()) -> str:
    """Name the content type and title of a body that no vendor sends.

    Such as a portal's page; "" for any other body.
    """
    if response.body[:1] in b"{[":  # as nearly every answer begins, or empty
        return ""
    kind = one_line(response.headers.get("content-type", "").partition(";")[0], 60).lower()
    start = response.body[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(_NO_JSON) and (kind not in ("text/html", "application/xhtml+xml") or start[:1] in b"{["):
        return ""
    title = mask(_title(response.body), secrets, 80)
    name = kind or ("a page of HTML" if start.startswith(b"<") else "a binary body")
    return f"{name} '{title}'" if title else name


def _title(body: bytes) -> str:
    """Return the text of the first ``<title>``, "" where there is none."""
    text = body[:65_536].decode("utf-8", "replace")
    begin = text.lower().find("<title")
    _, opened, rest = text[begin:].partition(">") if begin >= 0 else ("", "", "")
    return rest.partition("<")[0].strip() if opened else ""


def read_error(body: bytes, secrets: Collection[str] = ()) -> ErrorBody:
    """Read code and message in any form the two vendors use. Never raises.

    Each is one line, masked and cut to size.
    """
    try:
        found = msgspec.json.decode(body)
    except NOT_JSON:
        text = body[:65_536].decode("utf-8", "replace").strip()
        return ErrorBody(message="" if text.startswith("<") else mask(text, secrets, 160))
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    if not isinstance(found, dict):
        return ErrorBody()
    code, message = _scalar(found, _CODE_FIELDS), _scalar(found, _MESSAGE_FIELDS)
    return ErrorBody(mask(code, secrets, 64), mask(message, secrets, 160), vendor=bool(code or message))


def _scalar(found: Mapping[str, object], fields: Collection[str]) -> str:
    """Return the first field that holds a text or a number.

    Deep nesting under a known name is not printed.
    """
    return next((str(found[field]) for field in fields if found.get(field) and _is_scalar(found[field])), "")


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 10**18)


def mask(text: str, secrets: Collection[str], limit: int) -> str:
    """Make one line of a foreign text, with asterisks in place of secrets.

    A secret that holds another goes first.
    """
    for secret in sorted((secret for secret in secrets if len(secret) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, _MASKED)
    return one_line(text, limit)


def retry_after(response: Response, message: str) -> float | None:
    """Return the seconds that the vendor asks to wait, None where it does not.

    They stand in x-acs-retry-after (ms), Retry-After (s or a date), or Huawei's ``limit:60,time:1 minute``.
    """
    if (text := response.headers.get("x-acs-retry-after", "").strip()).isdecimal():
        return float(text) / 1000
    if (text := response.headers.get("retry-after", "").strip()).isdecimal():
        return float(text)
    date = read_date(response.headers.get("date"))
    if date is not None and (until := read_date(text)) is not None:
        return max(0.0, (until - date) / 1000)
    return limit_pause(message)


def limit_pause(message: str) -> float | None:
    """Return one request's share of a stated limit, in seconds.

    ``limit:60,time:1 minute`` gives 1.0.
    """
    _, found, rest = message.partition("limit:")
    number, _, span = rest.partition(",time:")
    words = span.replace(".", " ").split()
    unit = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
    if not found or not number.strip().isdecimal() or len(words) < 2 or not words[0].isdecimal():
        return None
    seconds = unit.get(words[1].rstrip("s"))
    return None if seconds is None or int(number) == 0 else int(words[0]) * seconds / int(number)


def describe_transport_error(error: httpx2.HTTPError, proxy_variable: str = "") -> str:
    """Say what went wrong on the way, and the cure, without the URL's query.

    ``proxy_variable`` is the environment variable that named the proxy of the request.
    """
    text = one_line(str(error).split("?")[0], 200) or type(error).__name__
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time; check network, proxy and endpoint"
    if isinstance(error.__cause__, ssl.SSLError):
        return f"TLS failed ({text}); check the endpoint's certificate, and ca_file or SSL_CERT_FILE"
    if isinstance(error, httpx2.ConnectError):
        return f"cannot connect ({text}); check the endpoint, DNS and proxy"
    if isinstance(error, httpx2.ProxyError):
        return _describe_proxy_error(error, text, proxy_variable or "HTTPS_PROXY")
    if isinstance(error, BodyUnreadable):
        return f"the answer's body cannot be read: {text}"
    return f"the connection broke ({text})"


def _describe_proxy_error(error: httpx2.ProxyError, text: str, variable: str) -> str:
    if isinstance(error.__cause__, OSError):
        return f"cannot connect to the proxy ({text}); check {variable}"
    if text.startswith("407"):
        return f"the proxy refused ({text}); write user and password into {variable}"
    return f"the proxy refused ({text}); check {variable}"
