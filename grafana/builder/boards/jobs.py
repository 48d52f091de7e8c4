"""Training jobs of ModelArts, DLC jobs and sessions of notebook instances of PAI: states, outcomes, durations, failures and slow phases."""

from grafana.builder.boards import parts
from grafana.builder.boards.parts import (
    TS,
    TSR,
    counted,
    grown,
    most,
    named,
    number,
    open_phases,
    quantile,
    select,
    zero,
)
from grafana.builder.model import Board, Panel, Query, Row
from grafana.builder.rules import JOBS, NOTEBOOKS

_RUNS = select("platform_runs_total")
_FAILED = select("platform_runs_total", 'outcome="failure"')
_LISTED = select("platform_resources")
_RUNNING = select("platform_resources", 'status="Running"')
_REASONS = select("platform_run_failures_total")
_PHASES = select("platform_phase_duration_seconds_bucket")
_LONG = select("platform_run_duration_seconds_bucket")
_BAD = select("platform_events_total", 'severity=~"warning|error"')
_STARTED = open_phases()

NOW = Row(
    "Now",
    (
        number(
            "Running",
            "Jobs that the vendor lists as running now.",
            zero(f"sum(max by ({TS}) ({_RUNNING}))"),
            parts.PLAIN,
        ),
        number("Ended", "Jobs that ended in this time range.", counted(_RUNS, "$__range"), parts.PLAIN),
        number("Failed", "Jobs that failed in this time range.", counted(_FAILED, "$__range"), parts.ANY),
        number(
            "Failed, share",
            "Failed jobs among those that ended in this time range.",
            f"{grown(_FAILED, over='$__range')} / ({grown(_RUNS, over='$__range')} > 0)",
            parts.PLAIN,
            unit="percentunit",
            absent=("none ended", parts.GREY),
        ),
        number(
            "Duration p50",
            "Half of the jobs that ended in this time range took no longer.",
            quantile(0.5, _LONG, "", "$__range"),
            parts.PLAIN,
            unit="s",
            absent=("none ended", parts.GREY),
        ),
        number(
            "Longest open phase",
            "How long the phase that is open longest has been open.",
            zero(f"max({_STARTED})"),
            parts.PLAIN,
            unit="s",
        ),
    ),
)
ENDS = Row(
    "States and outcomes",
    (
        Panel(
            title="Jobs by state",
            kind="timeseries",
            about="How many jobs the vendor lists in each state.",
            queries=(
                Query(f"sum by (source, status) (max by ({TS}, status) ({_LISTED})) > 0", "{{source}} {{status}}"),
            ),
            stacked=True,
            decimals=0,
        ),
        parts.outcomes("Jobs that ended, by outcome", "Jobs by how they ended, at least ten minutes to a bar.", _RUNS),
        Panel(
            title="Failures by reason",
            kind="ranking",
            about="Why the jobs that failed in this time range did so: their first failure, else the vendor's listing.",
            queries=(Query(most(10, grown(_REASONS, "source, reason", "$__range")), "{{source}} {{reason}}"),),
            steps=((None, parts.RED),),
            decimals=0,
        ),
        Panel(
            title="Warnings and errors by reason",
            kind="bars",
            about="Restarts, preemptions, evictions, failed pulls and what else went wrong, at least ten minutes to a bar.",
            queries=(Query(f"{grown(_BAD, 'reason')} > 0", "{{reason}}"),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
    ),
)
TIMES = Row(
    "Durations and phases",
    (
        Panel(
            title="How long jobs took",
            kind="timeseries",
            about="The 50th and 90th percentile (p50, p90) of the jobs that ended within the hour before.",
            queries=(
                Query(quantile(0.5, _LONG, "source", "1h"), "{{source}} p50"),
                Query(quantile(0.9, _LONG, "source", "1h"), "{{source}} p90"),
            ),
            unit="s",
        ),
        Panel(
            title="Slowest phases, p90",
            kind="ranking",
            about="Time within which 90% of the jobs finished each phase, over this time range.",
            queries=(
                Query(f"sort_desc({quantile(0.9, _PHASES, 'source, phase', '$__range')})", "{{source}} {{phase}}"),
            ),
            unit="s",
            steps=parts.PLAIN,
        ),
        Panel(
            title="Open phases",
            kind="table",
            about="Jobs and the phase they are in, the longest first, with what the mapping file allows.",
            queries=(
                Query(f"topk(20, {named(f'({_STARTED})', TSR)})", "Open for"),
                Query(
                    f"({named(f'({_STARTED})', TSR)}) * 0 + on (source, phase) group_left () max by (source, phase) (platform_phase_timeout_seconds)",
                    "Allowed",
                ),
            ),
            width=24,
            columns={"source": "Source", "name": "Job", "phase": "Phase", "target": "Target"},
            units={"Open for": "s", "Allowed": "s"},
            sort="Open for",
        ),
    ),
)
BOARD = Board(
    uid="platform-events-jobs",
    title="Platform events / Training and DLC jobs",
    about="Training jobs and notebooks of ModelArts, DLC jobs and notebook instances of PAI: in which state they are, how they end, and where the time goes. ModelArts notebooks have states and warnings alone.",
    variables=(*parts.PLACES, parts.TARGET, parts.source_variable(f"{JOBS}|{NOTEBOOKS}")),
    rows=(NOW, ENDS, TIMES),
    page="/events?severity=error",
)
