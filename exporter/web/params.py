"""Parameters of requests.

Whatever is wrong with them raises HTTPException with one line that says what to write.
"""

from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from exporter.web.activity import OUTCOME_FILTERS, SEVERITY_FILTERS, EventFilter, RunFilter
from exporter.web.middleware import read_body

SWITCHES = {"": False, "false": False, "true": True}
DEFAULT_LIMIT = 100  # events of a page
MAX_LIMIT = 1_000
MAX_LENGTH = 1_000  # characters of a parameter
FILTERS = ("target", "source", "resource", "severity", "reason", "rule", "text", "unmapped")

RUN_FILTERS = ("target", "source", "outcome", "reason", "text", "since")
SINCE = {"15m": 900, "1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800}
"""How long ago a run may have ended, in seconds."""


class EventQuery(NamedTuple):
    """Which events are asked for, after how many newer ones, and how many."""

    wanted: EventFilter
    offset: int
    limit: int


def read_event_query(request: Request) -> EventQuery:
    """Read the filters, offset and limit of a request for events."""
    given = read_query(request, (*FILTERS, "offset", "limit"))
    texts = {name: given.get(name, "") for name in FILTERS[:-1]}
    if texts["severity"] not in ("", *SEVERITY_FILTERS):
        raise HTTPException(400, f"severity: write one of {', '.join(SEVERITY_FILTERS)}")
    if given.get("unmapped", "") not in SWITCHES:
        raise HTTPException(400, "unmapped: write true or false")
    wanted = EventFilter(**texts, unmapped=SWITCHES[given.get("unmapped", "")])
    offset = read_number(given, "offset", 0, 0, 10**9)
    return EventQuery(wanted, offset, read_number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT))


class RunQuery(NamedTuple):
    """Which runs are asked for, after how many newer ones, and how many; ``given`` are the filters as written."""

    wanted: RunFilter
    offset: int
    limit: int
    given: dict[str, str]


def read_run_query(request: Request, now: float) -> RunQuery:
    """Read the filters, offset and limit of a request for runs."""
    given = read_query(request, (*RUN_FILTERS, "offset", "limit"))
    texts = {name: given.get(name, "") for name in RUN_FILTERS}
    for name, choices in (("outcome", OUTCOME_FILTERS), ("since", SINCE)):
        if texts[name] not in ("", *choices):
            raise HTTPException(400, f"{name}: write one of {', '.join(choices)}")
    after = now - SINCE[texts["since"]] if texts["since"] else 0.0
    wanted = RunFilter(**{name: texts[name] for name in RUN_FILTERS if name != "since"}, after=after)
    offset = read_number(given, "offset", 0, 0, 10**9)
    return RunQuery(wanted, offset, read_number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT), texts)


def read_query(request: Request, known: tuple[str, ...], max_length: int = MAX_LENGTH) -> dict[str, str]:
    """Read the query of a request.

    Each parameter is known, given once, and has at most ``max_length`` characters.
    """
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise HTTPException(400, f"a parameter is not known here; write {', '.join(known) or 'none'}")
        if name in values:
            raise HTTPException(400, f"{name}: stands twice; write it once")
        if len(value) > max_length or not _is_text(value):
            raise HTTPException(400, f"{name}: write at most {max_length} characters of text")
        values[name] = value
    return values


async def read_form(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """Read the fields of a form; unknown ones are ignored."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "send a form: application/x-www-form-urlencoded")
    try:
        text = (await read_body(request)).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=len(known), errors="strict")
    except ValueError:
        raise HTTPException(400, "the form cannot be read; send UTF-8") from None
    return {name: values[0] for name, values in fields.items() if name in known}


def require(view: object, what: str) -> None:
    """Raise 404 if there is no view."""
    if view is None:
        raise HTTPException(404, f"no such {what}")


def read_number(given: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """Read a number from ``least`` to ``most`` among the parameters."""
    text = given.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
        raise HTTPException(400, f"{name}: write a number from {least} to {most}")
    return int(text)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value
