"""The chart below another one: with a condition, under another name, with anchors of YAML in its values."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts import CHART, LEAST, Object, over, part

NAME = "platform-events-exporter"


def umbrella(folder: Path, alias: str, given: dict[str, Any]) -> list[Object]:
    """What a chart gives that has this one as a dependency with a condition."""
    key = alias or NAME
    depends = {"name": NAME, "version": "0.x", "condition": f"{key}.enabled", **({"alias": alias} if alias else {})}
    chart = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [depends]}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (folder / "values.yaml").write_text(yaml.safe_dump({key: given}))
    shutil.copytree(CHART, folder / "charts" / NAME, ignore=shutil.ignore_patterns("ci"))
    with part("helm_python").Chart.load(folder) as loaded:
        texts = loaded.render({}, name="stack", namespace="monitoring")
    manifests = (text for name, text in texts.items() if not name.endswith("NOTES.txt"))
    return [found for text in manifests for found in yaml.safe_load_all(text) if found]


@pytest.mark.parametrize("alias", ["", "events"])
def test_a_condition_installs_it_or_leaves_it_out(alias: str, tmp_path: Path) -> None:
    for enabled in (True, False):
        folder = tmp_path / str(enabled)
        folder.mkdir()
        found = umbrella(folder, alias, over(LEAST, {"enabled": enabled, "x-anchors": [1], "x-more": {"a": "b"}}))
        assert ("Deployment" in {each["kind"] for each in found}) is enabled


def test_what_the_other_chart_shares_reaches_it(tmp_path: Path) -> None:
    found = umbrella(tmp_path, "", over(LEAST, {"enabled": True, "global": {"imageRegistry": "mirror.example.com"}}))
    (workload,) = (each for each in found if each["kind"] == "Deployment")
    assert workload["spec"]["template"]["spec"]["containers"][0]["image"].startswith("mirror.example.com/")
