"""What is going wrong now, by target and source, and what is blind."""

from exporter.model.builtin_metrics import BUILTIN
from grafana.builder.boards import parts
from grafana.builder.boards.parts import TR, TS, TSR, counted, grown, most, number, select, zero
from grafana.builder.model import Board, Panel, Query, Row, Variable
from grafana.builder.rules import LIMIT, USUAL, WARNINGS

STATE = 'state="abnormal"'
BAD = 'severity=~"warning|error"'
_EVENTS = select("platform_events_total")
_BAD = select("platform_events_total", BAD)
_RESOURCES = select("platform_resource_events_total", BAD)
_ERRORS = select("platform_events_total", 'severity="error"')
_FAILED = select("platform_runs_total", 'outcome="failure"')
_ABNORMAL = f"max by ({TR}) ({select('platform_pool_nodes', STATE, source='')})"
_UP = select("platform_exporter_target_up")
_POOLS_UP = select("platform_exporter_target_up", source='="modelarts_pool"')
_LAST = select("platform_last_event_timestamp_seconds", BAD)
_POLLED = select("platform_exporter_poll_last_success_timestamp_seconds")
_STARTED = select("platform_phase_started_timestamp_seconds", 'phase!="abnormal"')
_LATE = (
    f"(time() - max by ({TSR}, phase) ({_STARTED}))"
    " > on (source, phase) group_left () max by (source, phase) (platform_phase_timeout_seconds)"
)
_OWN = "|".join(sorted({name.removesuffix("_info") for name in BUILTIN} | set(BUILTIN)))


def _chosen(record: str) -> str:
    return f'{record}{{target=~"$target",source=~"$source"}}'


NOW = Row(
    "Now",
    (
        parts.exporters(width=3),
        number(
            "Blind sources",
            "Sources whose last read failed: what happens there is not seen.",
            f"count(max by ({TS}) ({_UP}) == 0) or 0 * count({_UP})",
            parts.ANY,
            width=3,
            absent=("no exporter", parts.RED),
            page="/sources",
        ),
        number(
            "Behind by",
            "How far reading is behind at the source that is furthest behind; everything before is complete.",
            f"max(time() - {select('platform_exporter_complete_until_timestamp_seconds')})",
            ((None, parts.GREEN), (900, parts.RED)),
            unit="s",
            width=3,
            page="/sources",
        ),
        number(
            "Warnings and errors",
            "Events of severity warning or error that were seen in the last ten minutes; 5 from a quiet source raise an alert.",
            counted(_BAD, "10m"),
            parts.BURST,
            page="/events?severity=trouble",
        ),
        number(
            "Failed runs",
            "Jobs, deployments and operations that failed in the last hour.",
            counted(_FAILED, "1h"),
            parts.ANY,
        ),
        number(
            "Abnormal nodes",
            "Nodes of resource pools that are abnormal now.",
            f"sum({_ABNORMAL}) or 0 * (max({_UP}) == 1 unless max({_POOLS_UP}) == 0)",
            parts.ANY,
        ),
        number(
            "Stuck phases",
            "Open phases that take longer than the mapping file allows.",
            zero(f"count({_LATE})"),
            parts.ANY,
            width=3,
        ),
        Panel(
            title="By target and source",
            page="/sources",
            kind="table",
            about="Every source with what went wrong there; the worst first.",
            queries=(
                Query(counted(_BAD, "10m", by=TS), "Warnings 10 min"),
                Query(counted(_ERRORS, "1h", by=TS), "Errors 1 h"),
                Query(counted(_FAILED, "1h", by=TS), "Failed runs 1 h"),
                Query(f"time() - max by ({TS}) ({_LAST})", "Last warning"),
                Query(f"time() - max by ({TS}) ({_POLLED})", "Last poll"),
                Query(f"max by ({TS}) ({_UP})", "Up"),
            ),
            width=24,
            height=8,
            columns={"target": "Target", "source": "Source"},
            units={"Last warning": "s", "Last poll": "s"},
            marks={
                "Warnings 10 min": parts.BURST,
                "Errors 1 h": parts.ANY,
                "Failed runs 1 h": parts.ANY,
                "Up": ((None, parts.RED), (0.5, parts.GREEN)),
            },
            links={
                "Source": "/d/platform-events-exporter?${__url_time_range}&var-target=${__data.fields.Target}&var-source=${__data.fields.Source}"
            },
            words={"Up": ("no", "yes")},
            sort="Warnings 10 min",
        ),
    ),
)
COURSE = Row(
    "Warnings and errors",
    (
        Panel(
            title="Warnings and errors by source",
            page="/events?severity=trouble",
            kind="bars",
            about="Events of severity warning or error as they were seen, at least ten minutes to a bar.",
            queries=(Query(grown(_BAD, TS), "{{target}} {{source}}", exemplar=True),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Against the usual number",
            kind="timeseries",
            about="Warnings and errors in ten minutes beside what is far above the mean of the last day; needs the recording rules.",
            queries=(
                Query(_chosen(WARNINGS.name), "{{target}} {{source}}"),
                Query(f"max({_chosen(LIMIT.name)} and on ({TS}) {_chosen(USUAL.name)} >= 0)", "highest limit"),
            ),
            colours={"highest limit": parts.RED},
            decimals=0,
        ),
        Panel(
            title="Most frequent reasons",
            page="/events?severity=trouble",
            kind="ranking",
            about="The ten reasons that warnings and errors gave most often in this time range.",
            queries=(Query(most(10, grown(_BAD, "source, reason", "$__range")), "{{source}} {{reason}}"),),
            steps=((None, parts.ORANGE),),
            decimals=0,
        ),
        Panel(
            title="Resources with most warnings",
            page="/events?severity=trouble",
            kind="ranking",
            about="The ten jobs, pools, services and clusters with most warnings and errors in this time range.",
            queries=(Query(most(10, grown(_RESOURCES, TSR, "$__range"), by=TSR), "{{source}} {{name}}"),),
            steps=((None, parts.ORANGE),),
            decimals=0,
        ),
    ),
)
ALL = Row(
    "Everything",
    (
        Panel(
            title="All events by severity",
            kind="bars",
            about="Every event that was seen, mapped or not, at least ten minutes to a bar.",
            queries=(Query(grown(_EVENTS, "severity"), "{{severity}}"),),
            interval="10m",
            stacked=True,
            colours=parts.SEVERITIES,
            decimals=0,
        ),
        Panel(
            title="Resources by state",
            kind="timeseries",
            about="How many resources the vendors list in each state.",
            queries=(
                Query(
                    f"sum by (source, status) (max by ({TS}, status) ({select('platform_resources')})) > 0",
                    "{{source}} {{status}}",
                ),
            ),
            stacked=True,
            decimals=0,
        ),
    ),
)
OWN = Row(
    "Metrics of your own mapping files",
    (
        Panel(
            title="$own_counter",
            kind="bars",
            about="A counter that a mapping file of yours declares, at least ten minutes to a bar.",
            queries=(
                Query(
                    'sum by (target, source) (increase({__name__="$own_counter",target=~"$target",target!=""}[$__rate_interval]))',
                    "{{target}} {{source}}",
                ),
            ),
            interval="10m",
            decimals=0,
            repeat="own_counter",
        ),
        Panel(
            title="$own_gauge",
            kind="timeseries",
            about="A gauge that a mapping file of yours declares.",
            queries=(
                Query(
                    'max by (target, source) ({__name__="$own_gauge",target=~"$target",target!=""})',
                    "{{target}} {{source}}",
                ),
            ),
            repeat="own_gauge",
        ),
    ),
)
_SERIES = f"label_values(platform_exporter_series{{{parts.WHERE}}}, metric)"
BOARD = Board(
    uid="platform-events-overview",
    title="Platform events / Overview",
    about="What is going wrong now on the managed platforms, by target and source, and what is not being seen.",
    variables=(
        *parts.PLACES,
        parts.TARGET,
        parts.source_variable(),
        Variable("own_counter", "Own counters", _SERIES, f"/^(?!(?:{_OWN})$)(?!platform_exporter_).+_total$/", None),
        Variable("own_gauge", "Own gauges", _SERIES, f"/^(?!(?:{_OWN})$)(?!platform_exporter_)(?!.+_total$).+$/", None),
    ),
    rows=(NOW, COURSE, ALL, OWN),
    since="now-6h",
)
