"""What dashboards and rules are made of: frozen values, no behaviour."""

from typing import Literal

import msgspec

Kind = Literal["stat", "timeseries", "bars", "table", "ranking", "timeline"]
Step = tuple[float | None, str]
"""From this value on, this colour; the first step begins at ``None``."""


class Query(msgspec.Struct, frozen=True):
    """One expression of a panel. ``legend`` names its series, or its column in a table."""

    expr: str
    legend: str = ""
    exemplar: bool = False


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. Widths are in columns of 24, heights in grid rows.

    ``bars`` and ``timeseries`` show a range; ``stat``, ``table`` and ``ranking`` (bars by size) the newest values, and
    ``timeline`` a state as coloured time. ``interval`` is the least step of a range. ``columns`` gives a table's labels in order, with their headings; ``units`` and ``marks`` (thresholds) go by
    heading. ``words`` are what 0 and 1 are called, by heading, or for the whole panel under "". ``states`` are the words and colours of a timeline's values 0, 1, 2, and so on.
    ``page`` is the path on the exporter's web port about the same; without it that of the dashboard.
    ``absent`` is what stands where no value is known, and a stat's colour then, which is never one of those that mean fine.
    """

    title: str
    kind: Kind
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    height: int = 8
    decimals: int | None = None
    steps: tuple[Step, ...] = ()
    stacked: bool = False
    colours: dict[str, str] = {}
    interval: str | None = None
    columns: dict[str, str] = {}
    units: dict[str, str] = {}
    marks: dict[str, tuple[Step, ...]] = {}
    links: dict[str, str] = {}
    words: dict[str, tuple[str, str]] = {}
    sort: str = ""
    states: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, str] = ("nothing here, or no exporter", "#8e8e8e")
    repeat: str | None = None
    page: str = ""


class Row(msgspec.Struct, frozen=True):
    """Panels under one heading, side by side as long as there is room."""

    title: str
    panels: tuple[Panel, ...]


class Variable(msgspec.Struct, frozen=True):
    """A choice at the head of a dashboard: ``query`` is what Grafana asks, ``regex`` keeps some of the answers.

    ``every`` is what All stands for; ``None`` lists all values.
    """

    name: str
    label: str
    query: str
    regex: str = ""
    every: str | None = ".*"


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One dashboard. ``uid`` never changes: links and bookmarks hold it. ``source`` is the one that all of it is about."""

    uid: str
    title: str
    about: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    since: str = "now-24h"
    page: str = "/"
    source: str = ""


class Record(msgspec.Struct, frozen=True):
    """A recording rule. ``inline`` is the same without recorded series, for Grafana, where nothing may be recorded."""

    name: str
    expr: str
    inline: str


class Detail(msgspec.Struct, frozen=True):
    """What an alert's text adds by asking Prometheus: a word, and the values of ``label`` in the answer to ``expr``.

    ``"$name"`` in the expression is the value of that label of the alert.
    """

    word: str
    label: str
    expr: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert: while ``value`` is ``op`` ``limit`` for ``hold``. ``value`` may name records.

    ``summary`` and ``description`` are templates as Prometheus takes them. ``keep`` is how long it goes on firing after
    its value fell. ``silent``: what Grafana makes of an empty answer. ``board`` and ``panel`` are the dashboard, without
    the prefix of its uid, and the title of the panel that show it; ``page`` is the path on the exporter's web port, with
    ``{label}`` for labels of the alert. ``details`` are for Prometheus alone: Grafana's templates cannot ask.
    """

    name: str
    value: str
    op: Literal[">", "<"]
    limit: float
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    board: str
    panel: str
    page: str = ""
    details: tuple[Detail, ...] = ()
    hold: str = "0s"
    keep: str = ""
    silent: Literal["OK", "Alerting"] = "OK"


class Group(msgspec.Struct, frozen=True):
    """Rules that are evaluated together, records first."""

    name: str
    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]
