"""Deployments of ModelArts and PAI EAS services: phases as durations and as "stuck since", failures by phase, scaling."""

from grafana.builder.boards import parts
from grafana.builder.boards.parts import TSR, counted, grown, named, number, open_phases, quantile, select, zero
from grafana.builder.model import Board, Panel, Query, Row
from grafana.builder.rules import SERVICES

PHASES = {
    "artifact_download": "semi-dark-purple",
    "image_building": "purple",
    "environment_preparation": "blue",
    "resource_scheduling": "orange",
    "image_pulling": "yellow",
    "model_startup": "green",
    "instance_startup": "dark-green",
}
THREE = "PAI EAS has three phases, of which instance_startup includes scheduling and pulling."
_RUNS = select("platform_runs_total")
_FAILED = select("platform_runs_total", 'outcome="failure"')
_LONG = select("platform_run_duration_seconds_bucket")
_PHASE = select("platform_phase_duration_seconds_bucket")
_COUNT = select("platform_phase_duration_seconds_count", 'outcome="failure"')
_OPEN = open_phases()
_ALLOWED = "max by (source, phase) (platform_phase_timeout_seconds)"
_SCALED = select("platform_events_total", 'reason=~"Scaled|ScalingFailed|ServiceScaling"')
_BAD = select("platform_events_total", 'severity=~"warning|error"')

NOW = Row(
    "Now",
    (
        number("Failed", "Deployments that failed in this time range.", counted(_FAILED, "$__range"), parts.ANY),
        number(
            "Succeeded",
            "Deployments that succeeded in this time range.",
            counted(select("platform_runs_total", 'outcome="success"'), "$__range"),
            parts.PLAIN,
        ),
        number(
            "Under way",
            "Services whose deployment is in one of its phases now.",
            zero(f"count(max by ({TSR}) ({_OPEN}))"),
            parts.PLAIN,
        ),
        number(
            "Stuck",
            "Open phases that take longer than the mapping file allows.",
            zero(f"count(({_OPEN}) > on (source, phase) group_left () {_ALLOWED})"),
            parts.ANY,
        ),
        number(
            "Longest open phase",
            "How long the phase that is open longest has been open.",
            zero(f"max({_OPEN})"),
            parts.PLAIN,
            unit="s",
        ),
        number(
            "Duration p50",
            "Half of the deployments that ended in this time range took no longer.",
            quantile(0.5, _LONG, "", "$__range"),
            parts.PLAIN,
            unit="s",
            absent=("none ended", parts.GREY),
        ),
        Panel(
            title="Open phases",
            kind="table",
            about=f"Services and the phase they are in, the longest first, with what the mapping file allows; {THREE}",
            queries=(
                Query(named(f"({_OPEN})", TSR), "Stuck since"),
                Query(
                    f"({named(f'({_OPEN})', TSR)}) * 0 + on (source, phase) group_left () {_ALLOWED}",
                    "Allowed",
                ),
                Query(f"({named(f'({_OPEN})', TSR)}) / on (source, phase) group_left () {_ALLOWED}", "Used"),
            ),
            width=24,
            height=6,
            columns={"source": "Source", "name": "Service", "phase": "Phase", "target": "Target"},
            units={"Stuck since": "s", "Allowed": "s", "Used": "percentunit"},
            marks={"Used": ((None, parts.GREEN), (1, parts.RED))},
            sort="Used",
        ),
    ),
)
TIMES = Row(
    "Phases",
    (
        Panel(
            title="How long each phase takes, p90",
            kind="ranking",
            about=f"Time within which 90% of the deployments finished each phase, over this time range; {THREE}",
            queries=(
                Query(f"sort_desc({quantile(0.9, _PHASE, 'source, phase', '$__range')})", "{{source}} {{phase}}"),
            ),
            unit="s",
            steps=parts.PLAIN,
        ),
        Panel(
            title="Phases over time, p90",
            kind="timeseries",
            about="Time within which 90% finished each phase, of those that ended within the hour before and of all chosen sources.",
            queries=(Query(quantile(0.9, _PHASE, "phase", "1h"), "{{phase}}"),),
            unit="s",
            colours=PHASES,
        ),
    ),
)
ENDS = Row(
    "Outcomes",
    (
        parts.outcomes(
            "Deployments by outcome", "Deployments by how they ended, at least ten minutes to a bar.", _RUNS
        ),
        Panel(
            title="Failures by phase",
            kind="bars",
            about="In which phase deployments failed, at least ten minutes to a bar; what failed in none of them is among Deployments by outcome alone.",
            queries=(Query(f"{grown(_COUNT, 'phase')} > 0", "{{phase}}"),),
            interval="10m",
            stacked=True,
            colours=PHASES,
            decimals=0,
        ),
        Panel(
            title="Scaling",
            kind="bars",
            about=(
                "How often instances were added or taken away, at least ten minutes to a bar: what autoscaling policies of"
                " ModelArts services (v2) made or failed to make, and each time PAI EAS began to scale (ServiceScaling),"
                " which reports no failure of it; ModelArts services (v1) report nothing of it."
            ),
            queries=(Query(f"{grown(_SCALED, 'reason')} > 0", "{{reason}}"),),
            interval="10m",
            stacked=True,
            colours={"Scaled": "green", "ServiceScaling": "blue", "ScalingFailed": "red"},
            decimals=0,
        ),
        Panel(
            title="Warnings and errors by reason",
            kind="ranking",
            about="The reasons that warnings and errors of services gave most often in this time range.",
            queries=(Query(f"topk(10, {grown(_BAD, 'reason', '$__range')} > 0.5)", "{{reason}}"),),
            steps=((None, parts.ORANGE),),
            decimals=0,
        ),
        Panel(
            title="How long deployments take",
            kind="timeseries",
            about="The 50th and 90th percentile (p50, p90) of the deployments that ended within the hour before, by outcome.",
            queries=(
                Query(quantile(0.5, _LONG, "outcome", "1h"), "{{outcome}} p50"),
                Query(quantile(0.9, _LONG, "outcome", "1h"), "{{outcome}} p90"),
            ),
            unit="s",
        ),
    ),
)
BOARD = Board(
    uid="platform-events-services",
    title="Platform events / Service deployments",
    about="Deployments of ModelArts services of both generations and of PAI EAS services: where they are, how long each phase takes, and where they fail.",
    variables=(*parts.PLACES, parts.TARGET, parts.source_variable(SERVICES)),
    rows=(NOW, TIMES, ENDS),
    page="/events?severity=trouble",
)
