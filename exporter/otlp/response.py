"""What a receiver's answer means for what was sent, and the cure in words."""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

import httpx2
import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from exporter.common.text import one_line

MAX_WAIT = 300.0  # seconds that a receiver may ask for
SHOWN = 200  # characters of a receiver's own words
BAD = (400, 413, 422)
LATER = (408, 425, 429)
KEPT = "what was not delivered is kept and sent again"
_UNREADABLE = (DecodeError, msgspec.DecodeError, ValueError, TypeError, RecursionError, OverflowError)
"""What reading a receiver's own words may raise; UnicodeDecodeError is a ValueError."""


class DeliveryResult(NamedTuple):
    """What became of a request.

    ``taken``: the receiver has it. ``bad``: something in it will never be taken. ``unsendable``: something in it cannot
    be encoded or sent, whoever the receiver is. ``later``: nothing was taken now.

    ``words`` are for the log. ``rejected`` items of what was taken were refused. ``wait`` is the receiver's own wish,
    in seconds.
    """

    kind: Literal["taken", "bad", "unsendable", "later"]
    words: str = ""
    rejected: int = 0
    wait: float | None = None


class _Partial(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0
    rejected_log_records: int | str = 0
    rejected_data_points: int | str = 0
    error_message: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    partial_success: _Partial | None = None
    message: str = ""


def classify_answer(answer: httpx2.Response, signal: str, now: float) -> DeliveryResult:
    """Say what an answer means at ``now`` (Unix seconds).

    Never raises, whatever the answer holds.
    """
    status, where = answer.status_code, str(answer.request.url)
    if 200 <= status < 300:
        return _read_success(answer)
    words = _read_refusal(answer)
    if status in BAD:
        return DeliveryResult("bad", f"{status}{f': {words}' if words else ''}")
    if status in LATER or status >= 500:
        text = f"otlp: {where}: answers {status}{f' ({words})' if words else ''}; {KEPT}"
        return DeliveryResult("later", text, wait=_retry_after(answer.headers.get("retry-after", ""), now))
    return DeliveryResult("later", f"otlp: {where}: {_cure(answer, signal)}; {KEPT}")


def describe_failure(error: Exception, url: str) -> DeliveryResult:
    """Say why no answer came."""
    return DeliveryResult("later", f"otlp: {url}: {_transport_problem(error)}; {KEPT}")


def _read_success(answer: httpx2.Response) -> DeliveryResult:
    """Read a partial success. A receiver that takes all often sends no body.

    An unreadable body counts as none.
    """
    kind = answer.headers.get("content-type", "")
    try:
        if "json" in kind:
            rejected, words = _read_json_partial(answer.content)
        elif "protobuf" in kind:
            # the answers for spans, log records and data points have the same fields
            part = ExportTraceServiceResponse.FromString(answer.content).partial_success
            rejected, words = part.rejected_spans, part.error_message
        else:
            rejected, words = 0, ""
    except _UNREADABLE:
        return DeliveryResult("taken")
    return DeliveryResult("taken", one_line(words, SHOWN), max(0, rejected))


def _read_json_partial(body: bytes) -> tuple[int, str]:
    part = msgspec.json.decode(body, type=_Answer, strict=False).partial_success if body else None
    if part is None:
        return 0, ""
    numbers = (part.rejected_spans, part.rejected_log_records, part.rejected_data_points)
    return max(int(number) for number in numbers), part.error_message


def _read_refusal(answer: httpx2.Response) -> str:
    """Read a receiver's own words on one line.

    "" where there are none that can be read.
    """
    kind = answer.headers.get("content-type", "")
    try:
        if "protobuf" in kind:
            # google.rpc.Status has a number and a text under the same tags
            return one_line(ExportTracePartialSuccess.FromString(answer.content).error_message, SHOWN)
        if "json" in kind:
            return one_line(msgspec.json.decode(answer.content, type=_Answer).message, SHOWN)
    except _UNREADABLE:
        return ""
    return one_line(answer.content.decode("utf-8", "replace"), SHOWN) if "text/plain" in kind else ""


def _cure(answer: httpx2.Response, signal: str) -> str:
    status = answer.status_code
    if 300 <= status < 400:
        place = answer.headers.get("location", "").partition("?")[0]
        there = f" to {one_line(place, SHOWN)}" if place else ""
        return f"answers {status}, a redirect{there}; write the address that it leads to as otlp.endpoint"
    if status == 401:
        return "answers 401, the credentials are refused; correct otlp.headers or the file of otlp.headers_file"
    if status == 403:
        return f"answers 403, this is not allowed; let the account of otlp.headers write {signal}"
    if status in (404, 405):
        return f"answers {status}, no {signal} are taken there; correct otlp.endpoint, to which /v1/{signal} is added"
    if status == 407:
        return "answers 407, a proxy wants a login; write user and password into the proxy's address"
    if status == 415:
        other = "http/protobuf" if "json" in answer.request.headers["content-type"] else "http/json"
        return f"answers 415, this form is not read; write otlp.protocol: {other}"
    return f"answers {status}; check otlp.endpoint and what stands between the exporter and the receiver"


def _transport_problem(error: Exception) -> str:
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and len(chain) < 10:
        chain.append(cause)
    untrusted = next((one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        why = untrusted.verify_message
        return f"its certificate is not trusted ({why}); name the authority that signed it in otlp.certificate"
    broken = next((one for one in chain if isinstance(one, ssl.SSLError)), None)
    if broken is not None:
        why = (broken.reason or "no handshake").lower().replace("_", " ")
        return f"TLS failed ({why}); check http or https in otlp.endpoint, and otlp.client_certificate if it wants one"
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "no answer in time; check otlp.endpoint and whether the receiver is overloaded"
    if isinstance(error, httpx2.RemoteProtocolError):
        return "no HTTP answer; 4317 is the port of gRPC, HTTP is usually at 4318: correct otlp.endpoint"
    text = one_line(str(error), SHOWN) or type(error).__name__
    return f"cannot be reached ({text}); check otlp.endpoint and the receiver"


def _retry_after(text: str, now: float) -> float | None:
    """Read ``Retry-After``, seconds or a date, as seconds from ``now``.

    At most ``MAX_WAIT``.
    """
    try:
        seconds = float(text) if text.strip().isdecimal() else _seconds_until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_WAIT)


def _seconds_until(text: str, now: float) -> float:
    date = parsedate_to_datetime(text)
    until = date if date.tzinfo else date.replace(tzinfo=UTC)
    return until.timestamp() - datetime.fromtimestamp(now, UTC).timestamp()
