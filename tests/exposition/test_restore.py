"""The part of restored totals that still belongs to the configuration."""

import pytest

from exporter.exposition.restore import unconfigured, without
from exporter.mapping.catalogue import catalogue
from exporter.model.metrics import Changes, Moment, Observed, Series

METRICS = catalogue((), {"t": ("dws",)}, {}).metrics
ONE = Moment(1.0, 1)


def stored(series: Series) -> Changes:
    kind = METRICS[series[0]].kind
    if kind == "counter":
        return Changes(counts={series: 1.0})
    if kind == "histogram":
        return Changes(observed={series: Observed((1,), 1.0)})
    return Changes(gauges={series: ONE}) if kind == "gauge" else Changes(states={series: Moment(("x",), 1)})


@pytest.mark.parametrize(
    ("name", "labels", "leaves"),
    [
        ("platform_events_total", ("old", "dws", "info", "other"), False),
        ("platform_resource_events_total", ("old", "dws", "r", "info"), True),
        ("platform_resource_events_total", ("t", "pai_dlc", "r", "info"), True),
        ("platform_resource_events_total", ("t", "dws", "r", "info"), False),
        ("platform_resource_info", ("old", "dws", "r"), True),
        ("platform_resource_status", ("old", "dws", "r"), True),
        ("platform_resource_status", ("t", "dws", "r"), False),
        ("platform_last_event_timestamp_seconds", ("t", "pai_dlc", "info"), True),
        ("platform_last_event_timestamp_seconds", ("t", "dws", "info"), False),
        ("platform_event_lag_seconds", ("old", "dws"), False),
    ],
)
def test_what_is_configured_no_more_leaves_and_bounded_totals_stay(
    name: str, labels: tuple[str, ...], leaves: bool
) -> None:
    series = (name, labels)
    found = unconfigured(stored(series), METRICS, {("t", "dws")})
    assert found.series == ((series,) if leaves else ())
    assert found.places == (((labels[0], labels[1]),) if leaves else ())
    assert without(stored(series), found.series) == (Changes() if leaves else stored(series))
