"""docs/simulator.md: every fault, every field, and requests that the simulator understands."""

import json
import re
from pathlib import Path
from typing import get_args

import msgspec

from exporter.cli import demo
from exporter.simulator.apis.api import AddedEvent
from exporter.simulator.state.faults import Fault, Kind
from exporter.sources import SOURCES
from tests.support.clouds import at_rest, send

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    _, _, rest = PAGE.partition(f"| {first} |")
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rest.split("\n\n")[0].splitlines()[2:]]


def test_every_kind_of_fault_and_every_field_of_one_is_in_the_tables() -> None:
    assert [row[0].strip("`") for row in rows("kind")] == [*get_args(Kind)]
    assert ["kind", *(row[0].strip("`") for row in rows("field"))] == [
        one.name for one in msgspec.structs.fields(Fault)
    ]


def test_every_source_and_every_field_of_an_event_is_in_the_table() -> None:
    assert [row[0].strip("`") for row in rows("events of")] == [*SOURCES]
    named = {*re.findall(r"`(\w+)(?:: true)?`", PAGE.partition("## Events")[2])}
    assert {one.name for one in msgspec.structs.fields(AddedEvent)} <= named


def test_the_simulator_understands_what_the_page_and_the_demo_send() -> None:
    sent = re.findall(r"^\$ curl -X POST localhost:10187(\S+) -d '(.*)'$", PAGE, re.MULTILINE)
    assert len(sent) == 3
    made = [("faults", demo.REFUSED), ("faults", demo.THROTTLING), ("events", demo.NO_RULE)]
    for path, body in (*sent, *((f"/simulator/{path}", json.dumps(body)) for path, body in made)):
        assert send(at_rest(), "POST", path, body.encode()).status_code == 200, body


def test_an_unknown_kind_of_fault_is_refused_with_the_kinds_that_there_are() -> None:
    answer = send(at_rest(), "POST", "/simulator/faults", b'{"faults": [{"kind": "flood"}]}')
    kinds = ", ".join(get_args(Kind))
    said = f"Invalid enum value 'flood' - at `$.faults[0].kind`; kind: write one of {kinds}"
    assert (answer.status_code, answer.json()) == (400, {"error": said})
