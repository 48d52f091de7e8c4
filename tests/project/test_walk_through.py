"""The page on mapping files does what it says: its commands are run in order, its files are loaded."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from exporter.sources import COMMON_FIELDS, SOURCES
from tests.support.processes import PATIENCE, environment, ran

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "mapping.md"


class Block(NamedTuple):
    """A fenced block of the page: its language, and its lines."""

    language: str
    lines: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file that a block of YAML is meant for; "" for a mere example."""
        first = self.lines[0].removeprefix("# ")
        return first if self.lines[0].startswith("# ") and first.endswith(".yaml") else ""


def blocks() -> list[Block]:
    found, language, lines = list[Block](), "", list[str]()
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("```") and not language:
            language, lines = line.removeprefix("```"), []
        elif line == "```":
            found.append(Block(language, tuple(lines)))
            language = ""
        elif language:
            lines.append(line)
    return found


def shell(folder: Path) -> dict[str, str]:
    """An environment in which the command has its name."""
    folder.mkdir()
    command = folder / "platform-events-exporter"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    command.chmod(0o755)
    return {**environment(), "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_a_new_user_gets_from_an_unmapped_text_to_a_working_rule(tmp_path: Path) -> None:
    """Everything on the page, in order: a file is saved, a command is run, and says what stands below it."""
    variables, commands = shell(tmp_path / "bin"), 0
    for block in blocks():
        if block.language == "yaml" and block.name:
            (tmp_path / block.name).write_text("\n".join(block.lines) + "\n")
        if block.language != "console":
            continue
        for part in "\n".join(block.lines).removeprefix("$ ").split("\n$ "):
            command, _, said = f"{part}\n".partition("\n")
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=PATIENCE
            )
            assert done.stdout + done.stderr == said, command
            commands += 1
    assert commands >= 10


def test_every_file_on_the_page_passes_its_tests(tmp_path: Path) -> None:
    paths: list[Path] = []
    for block in blocks():
        if block.name and block.name not in [path.name for path in paths]:
            paths.append(tmp_path / block.name)
            paths[-1].write_text("\n".join(block.lines) + "\n")
    done = ran("test", *map(str, paths))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("tests passed") == len(paths) >= 4


def test_the_fields_that_a_rule_may_ask_for_are_those_of_the_sources() -> None:
    _, _, rest = PAGE.read_text("utf-8").partition("| events of | fields |")
    rows = [row.split(" | ") for row in rest.split("\n\n")[0].splitlines()[2:]]
    shown = {row[0].strip("| `"): {*re.findall(r"`(\w+)`", row[1])} for row in rows}
    assert shown == {source: kind.fields - COMMON_FIELDS for source, kind in SOURCES.items()}


def test_the_readme_leads_to_the_page() -> None:
    assert "(docs/mapping.md)" in (ROOT / "README.md").read_text("utf-8")
