"""compose.yaml: every file is there, and each program accepts the one that is meant for it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from exporter.config import load
from exporter.simulator import configuration
from exporter.sources import SOURCES
from tests.support.heavy import needs

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def mounts() -> list[tuple[str, str]]:
    """What is mounted, and where."""
    return [
        (one.split(":")[0], one.split(":")[1]) for service in SERVICES.values() for one in service.get("volumes", [])
    ]


def test_every_file_that_is_mounted_is_there_and_every_volume_is_declared() -> None:
    for source, _ in mounts():
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], source


def test_images_have_versions_and_ports_are_open_to_this_machine_only() -> None:
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[a-z/-]+:v?\d[\d.]*(@sha256:[0-9a-f]{64})?", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_the_exporter_understands_its_file_and_the_simulator_its_keys() -> None:
    config = load(EXAMPLE / "exporter.yaml", environ={}, sets=())
    assert config.warnings == ()
    text = (EXAMPLE / "exporter.yaml").read_text("utf-8")
    shown = str(configuration("http://127.0.0.1:10187", store="x"))
    keys = [line.split(": ")[1] for line in text.splitlines() if "EXAMPLE" in line]
    assert [key for key in keys if key not in shown] == []
    assert len(keys) == 4


def test_the_exporter_reads_every_source_of_the_simulated_clouds() -> None:
    config = load(EXAMPLE / "exporter.yaml", environ={}, sets=())
    assert {name for target in config.targets for name in target.sources} == set(SOURCES)
    addresses = {address for target in config.targets for address in target.endpoints.values()}
    assert addresses == {"http://127.0.0.1:10187"}
    asked = {SOURCES[name].api for target in config.targets for name in target.sources}
    assert asked <= {api for target in config.targets for api in target.endpoints}


def test_prometheus_and_alertmanager_understand_theirs() -> None:
    promtool, amtool = needs("promtool", "prometheus"), needs("amtool", "prometheus-alertmanager")
    commands: tuple[list[str | Path], ...] = (
        [promtool, "check", "config", "--syntax-only", EXAMPLE / "prometheus.yml"],
        [promtool, "check", "rules", EXAMPLE / "prometheus-rules.yaml"],
        [amtool, "check-config", EXAMPLE / "alertmanager.yml"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_names_and_ports_in_the_files_are_those_of_services() -> None:
    prometheus = yaml.safe_load((EXAMPLE / "prometheus.yml").read_text("utf-8"))
    (scrape,) = prometheus["scrape_configs"]
    (alerting,) = prometheus["alerting"]["alertmanagers"]
    asked = [*scrape["static_configs"][0]["targets"], *alerting["static_configs"][0]["targets"]]
    sources = yaml.safe_load((EXAMPLE / "grafana" / "datasources.yaml").read_text("utf-8"))["datasources"]
    asked += [one["url"].removeprefix("http://") for one in sources]
    for name, _, port in (one.partition(":") for one in asked):
        assert f"127.0.0.1:{port}:{port}" in SERVICES[name]["ports"], name
