"""Operations of DWS clusters, backups and disaster recovery: outcomes, durations, warnings."""

from grafana.builder.boards import parts
from grafana.builder.boards.parts import TSR, counted, grown, most, named, number, open_phases, quantile, select, zero
from grafana.builder.model import Board, Panel, Query, Row

DWS, ALARMS = '="dws"', '="dws_alarm"'
_RUNS = select("platform_runs_total", source=DWS)
_LONG = select("platform_run_duration_seconds_bucket", source=DWS)
_EVENTS = select("platform_events_total", source=DWS)
_BAD = select("platform_events_total", 'severity=~"warning|error"', source=DWS)
_CLUSTERS = select("platform_resources", 'status=~"AVAILABLE|ACTIVE"', source=DWS)
_RESOURCES = select("platform_resource_events_total", 'severity=~"warning|error"', source=DWS)
_OPEN = open_phases('phase=~"urgent_alarm|important_alarm|minor_alarm"', source=ALARMS)
_RAISED = select("platform_events_total", 'reason!="AlarmCleared"', source=ALARMS)


def ended(outcome: str) -> str:
    """Operations that ended so."""
    return select("platform_runs_total", f'outcome="{outcome}"', source=DWS)


def told(severity: str) -> str:
    """Events of a severity."""
    return select("platform_events_total", f'severity="{severity}"', source=DWS)


NOW = Row(
    "Now",
    (
        number(
            "Failed operations",
            "Operations that failed in this time range.",
            counted(ended("failure"), "$__range", DWS),
            parts.ANY,
        ),
        number(
            "Succeeded",
            "Operations that succeeded in this time range.",
            counted(ended("success"), "$__range", DWS),
            parts.PLAIN,
        ),
        number(
            "Errors",
            "Events of severity error in this time range: what was asked for did not happen.",
            counted(told("error"), "$__range", DWS),
            parts.ANY,
        ),
        number(
            "Warnings",
            "Events of severity warning in this time range: it may recover by itself.",
            counted(told("warning"), "$__range", DWS),
            parts.NOTE,
        ),
        number(
            "Duration p50",
            "Half of the operations that ended in this time range took no longer.",
            quantile(0.5, _LONG, "", "$__range"),
            parts.PLAIN,
            unit="s",
            absent=("none ended", parts.GREY),
        ),
        number(
            "Clusters",
            "Clusters that the vendor lists as available.",
            zero(f"sum(max by (target) ({_CLUSTERS}))", DWS),
            parts.PLAIN,
        ),
    ),
)
OPERATIONS = Row(
    "Operations",
    (
        parts.outcomes("Operations by outcome", "Operations by how they ended, at least ten minutes to a bar.", _RUNS),
        Panel(
            title="How long operations take",
            kind="timeseries",
            about="The 50th and 90th percentile (p50, p90) of the operations that ended within the hour before, by outcome.",
            queries=(
                Query(quantile(0.5, _LONG, "outcome", "1h"), "{{outcome}} p50"),
                Query(quantile(0.9, _LONG, "outcome", "1h"), "{{outcome}} p90"),
            ),
            unit="s",
        ),
        Panel(
            title="Warnings and errors by reason",
            kind="bars",
            about="Which operations failed and what became abnormal, at least ten minutes to a bar.",
            queries=(Query(f"{grown(_BAD, 'reason')} > 0", "{{reason}}", exemplar=True),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="What happened",
            kind="ranking",
            about="The fifteen most frequent events in this time range, whatever their severity.",
            queries=(Query(most(15, grown(_EVENTS, "reason", "$__range")), "{{reason}}"),),
            steps=parts.PLAIN,
            decimals=0,
        ),
        Panel(
            title="Clusters, backups and others with warnings",
            kind="table",
            about="What had warnings or errors in this time range, with how long ago the newest event of a resource was seen.",
            queries=(Query(named(f"({grown(_RESOURCES, TSR, '$__range')} > 0.5)", TSR, DWS), "Warnings and errors"),),
            width=24,
            columns={"target": "Target", "name": "Name", "resource": "Id"},
            marks={"Warnings and errors": parts.NOTE},
            sort="Warnings and errors",
        ),
    ),
)
WARNED = Row(
    "Alarms",
    (
        Panel(
            title="Open alarms",
            kind="table",
            about="Clusters with open alarms by level, but for prompt ones, with how long ago the oldest of each was raised.",
            queries=(Query(named(f"({_OPEN})", TSR, ALARMS), "Open for"),),
            columns={"target": "Target", "name": "Name", "phase": "Level", "resource": "Id"},
            units={"Open for": "s"},
            marks={"Open for": parts.NOTE},
            sort="Open for",
        ),
        Panel(
            title="Alarms raised",
            kind="bars",
            about="Alarms by their definition, at least ten minutes to a bar; the pack of dws_alarm says what each means.",
            queries=(Query(f"{grown(_RAISED, 'reason')} > 0", "{{reason}}"),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
    ),
)
BOARD = Board(
    uid="platform-events-dws",
    title="Platform events / DWS",
    about="Operations of DWS clusters, backups and disaster recovery: how they end, how long they take, what became abnormal, and which alarms are open.",
    variables=(*parts.PLACES, parts.TARGET),
    rows=(NOW, OPERATIONS, WARNED),
    page="/events?source=dws",
    source="dws",
)
