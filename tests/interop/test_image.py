"""The image, built for real without pulling anything, and run: ready, scraped, stopped, and unable to write elsewhere."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.support.images import Buildah, Container, buildable
from tests.support.processes import Clouds, closing, configured, total, until

ROOT = Path(__file__).parents[2]
DATA = "/var/lib/platform-events-exporter"
NOBODY = 65532
pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]  # a build takes about half a minute on an idle machine


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """The image, built once."""
    buildable()
    with closing(Buildah(tmp_path_factory.mktemp("image"))) as built:
        built.build()
        yield built


def test_the_image_says_who_it_is_how_it_is_started_stopped_and_asked(image: Buildah) -> None:
    config = image.configuration()
    assert config["User"] == f"{NOBODY}:{NOBODY}"
    assert config["Entrypoint"] == ["platform-events-exporter"]
    assert config["Cmd"] == ["run", "--config", "/etc/platform-events-exporter/exporter.yaml"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "platform-events-exporter", "healthcheck"]
    assert config["ExposedPorts"] == {"10186/tcp": {}}
    assert config["Volumes"] == {DATA: {}}
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_version_of_the_image_is_that_of_the_chart_and_of_the_program(image: Buildah, tmp_path: Path) -> None:
    chart = yaml.safe_load((ROOT / "helm" / "platform-events-exporter" / "Chart.yaml").read_text())
    with closing(Container(image, tmp_path, {}, "version")) as container:
        assert container.process.wait(30) == 0, container.said()
        assert container.printed().strip() == chart["appVersion"] == __version__


def test_nothing_in_the_image_installs_compiles_or_is_of_the_tests(image: Buildah) -> None:
    packages = image.root / "opt/platform-events-exporter/lib"
    found = {path.name.partition("-")[0] for path in packages.glob("python*/site-packages/*")}
    assert "exporter" in found
    assert found & {"pip", "setuptools", "hatchling", "pytest", "mypy", "tests"} == set()


def test_only_the_data_belongs_to_the_user_of_the_image(image: Buildah) -> None:
    root = image.root
    own = [path for path in root.rglob("*") if path.lstat().st_uid == NOBODY or path.lstat().st_gid == NOBODY]
    assert own == [root / DATA.lstrip("/")]
    wide = [path for path in root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o002]
    assert wide == [root / "tmp"]


def test_a_container_becomes_ready_is_scraped_and_stops_within_the_grace_time(image: Buildah, tmp_path: Path) -> None:
    with closing(Clouds(tmp_path, "--speed", "20")) as clouds:
        volumes = mounts(clouds, tmp_path)
        with closing(Container(image, tmp_path, volumes)) as container:
            until(lambda: container.get("/-/ready").status_code == 200, "the container is ready")
            until(lambda: total(container.metrics(), "platform_events_total") > 0, "events are counted")
            asked = subprocess.run(
                [sys.executable, "-m", "exporter", "healthcheck", "--url", container.url],
                capture_output=True,
                text=True,
            )
            assert asked.returncode == 0, asked.stderr
            code, seconds = container.stop()
            assert code == 0
            assert seconds < 10.0  # docker's own grace time; the chart gives 30
        state = volumes[DATA] / "state.db"
        assert state.stat().st_uid == NOBODY


def mounts(clouds: Clouds, folder: Path, store: str = f"{DATA}/state.db") -> dict[str, Path]:
    """A folder with a configuration and one for the state, by where they are mounted."""
    etc, data, tmp = (folder / name for name in ("etc", "data", "tmp"))
    for each in (etc, data, tmp):
        each.mkdir()
    for each in (data, tmp):
        each.chmod(0o777)
    config = {**configured(clouds, folder), "store": store}
    (etc / "exporter.yaml").write_text(json.dumps(config))
    return {"/etc/platform-events-exporter": etc, DATA: data, "/tmp": tmp}


@pytest.mark.parametrize("place", ["/etc/state.db", "/state.db", "/opt/platform-events-exporter/state.db"])
def test_a_container_cannot_write_outside_its_data(image: Buildah, tmp_path: Path, place: str) -> None:
    with (
        closing(Clouds(tmp_path)) as clouds,
        closing(Container(image, tmp_path, mounts(clouds, tmp_path, place))) as one,
    ):
        assert one.process.wait(30) == 2
        assert re.fullmatch(r"store: \S+ cannot be written; .*\n", one.said())


def test_a_container_without_a_configuration_says_so_in_one_line(image: Buildah, tmp_path: Path) -> None:
    with closing(Container(image, tmp_path, {})) as container:
        assert container.process.wait(30) == 2
        assert container.said().count("\n") == 1
        assert "/etc/platform-events-exporter/exporter.yaml" in container.said()
