"""What a receiver's answer means for what was sent: taken, to be sent again, or never to be taken; and the cure in words."""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

import httpx
import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

LONGEST_WISH = 300.0  # seconds that a receiver may ask for
SHOWN = 200  # signs of a receiver's own words
BAD = (400, 413, 422)
LATER = (408, 425, 429)
KEPT = "what was not delivered is kept and sent again"


class DeliveryResult(NamedTuple):
    """``taken``; ``bad``: something in it will never be taken; ``later``: nothing was taken now.

    ``words`` are for the log. ``rejected`` of what was taken were not. ``wait`` is the receiver's own wish, in seconds.
    """

    kind: Literal["taken", "bad", "later"]
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


def judge(answer: httpx.Response, signal: str, now: float) -> DeliveryResult:
    """What an answer means; ``now`` is Unix seconds."""
    status, where = answer.status_code, str(answer.request.url)
    if 200 <= status < 300:
        return _taken(answer)
    said = _own_words(answer)
    if status in BAD:
        return DeliveryResult("bad", f"{status}{f': {said}' if said else ''}")
    if status in LATER or status >= 500:
        words = f"otlp: {where}: answers {status}{f' ({said})' if said else ''}; {KEPT}"
        return DeliveryResult("later", words, wait=_wish(answer.headers.get("retry-after", ""), now))
    return DeliveryResult("later", f"otlp: {where}: {_cure(answer, signal)}; {KEPT}")


def broken(error: Exception, url: str) -> DeliveryResult:
    """What it means that no answer came."""
    return DeliveryResult("later", f"otlp: {url}: {_ailment(error)}; {KEPT}")


def _taken(answer: httpx.Response) -> DeliveryResult:
    """Receivers that take all often say nothing; what cannot be read as an answer says nothing either."""
    body, kind = answer.content, answer.headers.get("content-type", "")
    rejected, words = 0, ""
    try:
        if "json" in kind:
            told = msgspec.json.decode(body, type=_Answer, strict=False).partial_success if body else None
            if told is not None:
                numbers = (told.rejected_spans, told.rejected_log_records, told.rejected_data_points)
                rejected, words = max(int(number) for number in numbers), told.error_message
        elif "protobuf" in kind:
            # the answers for spans, log records and data points have the same fields
            part = ExportTraceServiceResponse.FromString(body).partial_success
            rejected, words = part.rejected_spans, part.error_message
    except (DecodeError, msgspec.DecodeError, ValueError):
        return DeliveryResult("taken")
    return DeliveryResult("taken", _readable(words), max(0, rejected))


def _own_words(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "")
    try:
        if "protobuf" in kind:
            # google.rpc.Status has a number and a text under the same tags
            return _readable(ExportTracePartialSuccess.FromString(answer.content).error_message)
        if "json" in kind:
            return _readable(msgspec.json.decode(answer.content, type=_Answer).message)
    except (DecodeError, msgspec.DecodeError):
        return ""
    return _readable(answer.text) if "text/plain" in kind else ""


def _cure(answer: httpx.Response, signal: str) -> str:
    status = answer.status_code
    if 300 <= status < 400:
        place = answer.headers.get("location", "").partition("?")[0]
        there = f" to {_readable(place)}" if place else ""
        return f"answers {status}, a redirect{there}; write the address that it leads to as otlp.endpoint"
    if status == 401:
        return "answers 401, the credentials are refused; correct otlp.headers or the file of otlp.headers_file"
    if status == 403:
        return f"answers 403, this is not allowed; let the account of otlp.headers write {signal}"
    if status in (404, 405):
        return f"answers {status}, no {signal} are taken there; correct otlp.endpoint, to which /v1/{signal} is added"
    if status == 415:
        other = "http/protobuf" if "json" in answer.request.headers["content-type"] else "http/json"
        return f"answers 415, this form is not read; write otlp.protocol: {other}"
    return f"answers {status}; check otlp.endpoint and what stands between the exporter and the receiver"


def _ailment(error: Exception) -> str:
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and len(chain) < 10:
        chain.append(cause)
    untrusted = next((one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        why = untrusted.verify_message
        return f"its certificate is not trusted ({why}); name the authority that signed it in otlp.certificate"
    torn = next((one for one in chain if isinstance(one, ssl.SSLError)), None)
    if torn is not None:
        why = (torn.reason or "no handshake").lower().replace("_", " ")
        return f"TLS failed ({why}); check http or https in otlp.endpoint, and otlp.client_certificate if it wants one"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "no answer in time; check otlp.endpoint and whether the receiver is overloaded"
    if isinstance(error, httpx.RemoteProtocolError):
        return "no HTTP answer; 4317 is the port of gRPC, HTTP is usually at 4318: correct otlp.endpoint"
    return f"cannot be reached ({_readable(str(error)) or type(error).__name__}); check otlp.endpoint and the receiver"


def _wish(text: str, now: float) -> float | None:
    """``Retry-After``: seconds or a date."""
    try:
        seconds = float(text) if text.strip().isdecimal() else _seconds_until(text, now)
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_WISH)


def _seconds_until(text: str, now: float) -> float:
    date = parsedate_to_datetime(text)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - datetime.fromtimestamp(
        now, UTC
    ).timestamp()


def _readable(text: str) -> str:
    """On one line, short."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:SHOWN]
