"""Grafana's own types know every field and value of the alerts in the form that Grafana provisions."""

import subprocess
from pathlib import Path

import pytest

from tests.interop.programs import ROOT, built

pytestmark = pytest.mark.interop

SHIPPED = (
    ROOT / "grafana" / "alerts" / "grafana-alerts.yaml",
    ROOT / "grafana" / "provisioning" / "alerting" / "platform-events.yaml",
)


def checked(*files: Path) -> tuple[int, str]:
    """Return the exit code, and the problems with the form of files."""
    done = subprocess.run([built("grafana-alerts"), *files], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_every_field_of_the_alerts_is_one_of_grafanas() -> None:
    assert checked(*SHIPPED) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("    keepFiringFor: ", "    keep_firing_for: ", 'unknown field "keep_firing_for"'),
        ("noDataState: OK", "noDataState: Okay", "noDataState in body should be one of"),
        ("panelId: 1", "panelId: number", "cannot unmarshal string"),
        ("instant: true", "instants: true", "PlatformWarningBurst, query A: Dataquery: unexpected field 'instants'"),
        ("evaluator:", "evaluators:", "query B: conditions[0].evaluator: required field is missing"),
        ("rules:", "rule:", 'unknown field "rule"'),
    ],
)
def test_a_wrong_field_is_found(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    text = SHIPPED[0].read_text("utf-8")
    assert right in text
    file = tmp_path / "alerts.yaml"
    file.write_text(text.replace(right, wrong), "utf-8")
    code, problems = checked(file)
    assert code == 1
    assert said in problems
