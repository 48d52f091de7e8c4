"""The installation guide: its lines install, its values render, its configurations load, its links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import load
from tests.support.charts import CHART, ROOT, over, part, render

GUIDE = (ROOT / "docs" / "install.md").read_text("utf-8")
README = (CHART / "README.md").read_text("utf-8")
LINES = [line[2:] for text in (GUIDE, README) for line in text.splitlines() if line.startswith(("$ ", "# "))]
INSTALLS = [line for line in LINES if line.startswith("helm install ")]
VALUES = [
    block for text in (GUIDE, README) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]


def given(line: str) -> dict[str, Any]:
    """The values of all ``--set`` in a line."""
    sets = re.findall(r"--set (\S+)", line)
    parsed: dict[str, Any] = over(*(part("helm_python").parse_set_string(text) for text in sets))
    return parsed


@pytest.mark.parametrize("line", INSTALLS)
def test_one_line_and_one_secret_install(line: str) -> None:
    held = render(given(line))
    (secret,) = {volume["secret"]["secretName"] for volume in held.pod["volumes"] if "secret" in volume}
    creates = [each for each in LINES if f"create secret generic {secret} " in each]
    assert creates
    keys = {item["key"] for volume in held.pod["volumes"] for item in volume.get("secret", {}).get("items", [])}
    assert set(re.findall(r"--from-literal=(\w+)=", creates[0])) == keys


def test_both_vendors_are_shown() -> None:
    assert {vendor for line in INSTALLS for vendor in given(line) if vendor.endswith("cloud")} == {
        "huaweicloud",
        "alibabacloud",
    }


def test_every_row_of_what_you_may_want_changes_what_is_installed() -> None:
    rows = re.findall(r"^\| .* \| `(--set \S+)` \|$", GUIDE, re.MULTILINE)
    assert len(rows) >= 5
    for row in rows:
        assert len(render(over(given(INSTALLS[0]), given(row))).objects) > len(render(given(INSTALLS[0])).objects)


@pytest.mark.parametrize("block", [block for block in VALUES if not block.startswith(("targets:", "# Chart.yaml"))])
def test_a_block_of_values_renders(block: str) -> None:
    assert render(over(given(INSTALLS[0]), yaml.safe_load(block))).objects


def test_the_configuration_of_the_unit_loads_with_the_credentials_that_systemd_lays_out(tmp_path: Path) -> None:
    (block,) = (block for block in VALUES if block.startswith("targets:"))
    (unit,) = (ROOT / "systemd").glob("*.service")
    (name,) = re.findall(
        r"^LoadCredential=(\w+):/etc/platform-events-exporter/credentials$", unit.read_text(), re.MULTILINE
    )
    folder = f"/run/credentials/{unit.name}"
    for file in re.findall(
        r"install -D -m 600 (\w+) /etc/platform-events-exporter/credentials/\1$", GUIDE, re.MULTILINE
    ):
        (tmp_path / f"{name}_{file}").write_text("EXAMPLE")
    path = tmp_path / "exporter.yaml"
    path.write_text(block.replace(folder, str(tmp_path)))
    assert load(path, environ={}, sets=()).warnings == ()


@pytest.mark.parametrize(("text", "folder"), [(GUIDE, ROOT / "docs"), (README, CHART)])
def test_every_link_leads_to_a_file(text: str, folder: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if "://" not in link and not (folder / link.partition("#")[0]).exists()] == []


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", GUIDE + README)) <= targets
