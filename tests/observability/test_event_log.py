"""Events as lines of JSON on standard output: each one once, after its commit, and a broken pipe costs nothing else."""

import io
import json
from pathlib import Path

from exporter.model.events import Event
from exporter.model.metrics import Mapped
from exporter.model.telemetry import EventsCommitted, LogMessage, SelfEvent
from exporter.observability.event_log import EventLines
from tests.support.processes import Clouds, Exporter, closing, configured, until

EVENT = Event(b"\x01" * 16, "pool-1", 1_672_366_579_125, "a 节点 was lost\nand \ud800 found", "Warning", "NodeLost")
MAPPED = Mapped("warning", "NodeLost", "node-counts")


def seen(*rows: tuple[Event, Mapped, int]) -> EventsCommitted:
    return EventsCommitted("research", "modelarts_pool", 1_672_366_600.5, rows)


def test_an_event_is_one_line_with_all_that_counts() -> None:
    stream = io.StringIO()
    EventLines(stream, print).report(seen((EVENT, MAPPED, 2)))

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line) == {
        "time": "2022-12-30T02:16:19.125+00:00",
        "seen": "2022-12-30T02:16:40.500+00:00",
        "target": "research",
        "source": "modelarts_pool",
        "resource": "pool-1",
        "severity": "warning",
        "reason": "NodeLost",
        "times": 2,
        "id": "01" * 16,
        "message": EVENT.text,
    }


def test_history_and_other_facts_are_no_lines_and_a_time_may_be_missing() -> None:
    stream, timeless = io.StringIO(), Event(b"\x02", "job", None, "hello")
    lines = EventLines(stream, print)
    lines.report(seen((EVENT, MAPPED, 0)))
    lines.report(LogMessage("hello"))
    assert stream.getvalue() == ""
    lines.report(seen((timeless, MAPPED, 1)))
    assert json.loads(stream.getvalue())["time"] is None


def test_who_stops_reading_is_told_of_once() -> None:
    said: list[SelfEvent] = []
    stream = io.StringIO()
    stream.close()
    lines = EventLines(stream, said.append)
    for _ in range(3):
        lines.report(seen((EVENT, MAPPED, 1)))
    assert said == [
        LogMessage(
            "log.events: standard output cannot be written (I/O operation on closed file); events are counted but no "
            "longer listed; see to whoever reads it, and restart the exporter",
            warning=True,
        )
    ]


def test_a_running_exporter_lists_what_happens_and_nothing_else(tmp_path: Path) -> None:
    with closing(Clouds(tmp_path)) as clouds:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_000})
        config = {**configured(clouds, tmp_path), "log": {"events": True}}
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            clouds.add(*({"source": "dws", "resource": f"c-{number}", "text": "createCluster"} for number in range(3)))
            until(lambda: len(exporter.printed().splitlines()) == 3, "three lines")
            exporter.stop()
            told = [json.loads(line) for line in exporter.printed().splitlines()]
    assert [(line["resource"], line["reason"]) for line in told] == [(f"c-{n}", "createCluster") for n in range(3)]
