"""Resource pools of ModelArts: nodes by state, incidents, time to recover."""

from grafana.builder.boards import parts
from grafana.builder.boards.parts import (
    TR,
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
from grafana.builder.model import Board, Panel, Query, Row, Variable

POOLS = '="modelarts_pool"'
CHOSEN = 'resource=~"$pool"'
STATES = (
    ("Running", parts.GREEN), ("Creating", parts.BLUE), ("Deleting", parts.GREY),
    ("Abnormal", parts.RED), ("Error", parts.PURPLE), ("other", parts.YELLOW),
)  # fmt: skip


def nodes(state: str) -> str:
    """Nodes of the chosen pools in a state."""
    limit = [f'state="{state}"'] if state else []
    return f"max by ({TR}, state) ({select('platform_pool_nodes', CHOSEN, *limit, source='')})"


def _coded() -> str:
    """The number of the state each pool is in."""
    states = (select("platform_resource_status", CHOSEN, f'status="{state}"', source=POOLS) for state, _ in STATES)
    coded = (f"{number} * max by ({TR}) ({state})" for number, state in enumerate(states))
    return f"({' + '.join(coded)})"


_ENDED = select("platform_phase_duration_seconds_count", 'phase="abnormal"', source=POOLS)
_MENDED = select("platform_phase_duration_seconds_bucket", 'phase="abnormal"', source=POOLS)
_BAD = select("platform_resource_events_total", CHOSEN, 'severity=~"warning|error"', source=POOLS)
_OPEN = open_phases(f'phase="abnormal",{CHOSEN}', source=POOLS)

NOW = Row(
    "Now",
    (
        number("Abnormal nodes", "Nodes that are abnormal now.", zero(f"sum({nodes('abnormal')})", POOLS), parts.ANY),
        number(
            "Available nodes", "Nodes that can take work now.", zero(f"sum({nodes('available')})", POOLS), parts.PLAIN
        ),
        number(
            "Pools without a node",
            "Pools in which no node is available: nothing can start there.",
            zero(f"count({nodes('available')} == 0)", POOLS),
            parts.ANY,
        ),
        number(
            "Pools not running", "Pools in any state but Running.", zero(f"count({_coded()} > 0)", POOLS), parts.ANY
        ),
        number(
            "Incidents",
            "Times in this time range that a pool was abnormal and recovered.",
            counted(_ENDED, "$__range", POOLS),
            parts.NOTE,
        ),
        number(
            "Time to recover p50",
            "Half of the incidents that ended in this time range took no longer.",
            quantile(0.5, _MENDED, "", "$__range"),
            parts.PLAIN,
            unit="s",
            absent=("no incident", parts.GREY),
        ),
        Panel(
            title="State of each pool",
            kind="timeline",
            about="In which state the vendor has each pool, over time.",
            queries=(Query(named(_coded(), TR, POOLS), "{{name}}"),),
            width=24,
            height=6,
            states=STATES,
        ),
    ),
)
NODES = Row(
    "Nodes",
    (
        Panel(
            title="Nodes by state",
            kind="timeseries",
            about="Nodes of the chosen pools by state, from the text of their events.",
            queries=(Query(f"sum by (state) ({nodes('')})", "{{state}}"),),
            stacked=True,
            colours=parts.NODES,
            decimals=0,
        ),
        Panel(
            title="Abnormal nodes by pool",
            kind="timeseries",
            about="Which pool has abnormal nodes, and how many.",
            queries=(Query(named(f"(max by ({TR}) ({nodes('abnormal')}))", TR, POOLS), "{{name}}"),),
            decimals=0,
        ),
        Panel(
            title="Pools",
            kind="table",
            about="Every pool with its nodes by state and its warnings; the worst first.",
            queries=(
                Query(named(f"(max by ({TR}) ({nodes('abnormal')}))", TR, POOLS), "Abnormal"),
                Query(named(f"(max by ({TR}) ({nodes('available')}))", TR, POOLS), "Available"),
                Query(named(f"(max by ({TR}) ({nodes('creating')}))", TR, POOLS), "Creating"),
                Query(named(f"(max by ({TR}) ({nodes('deleting')}))", TR, POOLS), "Deleting"),
                Query(named(f"({grown(_BAD, TR, '1h')} > 0.5)", TR, POOLS), "Warnings 1 h"),
            ),
            width=24,
            columns={"target": "Target", "name": "Pool", "resource": "Id"},
            marks={
                "Abnormal": parts.ANY,
                "Available": ((None, parts.RED), (0.5, parts.GREEN)),
                "Warnings 1 h": parts.NOTE,
            },
            sort="Abnormal",
        ),
    ),
)
INCIDENTS = Row(
    "Incidents",
    (
        Panel(
            title="Changes of state",
            kind="bars",
            about="Changes from one state to another from the texts of events, at least ten minutes to a bar; a repeated event counts each time.",
            queries=(
                Query(
                    f"{grown(select('platform_pool_status_changes_total', source=''), 'from, to')} > 0",
                    "{{from}} to {{to}}",
                    exemplar=True,
                ),
            ),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Time to recover",
            kind="timeseries",
            about="The 50th and 90th percentile (p50, p90) of the incidents that ended within the hour before.",
            queries=(
                Query(quantile(0.5, _MENDED, "target", "1h"), "{{target}} p50"),
                Query(quantile(0.9, _MENDED, "target", "1h"), "{{target}} p90"),
            ),
            unit="s",
        ),
        Panel(
            title="Open incidents",
            kind="table",
            about="Pools that are abnormal, and for how long.",
            queries=(Query(named(f"({_OPEN})", TSR, POOLS), "Abnormal for"),),
            width=12,
            columns={"target": "Target", "name": "Pool", "resource": "Id"},
            units={"Abnormal for": "s"},
            sort="Abnormal for",
        ),
        Panel(
            title="Warnings by pool",
            kind="ranking",
            about="Warnings and errors of each pool in this time range; a repeated event counts each time.",
            queries=(Query(most(10, grown(_BAD, TR, "$__range"), by=TR, source=POOLS), "{{name}}"),),
            steps=((None, parts.ORANGE),),
            decimals=0,
        ),
    ),
)
SCHEDULED, JOBS = '="modelarts_scheduled"', '="modelarts_pool_job"'


def _in(state: str, source: str) -> str:
    """1 for each scheduled event, or job, that is in a state, 0 for the others."""
    status = select("platform_resource_status", f'status="{state}"', source=source)
    return named(f"(max by ({TR}) ({status}))", TR, source)


_START = select("platform_resource_scheduled_start_timestamp_seconds", source=SCHEDULED)
MAINTENANCE = Row(
    "Maintenance",
    (
        Panel(
            title="Scheduled events of nodes",
            kind="table",
            about="Repairs, reboots and maintenance of nodes of all pools: when they begin, and 1 under the state that they are in; they leave a day after their end.",
            queries=(
                Query(named(f"(max by ({TR}) ({_START}) - time())", TR, SCHEDULED), "Begins in"),
                Query(_in("inquiring", SCHEDULED), "Waits for approval"),
                Query(_in("executing", SCHEDULED), "Goes on"),
                Query(_in("failed", SCHEDULED), "Failed"),
            ),
            width=24,
            columns={"target": "Target", "name": "Node", "resource": "Id"},
            units={"Begins in": "s"},
            marks={"Waits for approval": parts.NOTE, "Failed": parts.ANY},
            sort="Waits for approval",
        ),
        Panel(
            title="Jobs on nodes",
            kind="table",
            about="Nodes that users or the platform replace, reboot or reset, in all pools: 1 under the state that a job is in; it leaves a day after its end.",
            queries=(
                Query(_in("Running", JOBS), "Goes on"),
                Query(_in("Suspended", JOBS), "Suspended"),
                Query(_in("Failed", JOBS), "Failed"),
            ),
            width=24,
            columns={"target": "Target", "name": "Job", "resource": "Id"},
            marks={"Suspended": parts.NOTE, "Failed": parts.ANY},
            sort="Failed",
        ),
    ),
)
_ASKED = f"label_values({select('platform_pool_nodes', source='')}, resource)"
BOARD = Board(
    uid="platform-events-pools",
    title="Platform events / Pools",
    about="Resource pools of ModelArts: nodes by state, incidents and how long it takes to recover.",
    variables=(*parts.PLACES, parts.TARGET, Variable("pool", "Pool", _ASKED)),
    rows=(NOW, NODES, INCIDENTS, MAINTENANCE),
    page="/sources",
    source="modelarts_pool",
)
