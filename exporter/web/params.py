"""Reads what a request asks for; whoever asks wrongly is told so in one line (HTTPException)."""

from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from exporter.web.activity import Wanted
from exporter.web.middleware import read_body

SEVERITIES = ("info", "warning", "error", "unclassified", "trouble")
SWITCHES = {"": False, "false": False, "true": True}
PAGE, MOST = 100, 1_000  # events
LONGEST = 1_000  # characters of a filter
FILTERS = ("target", "source", "resource", "severity", "reason", "rule", "text", "unmapped")


class Turn(NamedTuple):
    """Which events are asked for, how many, and after how many newer ones."""

    wanted: Wanted
    offset: int
    limit: int


def read_turn(request: Request) -> Turn:
    """The filters and the place of a request for events."""
    given = read_query(request, (*FILTERS, "offset", "limit"))
    texts = {name: given.get(name, "") for name in FILTERS[:-1]}
    if texts["severity"] not in ("", *SEVERITIES):
        raise HTTPException(400, f"severity: write one of {', '.join(SEVERITIES)}")
    if given.get("unmapped", "") not in SWITCHES:
        raise HTTPException(400, "unmapped: write true or false")
    wanted = Wanted(**texts, unmapped=SWITCHES[given.get("unmapped", "")])
    return Turn(wanted, read_number(given, "offset", 0, 0, 10**9), read_number(given, "limit", PAGE, 1, MOST))


def read_query(request: Request, known: tuple[str, ...], longest: int = LONGEST) -> dict[str, str]:
    """The parameters of a request, each known and given once, of at most ``longest`` characters."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise HTTPException(400, f"a parameter is not known here; write {', '.join(known) or 'none'}")
        if name in found:
            raise HTTPException(400, f"{name}: stands twice; write it once")
        if len(value) > longest or not _is_text(value):
            raise HTTPException(400, f"{name}: write at most {longest} characters of text")
        found[name] = value
    return found


async def read_form(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The fields of a form."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "send a form: application/x-www-form-urlencoded")
    try:
        text = (await read_body(request)).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=len(known), errors="strict")
    except ValueError:
        raise HTTPException(400, "the form cannot be read; send UTF-8") from None
    return {name: values[0] for name, values in fields.items() if name in known}


def found(view: object, what: str) -> None:
    """Nothing is a 404."""
    if view is None:
        raise HTTPException(404, f"no such {what}")


def read_number(given: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """A number among the parameters, from ``least`` to ``most``."""
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
