"""``test``: runs the tests inside mapping files and shows what did not hold as a difference."""

from collections.abc import Sequence
from pathlib import Path

from exporter.app.assembly import examine_packs
from exporter.cli.console import Paper
from exporter.mapping.loader import TestReport


def run(files: Sequence[Path], *, as_json: bool) -> int:
    """Runs the tests of ``files``, which stand before the built-in packs; of the packs where there are none. The exit
    code: 1 if a test failed. Raises ConfigError where a file cannot be loaded."""
    tried = examine_files(files)
    if as_json:
        Paper().json([_plain(one) for one in tried])
    else:
        _print(tried)
    return int(any(one.failures for one in tried))


def examine_files(files: Sequence[Path]) -> list[TestReport]:
    """How the tests of these files went; those of the packs if there are none. Raises ConfigError."""
    _, tried = examine_packs(files)
    named = {str(path) for path in files}
    return [one for one in tried if one.name in named or not named]


def _plain(tried: TestReport) -> dict[str, object]:
    failures = [failure._asdict() for failure in tried.failures]
    return {
        "file": tried.name,
        "tests": tried.tests,
        "failed": len({one.test for one in tried.failures}),
        "failures": failures,
    }


def _print(tried: Sequence[TestReport]) -> None:
    paper = Paper()
    for one in tried:
        failed = {failure.test for failure in one.failures}
        for failure in one.failures:
            place, _, what = failure.line.partition(": ")
            if not failure.expected:
                paper.line(("FAIL ", "bold red"), f"{failure.test} ({place}): {what}")
                continue
            paper.line(("FAIL ", "bold red"), f"{failure.test} ({place})")
            paper.line((f"  - {failure.expected}", "green"))
            paper.line((f"  + {failure.found}", "red"))
        style = "red" if failed else "green"
        paper.line((f"{one.name}: {one.tests - len(failed)} of {one.tests} tests passed", style))
