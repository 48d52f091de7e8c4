"""The Helm command line lints, renders and packages the chart, and agrees with the library that the other tests use."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.interop.programs import built
from tests.support.charts import CHART, NAMESPACE, NEWEST, OLDEST, RELEASE, files, rendered

pytestmark = pytest.mark.interop

VALUES = [CHART / "ci" / f"{name}-values.yaml" for name in files()]


def helm(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm with a home of its own."""
    home = {f"HELM_{part}_HOME": str(folder / part.lower()) for part in ("CACHE", "CONFIG", "DATA")}
    command = (str(built("helm")), *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, env={**home, "PATH": "", "HOME": str(folder)})


def template(folder: Path, chart: Path, values: Path, version: str) -> list[dict[str, Any]]:
    """Return the objects that Helm would send to a cluster of this version."""
    given = ("--namespace", NAMESPACE, "--values", values, "--kube-version", version)
    done = helm(folder, "template", RELEASE, chart, *given)
    assert (done.returncode, done.stderr) == (0, "")
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


def alike(objects: list[dict[str, Any]]) -> list[str]:
    """Return objects in an order of their own."""
    return sorted(json.dumps(one, sort_keys=True) for one in objects)


def test_the_chart_and_all_values_pass_the_strict_linter(tmp_path: Path) -> None:
    done = helm(tmp_path, "lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in VALUES:
        done = helm(tmp_path, "lint", "--strict", "--values", path, CHART)
        assert done.returncode == 0, f"{path.name}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", files())
def test_the_command_renders_what_the_library_renders(tmp_path: Path, name: str) -> None:
    path = CHART / "ci" / f"{name}-values.yaml"
    newest = template(tmp_path, CHART, path, NEWEST)
    assert alike(newest) == alike(rendered(name).objects)


def test_every_values_file_renders_for_the_oldest_cluster(tmp_path: Path) -> None:
    for path in VALUES:
        assert template(tmp_path, CHART, path, OLDEST), path.name


def test_a_package_holds_the_chart(tmp_path: Path) -> None:
    done = helm(tmp_path, "package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("platform-events-exporter-*.tgz")
    path = VALUES[0]
    assert alike(template(tmp_path, package, path, NEWEST)) == alike(template(tmp_path, CHART, path, NEWEST))
    shown = helm(tmp_path, "show", "readme", package).stdout
    assert shown.strip() == (CHART / "README.md").read_text("utf-8").strip()


def test_values_that_cannot_be_are_refused_in_words(tmp_path: Path) -> None:
    done = helm(tmp_path, "template", RELEASE, CHART, "--set", "replicaCountt=2")
    assert done.returncode == 1
    assert "replicaCountt" in done.stderr


def test_the_notes_come_with_an_install_that_sends_nothing(tmp_path: Path) -> None:
    path = CHART / "ci" / "huaweicloud-values.yaml"
    done = helm(tmp_path, "install", RELEASE, CHART, "--values", path, "--dry-run=client", "--namespace", NAMESPACE)
    assert done.returncode == 0, done.stderr
    assert rendered("huaweicloud").notes.strip() in done.stdout
