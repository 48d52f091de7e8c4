"""The command top: a live view of a running exporter on a terminal.

It reads the JSON API and nothing else.
"""

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from exporter.cli.console import SEVERITY_STYLES
from exporter.common.text import ago, clock, lasting, one_line
from exporter.model.errors import ExporterError
from exporter.web.formatting import describe_hour
from exporter.web.views import Overview, SourceView, Trouble

INTERVAL = 2.0  # seconds between two requests
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


def connect(address: ExporterAddress) -> httpx.AsyncClient:
    """Make the HTTP client. Raises Unanswered if the CA cannot be used."""
    try:
        verify: ssl.SSLContext | bool = (
            ssl.create_default_context(cafile=address.ca) if address.ca else not address.insecure
        )
    except OSError:
        raise Unanswered(f"{address.ca}: holds no certificate in PEM form; correct --ca-file") from None
    auth = (address.user, address.password) if address.user else None
    return httpx.AsyncClient(verify=verify, auth=auth, timeout=TIMEOUT, trust_env=False)


async def fetch_overview(client: httpx.AsyncClient, url: str) -> bytes:
    """Fetch the overview as JSON. Raises Unanswered with one line."""
    try:
        answer = await client.get(f"{url.rstrip('/')}/api/v1/overview")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unanswered(f"{url}: no answer ({error}); is the exporter running there?") from None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise Unanswered(f"{url}: the password was refused; give --user and --password-file")
    if answer.status_code != httpx.codes.OK:
        raise Unanswered(f"{url}: answered {answer.status_code}; is this the base URL, with its prefix?")
    return answer.content


def read_overview(body: bytes, url: str) -> Overview:
    """Read the overview in an answer. Raises Unanswered."""
    try:
        return msgspec.json.decode(body, type=Overview)
    except msgspec.MsgspecError:
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
    """Render an overview for a terminal."""
    head = _plain(f"platform-events-exporter {overview.version} at {clock(overview.now, overview.now)} UTC", "bold")
    parts: list[RenderableType] = [head]
    parts += [_plain(notice, "yellow") for notice in overview.notices]
    parts += [Text(""), _sources(overview)]
    for one in overview.sources:
        if one.state in STATE_WORDS and one.failure is not None:
            parts.append(
                _plain(f"{one.target}/{one.source} {STATE_WORDS[one.state]}: {one.failure.text}", STATES[one.state])
            )
    for loss in overview.losses:
        if loss.over is None:
            text = f"{loss.name} lost {loss.lost} node(s) {ago(loss.at, overview.now)} and they are still missing"
            parts.append(_plain(text, "bold red"))
    parts += [Text(""), _troubles(overview)]
    if overview.unmapped:
        parts.append(Text(f"{len(overview.unmapped)} texts have no rule; see /unmapped", style="yellow"))
    return Group(*parts)


def _sources(overview: Overview) -> Table:
    table = Table("source", "state", "last success", "lag", "next poll", "resources", "new", "last hour", box=None)
    for one in overview.sources:
        table.add_row(*_cells(one, overview.now), style="" if one.state == "ok" else STATES[one.state])
    return table


def _cells(one: SourceView, now: float) -> list[str]:
    return [
        f"{one.target}/{one.source}",
        STATE_WORDS.get(one.state, one.state),
        "never" if one.success is None else ago(one.success, now),
        "" if one.lag is None else lasting(one.lag),
        "" if one.next is None else ago(max(one.next, now), now).replace("0 s ago", "now"),
        "" if one.resources is None else str(one.resources),
        str(one.new),
        describe_hour(one.last_hour).removesuffix(" in the last hour"),
    ]


def _troubles(overview: Overview) -> Table:
    table = Table("newest warnings and errors", "", "resource", "times", "what happened", box=None)
    for one in overview.troubles:
        table.add_row(*_trouble(one, overview.now), style=SEVERITY_STYLES.get(one.newest.severity, ""))
    return table


def _trouble(one: Trouble, now: float) -> list[Text]:
    newest = one.newest
    when = "no time" if newest.at is None else ago(newest.at, now)
    texts = (when, newest.severity, newest.name, str(one.times), newest.text)
    return [_plain(text) for text in texts]


def _plain(text: str, style: str = "") -> Text:
    """Render foreign text on one line, without markup and control characters."""
    return Text(one_line(text, substitute="\N{REPLACEMENT CHARACTER}"), style=style)
