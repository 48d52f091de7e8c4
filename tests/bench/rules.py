"""How the mapping alone holds as rules grow in number, beside Debian's mtail with the same texts and the same rules.

mtail reads lines from a file in its one-shot mode, on one core; what it takes for an empty file is not held against it.
Both must come to the same count for every rule. Without mtail the column stays empty.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from exporter.common.yaml_document import parse_document
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.loader import load
from exporter.mapping.rules import MappingPack
from exporter.model.events import Event
from exporter.model.protocols import Map
from exporter.sources import SOURCES

from .rounds import Row, interleave

SOURCE, SIZES = "modelarts_training", (50, 200, 500)
VERBS = ("started", "finished", "failed", "was retried", "timed out", "was skipped")


def measure(quick: bool) -> list[Row]:
    """One row for each number of rules."""
    number, rows = 2_000 if quick else 10_000, list[Row]()
    for size in SIZES:
        texts = _texts(size, number)
        map_, events = mapper(_pack(size), "research"), _events(texts)
        with tempfile.TemporaryDirectory() as folder:
            sides: dict[str, Callable[[], float]] = {"ours": lambda map_=map_, events=events: _rate(map_, events)}  # type: ignore[misc]
            if shutil.which("mtail"):
                theirs = Mtail(Path(folder), size, texts)
                assert theirs.counted() == _counted(map_, events), "both count the same"
                sides["mtail"] = theirs.rate
            found = interleave(sides, 3 if quick else 13, seldom=("mtail",))
        rows.append(
            Row(f"mapping, {size} rules", "/s", found["ours"], 500_000, "mtail, one shot", found.get("mtail", []))
        )
    return rows


def _said(number: int) -> str:
    """What is constant in the text of a rule."""
    return f"stage {number:03} {VERBS[number % len(VERBS)]}"


def _texts(size: int, number: int) -> list[str]:
    luck = Random(size)
    return [
        f"[worker-{luck.randrange(64)}] {_said(luck.randrange(size))} after {luck.randrange(900)} s."
        for _ in range(number)
    ]


def _pack(size: int) -> MappingPack:
    shape = '"[{task:word}] SAID after {took:int} s."'
    shapes = (f"{{id: r{n}, shape: {shape.replace('SAID', _said(n))}, as: {{reason: R{n}}}}}" for n in range(size))
    text = "\n".join([f"mapping: 1\nsource: {SOURCE}\nrules:", *(f"  - {shape}" for shape in shapes)])
    kind = SOURCES[SOURCE]
    (pack,) = load([parse_document(text, "rules.yaml")], {SOURCE: kind.fields}, {SOURCE: kind.record})
    return pack


def _events(texts: Sequence[str]) -> list[Event]:
    return [Event(b"", "job", 1_700_000_000_000, text, "Info") for text in texts]


def _rate(map_: Map, events: Sequence[Event]) -> float:
    began = time.perf_counter()
    for event in events:
        map_(event)
    return len(events) / (time.perf_counter() - began)


def _counted(map_: Map, events: Sequence[Event]) -> Counter[str]:
    return Counter(map_(event).reason for event in events)


class Mtail:
    """The same rules as a program for mtail, and the texts as lines of a file."""

    def __init__(self, folder: Path, size: int, texts: Sequence[str]) -> None:
        self._folder, self._number = folder, len(texts)
        rules = (f'/^\\[\\S+\\] {_said(n)} after \\d+ s\\.$/ {{\n  events["R{n}"]++\n  stop\n}}' for n in range(size))
        (folder / "rules.mtail").write_text("\n".join(["counter events by reason", *rules, ""]))
        (folder / "lines").write_text("\n".join([*texts, ""]))
        (folder / "empty").write_text("")
        self._idle = min(self._seconds("empty") for _ in range(3))

    def rate(self) -> float:
        """Lines a second."""
        return self._number / max(1e-9, self._seconds("lines") - self._idle)

    def counted(self) -> Counter[str]:
        """How often each rule took a line."""
        said = self._run("lines")
        metrics, _ = json.JSONDecoder().raw_decode(said, said.index("["))
        (events,) = (metric for metric in metrics if metric["Name"] == "events")
        return Counter({value["Labels"][0]: value["Value"]["Value"] for value in events["LabelValues"]})

    def _seconds(self, lines: str) -> float:
        began = time.perf_counter()
        self._run(lines)
        return time.perf_counter() - began

    def _run(self, lines: str) -> str:
        command = ["mtail", "-one_shot", "-one_shot_format", "json", "-progs", str(self._folder / "rules.mtail")]
        command += ["-logs", str(self._folder / lines), "-log_dir", str(self._folder)]
        variables = {**os.environ, "GOMAXPROCS": "1"}
        done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True, timeout=300)
        return done.stdout
