"""The command top: a live view of a running exporter on a terminal.

It reads the JSON API and nothing else.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from exporter.cli.console import SEVERITY_STYLES
from exporter.common.text import ago, clock, lasting, one_line
from exporter.common.tls import make_tls_context, make_unverified_tls_context
from exporter.model.errors import NOT_JSON, ExporterError
from exporter.web.views import Overview, SourceView, Trouble

INTERVAL = 2.0  # seconds between two requests
NARROW = 120  # columns of a terminal below which texts are cut to one line
TIMEOUT = 5.0  # seconds until a request is given up
STATES = {"ok": "green", "waiting": "dim", "partly": "yellow", "failing": "bold red"}
STATE_WORDS = {"partly": "partly blind", "failing": "blind"}


class Unanswered(ExporterError):
    """The exporter was not reached, or answered something else than an overview."""


class ExporterAddress(NamedTuple):
    """How the exporter is reached.

    ``ca`` is the PEM file of its CA; ``insecure`` accepts any certificate.
    """

    url: str
    user: str = ""
    password: str = ""
    ca: Path | None = None
    insecure: bool = False


def connect(address: ExporterAddress) -> httpx2.AsyncClient:
    """Make the HTTP client. Raises Unanswered if the CA cannot be used."""
    try:
        insecure = address.insecure and not address.ca
        verify = make_unverified_tls_context() if insecure else make_tls_context(address.ca, alone=True)
    except OSError:
        raise Unanswered(f"{address.ca}: holds no certificate in PEM form; correct --ca-file") from None
    auth = (address.user, address.password) if address.user else None
    return httpx2.AsyncClient(verify=verify, auth=auth, timeout=TIMEOUT, trust_env=False)


async def fetch_overview(client: httpx2.AsyncClient, url: str) -> bytes:
    """Fetch the overview as JSON. Raises Unanswered with one line."""
    try:
        answer = await client.get(f"{url.rstrip('/')}/api/v1/overview")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unanswered(f"{url}: no answer ({error}); is the exporter running there?") from None
    if answer.status_code == httpx2.codes.UNAUTHORIZED:
        raise Unanswered(f"{url}: the password was refused; give --user and --password-file")
    if answer.status_code != httpx2.codes.OK:
        raise Unanswered(f"{url}: answered {answer.status_code}; is this the base URL, with its prefix?")
    return answer.content


def read_overview(body: bytes, url: str) -> Overview:
    """Read the overview in an answer. Raises Unanswered."""
    try:
        return msgspec.json.decode(body, type=Overview)
    except NOT_JSON:
        raise Unanswered(f"{url}: is not this exporter, or of another version; use the same version") from None


async def once(address: ExporterAddress) -> bytes:
    """Fetch one overview as JSON. Raises Unanswered."""
    async with connect(address) as client:
        body = await fetch_overview(client, address.url)
        read_overview(body, address.url)
        return body


async def watch(address: ExporterAddress, console: Console) -> None:
    """Show the overview until Ctrl-C.

    Once it was reached, wait for an exporter that is away. Raises Unanswered.
    """
    async with connect(address) as client:
        shown = render(read_overview(await fetch_overview(client, address.url), address.url))
        with Live(shown, console=console, auto_refresh=False, screen=True) as live:
            while True:
                await asyncio.sleep(INTERVAL)
                try:
                    shown = render(read_overview(await fetch_overview(client, address.url), address.url))
                    live.update(shown, refresh=True)
                except Unanswered as error:
                    live.update(Group(Text(str(error), style="bold red"), shown), refresh=True)


def render(overview: Overview) -> RenderableType:
    """Render an overview for a terminal, as wide and as high as it is."""
    return _Screen(overview)


class _Screen:
    """An overview that fits its terminal; where there is no height, as in a pipe, nothing is left out.

    Warnings get half of the rows if they need them. Columns that do not fit are left out; names of sources are never
    cut.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height
        free = options.update(height=None)
        upper = console.render_lines(Group(*_upper(self._overview, width)), free, pad=False)
        lower = console.render_lines(Group(*_lower(self._overview, width)), free, pad=False)
        if height is not None:
            upper = _cut(upper, max(height - height // 2, height - len(lower)))
            lower = lower[: height - len(upper)]
        for line in (*upper, *lower):
            yield from line
            yield Segment.line()


def _cut(lines: list[list[Segment]], rows: int) -> list[list[Segment]]:
    if len(lines) <= rows:
        return lines
    return [*lines[: rows - 1], [Segment(f"… {len(lines) - rows + 1} more lines: see the overview")]]


def _upper(overview: Overview, width: int) -> Iterator[RenderableType]:
    """Yield the sources, and what is blind, lost or without a rule."""
    now = overview.now
    yield _plain(f"platform-events-exporter {overview.version} at {clock(now, now)} UTC", "bold")
    yield from (_plain(notice, "yellow") for notice in overview.notices)
    yield from (Text(""), _sources(overview, width))
    for one in overview.sources:
        if one.state in STATE_WORDS and one.failure is not None:
            yield _plain(f"{one.target}/{one.source} {STATE_WORDS[one.state]}: {one.failure.text}", STATES[one.state])
    for loss in overview.losses:
        if loss.over is None:
            nodes = f"{loss.lost} node{'' if loss.lost == 1 else 's'}"
            yield _plain(f"{loss.name} lost {nodes} {ago(loss.at, now)}, still missing", "bold red")
    if number := len(overview.unmapped):
        yield Text(f"{number} text{'' if number == 1 else 's'} without a rule: see /unmapped", style="yellow")


def _lower(overview: Overview, width: int) -> Iterator[RenderableType]:
    """Yield the newest warnings and errors."""
    yield from (Text(""), Text("newest warnings and errors", style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    resource = max(16, width // 4)
    table.add_column("when", no_wrap=True, min_width=9)
    table.add_column("severity", no_wrap=True, min_width=7)
    table.add_column("resource", no_wrap=True, min_width=min(resource, _longest_name(overview)), max_width=resource)
    table.add_column("times", no_wrap=True, min_width=3, justify="right")
    cut = width < NARROW
    table.add_column(
        "text", no_wrap=cut, overflow="ellipsis" if cut else "fold", max_width=max(20, width - resource - 24)
    )
    for one in overview.troubles:
        table.add_row(*_trouble(one, overview.now), style=SEVERITY_STYLES.get(one.newest.severity, ""))
    yield table


def _longest_name(overview: Overview) -> int:
    return max((len(one.newest.name) for one in overview.troubles), default=0)


class _Column(NamedTuple):
    """A column of the table of sources, shown from a width of the terminal on."""

    title: str
    cell: Callable[[SourceView, float], str]
    width: int = 0
    number: bool = False


def _hour(one: SourceView, name: str) -> str:
    return str(sum(getattr(minute, name) for minute in one.last_hour) or "")


def _next_poll(one: SourceView, now: float) -> str:
    return "" if one.next is None else ago(max(one.next, now), now).replace("0 s ago", "now")


COLUMNS = (
    _Column("source", lambda one, now: f"{one.target}/{one.source}"),
    _Column("state", lambda one, now: STATE_WORDS.get(one.state, one.state)),
    _Column("read", lambda one, now: "never" if one.success is None else ago(one.success, now)),
    _Column("delay", lambda one, now: "" if one.lag is None or one.state == "failing" else lasting(one.lag), 80),
    _Column("next poll", _next_poll, 100),
    _Column("resources", lambda one, now: "" if one.resources is None else str(one.resources), 120, True),
    _Column("new", lambda one, now: str(one.new), 0, True),
    _Column("events/h", lambda one, now: _hour(one, "events"), 110, True),
    _Column("warnings/h", lambda one, now: _hour(one, "warnings"), 70, True),
    _Column("errors/h", lambda one, now: _hour(one, "errors"), 70, True),
)


def _sources(overview: Overview, width: int) -> Table:
    shown = [column for column in COLUMNS if width >= column.width]
    table = Table(box=None, padding=(0, 2 if width >= NARROW else 1, 0, 0))
    for column in shown:
        table.add_column(
            column.title,
            justify="right" if column.number else "left",
            no_wrap=column.title != "source",
            overflow="fold",
        )
    for one in overview.sources:
        cells = (column.cell(one, overview.now) for column in shown)
        table.add_row(*cells, style="" if one.state == "ok" else STATES[one.state])
    return table


def _trouble(one: Trouble, now: float) -> list[Text]:
    newest = one.newest
    when = "no time" if newest.at is None else ago(newest.at, now)
    times = f"{one.times}×" if one.times > 1 else ""
    return [_plain(text) for text in (when, newest.severity, newest.name, times, newest.text)]


def _plain(text: str, style: str = "") -> Text:
    """Render foreign text on one line, without markup and control characters."""
    return Text(one_line(text, substitute="\N{REPLACEMENT CHARACTER}"), style=style)
