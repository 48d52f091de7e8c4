"""The effect of a fault on an answer: refusals in the vendors' own words, and broken pages. Touches no socket."""

from exporter.simulator.http import Call, Refused, Reply, alibaba_error, huawei_error
from exporter.simulator.state.accounts import Platform
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.faults import Fault, Kind
from exporter.simulator.state.times import SECOND

GARBAGE = (b"null", b"42", b"[]", b"{}")
_REFUSALS: tuple[Kind, ...] = ("throttled", "error", "expired", "denied", "missing")


def refuse(cloud: Cloud, platform: Platform, name: str, call: Call) -> None:
    """Raise Refused if a fault is on for this call, in the words of the platform."""
    for kind in _REFUSALS:
        fault = cloud.faults.take(kind, name, call.path)
        if fault:
            words = _alibaba if platform == "alibabacloud" else _huawei
            raise words(fault)


def _huawei(fault: Fault) -> Refused:
    per_minute = max(1, round(60 / fault.seconds)) if fault.seconds else 60
    limit = f"policy user over ratelimit,limit:{per_minute},time:1 minute."
    match fault.kind, fault.words:
        case "throttled", "service":
            return huawei_error(429, "ModelArts.2799", "services too many requests")
        case "throttled", _:
            return huawei_error(429, "APIGW.0308", f"The throttling threshold has been reached: {limit}")
        case "expired", _:
            said = "Incorrect IAM authentication information: token expires"
            return huawei_error(fault.status or 401, "APIGW.0301", said)
        case "denied", _:
            return huawei_error(403, "APIGW.0302", "The IAM user is not authorized to access the API.")
        case "missing", _:
            return huawei_error(404, "APIGW.0101", "The API does not exist or has not been published.")
    return huawei_error(fault.status or 503, "APIGW.0201", "Backend unavailable")


def _alibaba(fault: Fault) -> Refused:
    match fault.kind:
        case "throttled":
            wait = (b"x-acs-retry-after", str(round(fault.seconds * SECOND)).encode())
            return alibaba_error(429, "Throttling.User", "Request was denied due to user flow control.", (wait,))
        case "expired":
            said = "Specified SecurityToken is expired."
            return alibaba_error(fault.status or 400, "InvalidSecurityToken.Expired", said)
        case "denied":
            return alibaba_error(403, "NoPermission", "You are not authorized to do this action.")
        case "missing":
            return alibaba_error(404, "InvalidAction.NotFound", "Specified api is not found.")
    return alibaba_error(
        fault.status or 503, "ServiceUnavailable", "The request has failed due to a temporary failure."
    )


def spoil(cloud: Cloud, name: str, call: Call, reply: Reply) -> Reply:
    """Put unreadable rows among the rows, or very many blanks behind them, if such a fault is on for this call."""
    if reply.rows is not None and (fault := cloud.faults.take("garbage", name, call.path)):
        middle = len(reply.rows) // 2
        wrong = [GARBAGE[number % len(GARBAGE)] for number in range(fault.size)]
        reply = reply._replace(rows=[*reply.rows[:middle], *wrong, *reply.rows[middle:]])
    if fault := cloud.faults.take("oversize", name, call.path):
        reply = reply._replace(body=reply.joined() + b" " * fault.size, rows=None)
    return reply
