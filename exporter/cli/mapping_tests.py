"""``test``: runs the tests inside mapping files and shows failures as differences."""

from collections.abc import Sequence
from pathlib import Path

from exporter.app.packs import examine_packs
from exporter.cli.console import Printer
from exporter.mapping.loader import TestReport


def run(files: Sequence[Path], *, as_json: bool) -> int:
    """Run the tests of ``files``, or of the built-in packs if there are none.

    Returns the exit code: 1 if a test failed. Raises ConfigError if a file cannot be loaded.
    """
    reports = test_reports(files)
    if as_json:
        Printer().json([_to_json(one) for one in reports])
    else:
        _print(reports)
    return int(any(one.failures for one in reports))


def test_reports(files: Sequence[Path]) -> list[TestReport]:
    """Return a report for each file, or for each built-in pack if there are none.

    Raises ConfigError.
    """
    _, reports = examine_packs(files)
    named = {str(path) for path in files}
    return [one for one in reports if one.name in named or not named]


def _to_json(reports: TestReport) -> dict[str, object]:
    failures = [failure._asdict() for failure in reports.failures]
    return {
        "file": reports.name,
        "tests": reports.tests,
        "failed": len({one.test for one in reports.failures}),
        "failures": failures,
    }


def _print(reports: Sequence[TestReport]) -> None:
    printer = Printer()
    for one in reports:
        failed = {failure.test for failure in one.failures}
        for failure in one.failures:
            place, _, what = failure.line.partition(": ")
            if not failure.expected:
                printer.line(("FAIL ", "bold red"), f"{failure.test} ({place}): {what}")
                continue
            printer.line(("FAIL ", "bold red"), f"{failure.test} ({place})")
            printer.line((f"  - {failure.expected}", "green"))
            printer.line((f"  + {failure.found}", "red"))
        style = "red" if failed else "green"
        printer.line((f"{one.name}: {one.tests - len(failed)} of {one.tests} tests passed", style))
