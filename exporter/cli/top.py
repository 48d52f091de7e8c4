"""The live view of a running exporter on a terminal: its sources, their lag, what is wrong. Reads the JSON API, nothing else."""

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

from exporter.common.text import ago, clock, lasting
from exporter.model.errors import ExporterError
from exporter.web.formatting import hour
from exporter.web.views import Overview, SourceView, Trouble

PAUSE, PATIENCE = 2.0, 5.0  # seconds between two looks, and until an answer is given up
STATES = {"ok": "green", "waiting": "dim", "partly": "yellow", "failing": "bold red"}
WORDS = {"partly": "partly blind", "failing": "blind"}
SEVERITIES = {"warning": "yellow", "error": "bold red"}


class Unanswered(ExporterError):
    """The exporter was not reached, or did not give what was asked."""


class ExporterAddress(NamedTuple):
    """How the exporter is reached. ``ca`` is a file with the CA of its certificate; ``insecure``: whoever it is."""

    url: str
    user: str = ""
    password: str = ""
    ca: Path | None = None
    insecure: bool = False


def connect(way: ExporterAddress) -> httpx.AsyncClient:
    """A client. Raises Unanswered if the CA cannot be used."""
    try:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=way.ca) if way.ca else not way.insecure
    except OSError:
        raise Unanswered(f"{way.ca}: holds no certificate in PEM form; correct --ca-file") from None
    auth = (way.user, way.password) if way.user else None
    return httpx.AsyncClient(verify=verify, auth=auth, timeout=PATIENCE, trust_env=False)


async def look(client: httpx.AsyncClient, url: str) -> bytes:
    """The overview, as JSON. Raises Unanswered with one line."""
    try:
        answer = await client.get(f"{url.rstrip('/')}/api/v1/overview")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unanswered(f"{url}: no answer ({error}); is the exporter running there?") from None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise Unanswered(f"{url}: the password was refused; give --user and --password-file")
    if answer.status_code != httpx.codes.OK:
        raise Unanswered(f"{url}: answered {answer.status_code}; is this the base URL, with its prefix?")
    return answer.content


def read(body: bytes, url: str) -> Overview:
    """The overview of an answer. Raises Unanswered."""
    try:
        return msgspec.json.decode(body, type=Overview)
    except msgspec.MsgspecError:
        raise Unanswered(f"{url}: is not this exporter, or of another version; use the same version") from None


async def once(way: ExporterAddress) -> bytes:
    """One look."""
    async with connect(way) as client:
        body = await look(client, way.url)
        read(body, way.url)
        return body


async def watch(way: ExporterAddress, console: Console) -> None:
    """Until Ctrl-C. Once it was reached, an exporter that is away for a while is waited for."""
    async with connect(way) as client:
        shown = render(read(await look(client, way.url), way.url))
        with Live(shown, console=console, auto_refresh=False, screen=True) as live:
            while True:
                await asyncio.sleep(PAUSE)
                try:
                    shown = render(read(await look(client, way.url), way.url))
                    live.update(shown, refresh=True)
                except Unanswered as error:
                    live.update(Group(Text(str(error), style="bold red"), shown), refresh=True)


def render(overview: Overview) -> RenderableType:
    """An overview for a terminal."""
    head = _plain(f"platform-events-exporter {overview.version} at {clock(overview.now, overview.now)} UTC", "bold")
    parts: list[RenderableType] = [head]
    parts += [_plain(notice, "yellow") for notice in overview.notices]
    parts += [Text(""), _sources(overview)]
    for one in overview.sources:
        if one.state in WORDS and one.failure is not None:
            parts.append(_plain(f"{one.target}/{one.source} {WORDS[one.state]}: {one.failure.text}", STATES[one.state]))
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
        WORDS.get(one.state, one.state),
        "never" if one.success is None else ago(one.success, now),
        "" if one.lag is None else lasting(one.lag),
        "" if one.next is None else ago(max(one.next, now), now).replace("0 s ago", "now"),
        "" if one.resources is None else str(one.resources),
        str(one.new),
        hour(one.last_hour).removesuffix(" in the last hour"),
    ]


def _troubles(overview: Overview) -> Table:
    table = Table("newest warnings and errors", "", "resource", "times", "what happened", box=None)
    for one in overview.troubles:
        table.add_row(*_trouble(one, overview.now), style=SEVERITIES.get(one.newest.severity, ""))
    return table


def _trouble(one: Trouble, now: float) -> list[Text]:
    newest = one.newest
    when = "no time" if newest.at is None else ago(newest.at, now)
    texts = (when, newest.severity, newest.name, str(one.times), newest.text)
    return [_plain(text) for text in texts]


def _plain(text: str, style: str = "") -> Text:
    """What a vendor writes in one line: never read as markup, and nothing in it reaches the terminal as a command."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))
    return Text(shown, style=style)
