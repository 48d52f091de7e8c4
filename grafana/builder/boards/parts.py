"""What the dashboards share: variables, selectors, colours, and the few forms their queries have."""

from grafana.builder.model import Panel, Query, Step, Variable

TS, TR, TSR = "target, source", "target, resource", "target, source, resource"
GREEN, YELLOW, ORANGE, RED, BLUE, GREY, PURPLE = "green", "yellow", "orange", "red", "blue", "#8e8e8e", "purple"
SEVERITIES = {"info": BLUE, "warning": ORANGE, "error": RED, "unclassified": GREY}
OUTCOMES = {"success": GREEN, "failure": RED, "cancelled": GREY, "unknown": PURPLE}
NODES = {"available": GREEN, "abnormal": RED, "creating": BLUE, "deleting": GREY}
ANY: tuple[Step, ...] = ((None, GREEN), (0.5, RED))
NOTE: tuple[Step, ...] = ((None, GREEN), (0.5, ORANGE))
BURST: tuple[Step, ...] = ((None, GREEN), (0.5, ORANGE), (4.5, RED))
PLAIN: tuple[Step, ...] = ((None, BLUE),)

WHERE = 'cluster=~"$cluster",namespace=~"$namespace",job=~"$job"'  # All matches series without these labels too
UNREAD = ("not read", GREY)  # of numbers that are never good or bad
PLACES = (
    Variable("cluster", "Cluster", "label_values(platform_exporter_build_info, cluster)"),
    Variable("namespace", "Namespace", 'label_values(platform_exporter_build_info{cluster=~"$cluster"}, namespace)'),
    Variable(
        "job",
        "Scrape job",
        'label_values(platform_exporter_build_info{cluster=~"$cluster",namespace=~"$namespace"}, job)',
    ),
)
TARGET = Variable("target", "Target", f"label_values(platform_exporter_target_up{{{WHERE}}}, target)")


def source_variable(pattern: str = "") -> Variable:
    """The sources to choose from; All stands for those alone where a pattern is given."""
    asked = f'label_values(platform_exporter_target_up{{{WHERE},target=~"$target"}}, source)'
    return Variable("source", "Source", asked, f"/{pattern}/" if pattern else "", pattern or ".*")


def select(metric: str, *more: str, source: str = '=~"$source"') -> str:
    """A metric, limited to what is chosen. ``source``: "" where the metric has no such label."""
    limits = [WHERE, 'target=~"$target"', *([f"source{source}"] if source else []), *more]
    return f"{metric}{{{','.join(limits)}}}"


def named(expr: str, by: str, source: str = '=~"$source"') -> str:
    """The expression with the label ``name``; the id where no name is known."""
    info = f"max by ({by}, name) ({select('platform_resource_info', source=source)})"
    unnamed = f'label_replace({expr}, "name", "$1", "resource", "(.*)")'
    return f"({expr}) * on ({by}) group_left (name) {info} or on ({by}) {unnamed}"


def grown(selected: str, by: str = "", over: str = "$__rate_interval") -> str:
    """How many events came within ``over``; by default within a bar, whose panel says that it is ten minutes at least.

    Grafana's rate interval is one scrape longer than a bar. Without that, an event between the last scrape of one bar
    and the first of the next would be in neither.
    """
    return f"sum{f' by ({by})' if by else ''} (increase({with_range(selected, over)}))"


def with_range(selected: str, over: str) -> str:
    """A range of a selected metric."""
    return f"{selected}[{over}]"


def quantile(q: float, selected: str, by: str, over: str) -> str:
    """A quantile of a histogram; nothing where nothing was observed."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (increase({with_range(selected, over)}))) >= 0"


def number(
    title: str,
    about: str,
    expr: str,
    steps: tuple[Step, ...],
    unit: str = "short",
    width: int = 4,
    absent: tuple[str, str] | None = None,
    page: str = "",
) -> Panel:
    """One number with a colour. Where it is unknown: red if a value could be good, else grey, unless ``absent`` says it."""
    decimals = 0 if unit == "short" else None
    judged = any(colour == GREEN for _, colour in steps)
    return Panel(
        title=title,
        kind="stat",
        about=about,
        queries=(Query(expr),),
        unit=unit,
        steps=steps,
        width=width,
        height=4,
        decimals=decimals,
        page=page,
        absent=absent or ("not read", RED if judged else GREY),
    )


def exporters(width: int = 4) -> Panel:
    """How many exporters are scraped."""
    return number(
        "Exporters up",
        "Exporters that answer the scrape; without one, nothing on this dashboard is known.",
        f"count(max by (job, instance) (platform_exporter_build_info{{{WHERE}}}))",
        ((None, RED), (0.5, GREEN)),
        width=width,
        absent=("no exporter", RED),
    )


def outcomes(title: str, about: str, runs: str) -> Panel:
    """Bars of how runs ended."""
    return Panel(
        title=title,
        kind="bars",
        about=about,
        queries=(Query(grown(runs, "outcome"), "{{outcome}}", exemplar=True),),
        interval="10m",
        stacked=True,
        colours=OUTCOMES,
        decimals=0,
    )


def most(count: int, expr: str, by: str = "", source: str = '=~"$source"') -> str:
    """The series with the highest values, of those that are above nothing; with names if ``by`` tells of what."""
    found = f"({expr} > 0.5)"
    return f"topk({count}, {named(found, by, source) if by else found})"


def read(source: str = '=~"$source"') -> str:
    """The sources that an exporter reads now, or fails to read; nothing where no exporter is."""
    return select("platform_exporter_target_up", source=source)


def zero(expr: str, source: str = '=~"$source"', by: str = "") -> str:
    """The expression, or 0 where it finds nothing although its source is read. Without an exporter, and where every source
    that it is about fails, nothing: a 0 would then say that all is well.
    """
    return f"{expr} or 0 * (max{f' by ({by})' if by else ''} ({read(source)}) == 1)"


def counted(selected: str, over: str, source: str = '=~"$source"', by: str = "") -> str:
    """How many events came within ``over``; where none did, 0 as ``zero`` gives it."""
    return zero(f"{grown(selected, by, over)} > 0.5", source, by)


def known(expr: str, source: str = '=~"$source"') -> str:
    """A single number, as long as an exporter is there: what a range still holds after its end is no news."""
    return f"({expr}) and max({read(source)})"


def open_phases(*phases: str, source: str = '=~"$source"') -> str:
    """Since when phases are open, in seconds."""
    started = select("platform_phase_started_timestamp_seconds", *phases, source=source)
    return f"time() - max by ({TSR}, phase) ({started})"
