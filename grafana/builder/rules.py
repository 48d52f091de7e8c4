"""Every recording rule and every alert, once; ``alerting`` writes them for Prometheus and for Grafana.

Event counters are sparse: ranges hold at least ten scrapes, and a threshold stands half an event below its number, since
``increase`` is an estimate. Labels of an instance or a pod are aggregated away, so that a rollout changes nothing.
"""

from exporter.sources import SOURCES
from grafana.builder.model import Alert, Detail, Group, Record

TS, TR, TSR = "target, source", "target, resource", "target, source, resource"
JOBS, SERVICES, NOTEBOOKS = (
    "|".join(name for name, kind in SOURCES.items() if (kind.resource or kind.lists) in things)
    for things in (("job",), ("service",), ("instance", "notebook"))
)
"""The sources by what they watch or list; for rules and dashboards."""


def named(expr: str, by: str, source: str = "") -> str:
    """The expression with the label ``name``: that of the resource, or its id where no name is known."""
    info = f"max by ({by}, name) (platform_resource_info{source})"
    unnamed = f'label_replace({expr}, "name", "$1", "resource", "(.*)")'
    return f"({expr}) * on ({by}) group_left (name) {info} or on ({by}) {unnamed}"


def unusual(usual: str) -> str:
    """The number above which events are no chance any more: four standard deviations of rare events, and at least three."""
    return f"clamp_min({usual} + 4 * sqrt({usual}), 2.5)"


_WARNINGS = f'sum by ({TS}) (increase(platform_events_total{{severity=~"warning|error"}}[10m]))'
_UNMAPPED = f"sum by ({TS}, cause) (increase(platform_events_unmapped_total[1h]))"
_DENIED = f'sum by ({TS}) (increase(platform_exporter_poll_failures_total{{cause="denied"}}[15m]))'

WARNINGS = Record("target_source:platform_warning_events:increase10m", _WARNINGS, _WARNINGS)
USUAL = Record(
    "target_source:platform_warning_events:usual10m",
    f"avg_over_time({WARNINGS.name}[1d] offset 15m)",
    f"avg_over_time(({_WARNINGS})[1d:10m] offset 15m)",
)
LIMIT = Record("target_source:platform_warning_events:limit10m", unusual(USUAL.name), unusual(USUAL.name))
UNMAPPED = Record("target_source_cause:platform_events_unmapped:increase1h", _UNMAPPED, _UNMAPPED)
UNMAPPED_USUAL = Record(
    "target_source_cause:platform_events_unmapped:usual1h",
    f"avg_over_time({UNMAPPED.name}[1d] offset 1h)",
    f"avg_over_time(({_UNMAPPED})[1d:10m] offset 1h)",
)
DENIED = Record("target_source:platform_exporter_polls_denied:increase15m", _DENIED, _DENIED)

REPLACED = "2m"  # gauges are absent for so long at most while a pod is replaced: their alerts must not resolve
QUIET = 0.5  # warnings in ten minutes: a source with more has a usual number to compare with

OF = 'target="$target",source="$source"'
MOST = 3  # names or reasons in the text of an alert


def affected(severities: str, over: str) -> Detail:
    """The resources with most events of these severities, by name or id."""
    events = f'platform_resource_events_total{{{OF},severity=~"{severities}"}}'
    counted = named(f"(sum by ({TSR}) (increase({events}[{over}])) > 0.5)", TSR)
    return Detail("Affected", "name", f"topk({MOST}, {counted})")


def reasons(severities: str, over: str) -> Detail:
    """The reasons of most events of these severities."""
    events = f'platform_events_total{{{OF},severity=~"{severities}"}}'
    return Detail("Reasons", "reason", f"topk({MOST}, sum by (reason) (increase({events}[{over}])) > 0.5)")


def causes(over: str) -> Detail:
    """Why reads of the source failed."""
    failures = f"platform_exporter_poll_failures_total{{{OF}}}"
    return Detail("Causes", "cause", f"topk({MOST}, sum by (cause) (increase({failures}[{over}])) > 0.5)")


POOL, WAREHOUSE, ALARMS = '{source="modelarts_pool"}', '{source="dws"}', '{source="dws_alarm"}'
NODE = '{source="modelarts_scheduled"}'
NODE_WORK = '{source=~"modelarts_scheduled|modelarts_pool_job"}'
# The highest number of the last ten minutes, in place of keep_firing_for: so the one alert ends as the other begins.
_KEPT = f"max_over_time({WARNINGS.name}[10m:1m])"
_ABNORMAL = f'max by ({TR}) (platform_pool_nodes{{state="abnormal"}})'
_AVAILABLE = f'max by ({TR}) (platform_pool_nodes{{state="available"}})'
_LEAVING = f'max by ({TR}) (platform_resource_status{{source="modelarts_pool",status="Deleting"}})'
_LAME = f'max by ({TR}, status) (platform_resource_status{{source="dws",status=~"READONLY|DEGRADED"}})'
_ALARM = f'min by ({TR}, phase) (platform_phase_started_timestamp_seconds{{source="dws_alarm",phase=~"urgent_alarm|important_alarm"}})'
_ASKS, _PLANNED = (
    f'max by ({TR}) (platform_resource_status{{source="modelarts_scheduled",status="{status}"}})'
    for status in ("inquiring", "scheduled")
)
_START = f'max by ({TR}) (platform_resource_scheduled_start_timestamp_seconds{{source="modelarts_scheduled"}})'
_BROKEN = (
    f"sum by ({TSR}) (increase(platform_resource_events_total"
    '{source=~"modelarts_scheduled|modelarts_pool_job",severity="error"}[15m]))'
)
_OPEN = f'max by ({TSR}, phase) (platform_phase_started_timestamp_seconds{{phase!="abnormal"}})'
_TIMEOUT = "max by (source, phase) (platform_phase_timeout_seconds)"
_STUCK = f"(time() - {_OPEN}) > on (source, phase) group_left () {_TIMEOUT}"
_LEADS = "max by (job) (platform_exporter_leader)"  # absent where the state is in a file
_LAST = f"max by ({TS}) (platform_exporter_poll_last_success_timestamp_seconds)"
_FAILED = f"sum by ({TS}) (increase(platform_exporter_poll_failures_total[10m]))"
_INTERVAL = f"max by ({TS}) (max_over_time(platform_exporter_poll_interval_seconds[30m]))"
# Sources of an exporter whose store is away: they wait, and their own alerts would be the same news again.
_WAITING = f"(min by ({TS}) (0 * platform_exporter_target_up + on (job, instance) group_left () platform_exporter_store_up) == 0)"
_BEHIND = f"time() - min by ({TS}) (platform_exporter_complete_until_timestamp_seconds)"
_APIS = "|".join(dict.fromkeys(kind.api for kind in SOURCES.values()))  # the name of a source begins with its API's
_API = f'"api", "$1", "source", "({_APIS}).*"'
_REFUSED = f"({DENIED.name} > 1.5)"

EVENTS = (
    Alert(
        name="PlatformWarningBurst",
        value=f"{_KEPT} unless on ({TS}) ({USUAL.name} >= {QUIET})",
        op=">",
        limit=4.5,
        severity="warning",
        summary="Burst of warnings from {{ $labels.source }} of {{ $labels.target }}",
        description='{{ $value | printf "%.0f" }} warnings and errors in ten minutes from a source that is quiet otherwise.',
        board="overview",
        panel="Warnings and errors by source",
        page="/events?severity=trouble&target={target}&source={source}",
        details=(
            reasons("warning|error", "20m"),
            affected("warning|error", "20m"),
        ),
    ),
    Alert(
        name="PlatformWarningSpike",
        value=f"({_KEPT} > {LIMIT.name}) and on ({TS}) ({USUAL.name} >= {QUIET})",
        op=">",
        limit=2.5,
        severity="warning",
        summary="More warnings than usual from {{ $labels.source }} of {{ $labels.target }}",
        description='{{ $value | printf "%.0f" }} warnings and errors in ten minutes, far more than this source reported over the last day.',
        board="overview",
        panel="Against the usual number",
        page="/events?severity=trouble&target={target}&source={source}",
        details=(
            reasons("warning|error", "20m"),
            affected("warning|error", "20m"),
        ),
    ),
    Alert(
        name="PlatformJobFailed",
        value=f'sum by ({TS}) (increase(platform_runs_total{{source=~"{JOBS}",outcome="failure"}}[15m]))',
        op=">",
        limit=0.5,
        severity="warning",
        summary="Jobs of {{ $labels.source }} failed in {{ $labels.target }}",
        description='{{ $value | printf "%.0f" }} failed in the last 15 minutes.',
        board="jobs",
        panel="Failures by reason",
        page="/runs?outcome=failure&target={target}&source={source}",
        details=(
            reasons("error", "15m"),
            affected("error", "15m"),
        ),
    ),
    Alert(
        name="PlatformNotebookFailed",
        value=(
            f'sum by ({TS}) (increase(platform_runs_total{{source=~"{NOTEBOOKS}",outcome="failure"}}[15m]))'
            f' or sum by ({TS}) (increase(platform_events_total{{source=~"{NOTEBOOKS}",severity="error"}}[15m]))'
        ),
        op=">",
        limit=0.5,
        severity="warning",
        summary="Notebooks of {{ $labels.source }} failed in {{ $labels.target }}",
        description='{{ $value | printf "%.0f" }} failed to start or while they ran, in the last 15 minutes.',
        board="jobs",
        panel="Warnings and errors by reason",
        page="/events?severity=error&target={target}&source={source}",
        details=(
            reasons("error", "15m"),
            affected("error", "15m"),
        ),
    ),
    Alert(
        name="PlatformPoolDegraded",
        value=named(f"({_ABNORMAL} unless on ({TR}) {_AVAILABLE} == 0)", TR, POOL),
        op=">",
        limit=0,
        hold="5m",
        keep=REPLACED,
        severity="warning",
        summary="Pool {{ $labels.name }} of {{ $labels.target }} has abnormal nodes",
        description='{{ $value | printf "%.0f" }} nodes are abnormal, and have been for five minutes; others still work.',
        board="pools",
        panel="Pools",
        page="/resources/{target}/modelarts_pool/{resource}",
    ),
    Alert(
        name="PlatformPoolEmpty",
        value=named(f"({_AVAILABLE} unless on ({TR}) {_LEAVING} == 1)", TR, POOL),
        op="<",
        limit=0.5,
        hold="2m",
        keep=REPLACED,
        severity="critical",
        summary="Pool {{ $labels.name }} of {{ $labels.target }} has no available node",
        description='{{ $value | printf "%.0f" }} nodes are available; nothing new can start in this pool.',
        board="pools",
        panel="Pools",
        page="/resources/{target}/modelarts_pool/{resource}",
    ),
    Alert(
        name="PlatformDeploymentFailed",
        value=f'sum by ({TS}) (increase(platform_runs_total{{source=~"{SERVICES}",outcome="failure"}}[15m]))',
        op=">",
        limit=0.5,
        severity="warning",
        summary="Deployments of services failed in {{ $labels.target }}",
        description='{{ $value | printf "%.0f" }} failed in the last 15 minutes.',
        board="services",
        panel="Failures by phase",
        page="/runs?outcome=failure&target={target}&source={source}",
        details=(
            reasons("error", "15m"),
            affected("error", "15m"),
        ),
    ),
    Alert(
        name="PlatformScalingFailed",
        value=(
            f'sum by ({TS}) (increase(platform_events_total{{source="modelarts_service_v2",reason="ScalingFailed"}}[15m]))'
        ),
        op=">",
        limit=0.5,
        severity="warning",
        summary="Services in {{ $labels.target }} could not be scaled",
        description='Autoscaling failed {{ $value | printf "%.0f" }} times in the last 15 minutes; the instances that are there serve alone.',
        board="services",
        panel="Scaling",
        page="/events?severity=error&target={target}&source={source}",
        details=(affected("error", "15m"),),
    ),
    Alert(
        name="PlatformPhaseStuck",
        value=named(f"({_STUCK})", TSR),
        op=">",
        limit=0,
        hold="1m",
        keep=REPLACED,
        severity="warning",
        summary="{{ $labels.name }} is stuck in {{ $labels.phase }} ({{ $labels.source }} of {{ $labels.target }})",
        description="The phase has been open for {{ $value | humanizeDuration }}, longer than the mapping file allows.",
        board="overview",
        panel="Stuck phases",
        page="/resources/{target}/{source}/{resource}",
    ),
    Alert(
        name="PlatformOperationFailed",
        value=f'sum by ({TS}, reason) (increase(platform_events_total{{source="dws",severity="error"}}[15m]))',
        op=">",
        limit=0.5,
        severity="warning",
        summary="DWS in {{ $labels.target }} reported {{ $labels.reason }}",
        description='{{ $value | printf "%.0f" }} times in the last 15 minutes; the vendor does not try again by itself.',
        board="dws",
        panel="Warnings and errors by reason",
        page="/events?severity=error&target={target}&source={source}",
        details=(affected("error", "15m"),),
    ),
    Alert(
        name="PlatformClusterDegraded",
        value=named(f"({_LAME})", TR, WAREHOUSE),
        op=">",
        limit=0.5,
        hold="5m",
        keep=REPLACED,
        severity="warning",
        summary="DWS cluster {{ $labels.name }} of {{ $labels.target }} is {{ $labels.status }}",
        description=(
            'The vendor has listed it so for five minutes (state {{ $value | printf "%.0f" }}); no event reports it.'
            " A read-only cluster refuses writes."
        ),
        board="dws",
        panel="Clusters",
        page="/resources/{target}/dws/{resource}",
    ),
    Alert(
        name="PlatformAlarmOpen",
        value=named(f"(time() - {_ALARM})", TR, ALARMS),
        op=">",
        limit=0,
        keep=REPLACED,
        severity="warning",
        summary="DWS cluster {{ $labels.name }} of {{ $labels.target }} has an open alarm ({{ $labels.phase }})",
        description="The vendor raised the oldest one {{ $value | humanizeDuration }} ago, and has not cleared it.",
        board="dws",
        panel="Open alarms",
        page="/resources/{target}/dws_alarm/{resource}",
    ),
    Alert(
        name="PlatformNodeApprovalPending",
        value=named(f"({_ASKS})", TR, NODE),
        op=">",
        limit=0.5,
        hold="5m",
        keep=REPLACED,
        severity="warning",
        summary="Work on node {{ $labels.name }} of {{ $labels.target }} waits for an approval",
        description=(
            'The vendor asks whether it may begin (state {{ $value | printf "%.0f" }}); until somebody approves of it,'
            " the node stays as it is."
        ),
        board="pools",
        panel="Scheduled events of nodes",
        page="/resources/{target}/modelarts_scheduled/{resource}",
    ),
    Alert(
        name="PlatformNodeMaintenanceSoon",
        value=named(f"(({_START} - time()) and on ({TR}) ({_PLANNED} > 0.5))", TR, NODE),
        op="<",
        limit=86_400,
        keep=REPLACED,
        severity="warning",
        summary="Work on node {{ $labels.name }} of {{ $labels.target }} begins within a day",
        description="It begins in {{ $value | humanizeDuration }}; what runs on the node then may be interrupted.",
        board="pools",
        panel="Scheduled events of nodes",
        page="/resources/{target}/modelarts_scheduled/{resource}",
    ),
    Alert(
        name="PlatformNodeMaintenanceFailed",
        value=named(f"({_BROKEN})", TSR, NODE_WORK),
        op=">",
        limit=0.5,
        severity="warning",
        summary="Work on a node of {{ $labels.target }} failed: {{ $labels.name }}",
        description='The vendor reported {{ $value | printf "%.0f" }} failure in the last 15 minutes; the node may not work.',
        board="pools",
        panel="Scheduled events of nodes",
        page="/resources/{target}/{source}/{resource}",
    ),
)
BLIND = (
    Alert(
        name="PlatformExporterDown",
        value='max by (job) (up{job=~".*platform-events-exporter.*"}) or on () (absent(platform_exporter_build_info) - 1)',
        op="<",
        limit=0.5,
        hold="3m",
        severity="critical",
        silent="Alerting",
        summary="No platform-events-exporter answers",
        description='{{ $value | printf "%.0f" }} exporters answer the scrape: no event is seen, and no other alert of this file can fire.',
        board="overview",
        panel="Exporters up",
    ),
    Alert(
        name="PlatformStoreDown",
        value=f"min by (job) (platform_exporter_store_up) unless on (job) ({_LEADS} < 0.5)",
        op="<",
        limit=0.5,
        hold="2m",
        severity="critical",
        summary="{{ $labels.job }} cannot write its state",
        description='No commit reaches the store (platform_exporter_store_up is {{ $value | printf "%.0f" }}): reading waits, and /metrics shows the last commit.',
        board="exporter",
        panel="Store",
        page="/config",
    ),
    Alert(
        name="PlatformNoLeader",
        value=_LEADS,
        op="<",
        limit=0.5,
        hold="1m",
        severity="critical",
        summary="No replica of {{ $labels.job }} leads",
        description='{{ $value | printf "%.0f" }} replicas lead: nobody reads, because of the database or of all replicas.',
        board="exporter",
        panel="Store",
    ),
    Alert(
        name="PlatformLeaderFlapping",
        value="sum by (job) (increase(platform_exporter_takeovers_total[1h]))",
        op=">",
        limit=3.5,
        severity="warning",
        summary="The replicas of {{ $labels.job }} take over from each other again and again",
        description='{{ $value | printf "%.0f" }} takeovers in an hour; each makes alerts later.',
        board="exporter",
        panel="Store",
    ),
    Alert(
        name="PlatformStoreForgot",
        value="sum by (job) (increase(platform_exporter_store_lost_commits_total[1h]))",
        op=">",
        limit=0.5,
        severity="critical",
        summary="The database of {{ $labels.job }} has forgotten commits",
        description='{{ $value | printf "%.0f" }} acknowledged commits are gone: counters went back, and events may count twice.',
        board="exporter",
        panel="Store",
    ),
    Alert(
        name="PlatformPollStale",
        value=(
            f"((time() - {_LAST}) > on ({TS}) 3 * {_INTERVAL} + 60) unless on ({TS}) {_REFUSED}"
            f" unless on ({TS}) {_WAITING}"
        ),
        op=">",
        limit=0,
        hold="1m",
        severity="warning",
        summary="{{ $labels.target }}/{{ $labels.source }} has not been polled",
        description="The last successful poll was {{ $value | humanizeDuration }} ago, more than three intervals.",
        board="exporter",
        panel="Since the last successful poll",
        page="/sources/{target}/{source}",
        details=(causes("30m"),),
    ),
    Alert(
        name="PlatformPollNeverSucceeded",
        value=f"({_FAILED} unless on ({TS}) {_LAST}) unless on ({TS}) {_REFUSED}",
        op=">",
        limit=-0.5,
        hold="10m",
        severity="critical",
        summary="{{ $labels.target }}/{{ $labels.source }} was never polled successfully",
        description='No poll succeeded since the exporter started; {{ $value | printf "%.0f" }} failed in the last ten minutes.',
        board="exporter",
        panel="Failed polls",
        page="/sources/{target}/{source}",
        details=(causes("30m"),),
    ),
    Alert(
        name="PlatformAuthenticationFailing",
        value=DENIED.name,
        op=">",
        limit=1.5,
        hold="2m",
        severity="critical",
        summary="{{ $labels.target }} refuses the credentials for {{ $labels.source }}",
        description='{{ $value | printf "%.0f" }} reads were refused in 15 minutes: a key is wrong, expired or lacks a permission.',
        board="exporter",
        panel="Credentials and clocks",
        page="/sources/{target}/{source}",
    ),
    Alert(
        name="PlatformEventLagHigh",
        value=(
            f"histogram_quantile(0.9, sum by ({TS}, le) (increase(platform_event_lag_seconds_bucket[30m])))"
            f" and on ({TS}) sum by ({TS}) (increase(platform_event_lag_seconds_count[30m])) > 2.5"
        ),
        op=">",
        limit=600,
        hold="10m",
        severity="warning",
        summary="Events of {{ $labels.source }} of {{ $labels.target }} are seen late",
        description="A tenth of them are seen {{ $value | humanizeDuration }} or more after they happened; alerts come as late.",
        board="exporter",
        panel="Detection delay",
        page="/sources/{target}/{source}",
    ),
    Alert(
        name="PlatformReadsTruncated",
        value=f"sum by ({TS}) (increase(platform_exporter_truncated_reads_total[15m]))",
        op=">",
        limit=0.5,
        severity="warning",
        summary="Answers of {{ $labels.source }} of {{ $labels.target }} were cut short",
        description='{{ $value | printf "%.0f" }} answers in 15 minutes held more than could be read; events may be missing for good.',
        board="exporter",
        panel="What may be missing",
        page="/sources/{target}/{source}",
    ),
    Alert(
        name="PlatformRecordsUnreadable",
        value=f"sum by ({TS}) (increase(platform_exporter_unreadable_records_total[15m]))",
        op=">",
        limit=0.5,
        severity="warning",
        summary="Records of {{ $labels.source }} of {{ $labels.target }} cannot be read",
        description='{{ $value | printf "%.0f" }} records in 15 minutes; they are in no other counter.',
        board="exporter",
        panel="What may be missing",
        page="/sources/{target}/{source}",
    ),
    Alert(
        name="PlatformSeriesFull",
        value='sum by (metric) (increase(platform_exporter_label_overflow_total{label="resource"}[15m]))',
        op=">",
        limit=0.5,
        severity="warning",
        summary="{{ $labels.metric }} has no room for further resources",
        description='{{ $value | printf "%.0f" }} times in 15 minutes a new resource counted as other in it, or was not shown.',
        board="exporter",
        panel="Label values that became other",
        page="/sources",
    ),
    Alert(
        name="PlatformBudgetTooSmall",
        value="max by (target, api) (platform_exporter_api_budget_load_ratio)",
        op=">",
        limit=1,
        hold="30m",
        severity="warning",
        summary="The budget of {{ $labels.api }} is too small for what {{ $labels.target }} watches",
        description=(
            'Reading all within max_poll_interval takes {{ $value | printf "%.1f" }} times the budget: events are seen'
            " later. Raise targets[].budget or split the targets over accounts."
        ),
        board="exporter",
        panel="Budget left",
        page="/sources",
    ),
    Alert(
        name="PlatformBudgetExhausted",
        value=(
            f"label_replace({_BEHIND} > 900, {_API}) and on ({TS}) max by ({TS}) (platform_exporter_target_up) == 1"
            " and on (target, api) max by (target, api) (max_over_time(platform_exporter_api_budget_remaining[15m])) < 0.5"
        ),
        op=">",
        limit=0,
        hold="5m",
        severity="warning",
        summary="{{ $labels.target }} has too few requests left to keep up with {{ $labels.source }}",
        description="No request was left for 15 minutes, and reading is {{ $value | humanizeDuration }} behind.",
        board="exporter",
        panel="Budget left",
        page="/sources/{target}/{source}",
    ),
    Alert(
        name="PlatformOutboxStuck",
        value=(
            "(time() - min by (signal) (platform_exporter_outbox_oldest_timestamp_seconds > 0))"
            " and on (signal) max by (signal) (platform_exporter_outbox_pending) > 0"
        ),
        op=">",
        limit=900,
        hold="1m",
        severity="warning",
        summary="{{ $labels.signal }} are not delivered",
        description="The oldest waiting record has waited for {{ $value | humanizeDuration }}.",
        board="exporter",
        panel="Outbox",
        page="/config",
    ),
    Alert(
        name="PlatformUnmappedTextsRising",
        value=(
            f'{UNMAPPED.name}{{cause=~"no_shape|bad_capture"}} or ({UNMAPPED.name}{{cause="no_rule"}}'
            f" > {unusual(UNMAPPED_USUAL.name)})"
        ),
        op=">",
        limit=0.5,
        severity="warning",
        summary="New texts from {{ $labels.source }} of {{ $labels.target }}",
        description='{{ $value | printf "%.0f" }} events in an hour fit no mapping rule ({{ $labels.cause }}); they are counted under reason other.',
        board="exporter",
        panel="Events without a rule",
        page="/unmapped",
    ),
    Alert(
        name="PlatformMappingReloadFailed",
        value="min by (job) (platform_exporter_config_last_reload_successful)",
        op="<",
        limit=0.5,
        hold="1m",
        severity="warning",
        summary="Configuration or mappings of {{ $labels.job }} could not be loaded",
        description='The last load failed (platform_exporter_config_last_reload_successful is {{ $value | printf "%.0f" }}); what was loaded before stays in use.',
        board="exporter",
        panel="Mappings",
        page="/config",
    ),
)
GROUPS = (
    Group("platform-events", (WARNINGS, USUAL, LIMIT), EVENTS),
    Group("platform-events-blindness", (DENIED, UNMAPPED, UNMAPPED_USUAL), BLIND),
)
