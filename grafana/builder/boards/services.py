"""Deployments of ModelArts services: five phases as durations and as "stuck since", failures by phase."""

from grafana.builder.boards import parts
from grafana.builder.boards.parts import TSR, counted, grown, named, number, open_phases, quantile, select, zero
from grafana.builder.model import Board, Panel, Query, Row

SERVICES = '=~"modelarts_service(_v2)?"'  # of both generations
PHASES = {
    "image_building": "purple",
    "environment_preparation": "blue",
    "resource_scheduling": "orange",
    "image_pulling": "yellow",
    "model_startup": "green",
}
FIVE = f'phase=~"{"|".join(PHASES)}"'
_RUNS = select("platform_runs_total", source=SERVICES)
_FAILED = select("platform_runs_total", 'outcome="failure"', source=SERVICES)
_LONG = select("platform_run_duration_seconds_bucket", source=SERVICES)
_PHASE = select("platform_phase_duration_seconds_bucket", FIVE, source=SERVICES)
_COUNT = select("platform_phase_duration_seconds_count", FIVE, 'outcome="failure"', source=SERVICES)
_OPEN = open_phases(FIVE, SERVICES)
_ALLOWED = f"max by (source, phase) (platform_phase_timeout_seconds{{source{SERVICES}}})"
_SCALED = select("platform_events_total", 'reason=~"Scaled|ScalingFailed"', source='="modelarts_service_v2"')
_BAD = select("platform_events_total", 'severity=~"warning|error"', source=SERVICES)

NOW = Row(
    "Now",
    (
        number(
            "Failed", "Deployments that failed in this time range.", counted(_FAILED, "$__range", SERVICES), parts.ANY
        ),
        number(
            "Succeeded",
            "Deployments that succeeded in this time range.",
            counted(select("platform_runs_total", 'outcome="success"', source=SERVICES), "$__range", SERVICES),
            parts.PLAIN,
        ),
        number(
            "Under way",
            "Deployments that are in one of the five phases now.",
            zero(f"count({_OPEN})", SERVICES),
            parts.PLAIN,
        ),
        number(
            "Stuck",
            "Open phases that take longer than the mapping file allows.",
            zero(f"count(({_OPEN}) > on (source, phase) group_left () {_ALLOWED})", SERVICES),
            parts.ANY,
        ),
        number(
            "Longest open phase",
            "How long the phase that is open longest has been open.",
            zero(f"max({_OPEN})", SERVICES),
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
            about="Services and the phase they are in, the longest first, with what the mapping file allows.",
            queries=(
                Query(named(f"({_OPEN})", TSR, SERVICES), "Stuck since"),
                Query(
                    f"({named(f'({_OPEN})', TSR, SERVICES)}) * 0 + on (source, phase) group_left () {_ALLOWED}",
                    "Allowed",
                ),
                Query(f"({named(f'({_OPEN})', TSR, SERVICES)}) / on (source, phase) group_left () {_ALLOWED}", "Used"),
            ),
            width=24,
            height=6,
            columns={"target": "Target", "name": "Service", "phase": "Phase"},
            units={"Stuck since": "s", "Allowed": "s", "Used": "percentunit"},
            marks={"Used": ((None, parts.GREEN), (1, parts.RED))},
            sort="Used",
        ),
    ),
)
TIMES = Row(
    "The five phases",
    (
        Panel(
            title="How long each phase takes, p90",
            kind="ranking",
            about="Time within which 90% of the deployments finished each phase, over this time range.",
            queries=(Query(f"sort_desc({quantile(0.9, _PHASE, 'phase', '$__range')})", "{{phase}}"),),
            unit="s",
            steps=parts.PLAIN,
        ),
        Panel(
            title="Phases over time, p90",
            kind="timeseries",
            about="Time within which 90% finished each phase, of those that ended within the hour before.",
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
            about="In which phase deployments failed, at least ten minutes to a bar.",
            queries=(Query(f"{grown(_COUNT, 'phase')} > 0", "{{phase}}"),),
            interval="10m",
            stacked=True,
            colours=PHASES,
            decimals=0,
        ),
        Panel(
            title="Autoscaling",
            kind="bars",
            about="Changes of the number of instances by autoscaling policies that were made or failed, at least ten minutes to a bar.",
            queries=(Query(f"{grown(_SCALED, 'reason')} > 0", "{{reason}}"),),
            interval="10m",
            stacked=True,
            colours={"Scaled": "green", "ScalingFailed": "red"},
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
    about="Deployments of ModelArts services: where they are, how long each of the five phases takes, and where they fail.",
    variables=(*parts.PLACES, parts.TARGET),
    rows=(NOW, TIMES, ENDS),
    page="/events?source=modelarts_service",
    source="modelarts_service",
)
