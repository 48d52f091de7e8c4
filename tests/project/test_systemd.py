"""The systemd unit: it loads, it is hardened, and what it says fits the exporter."""

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector

from exporter.config.models import DEFAULT_STORE
from tests.support.heavy import needs
from tests.support.processes import ran

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "platform-events-exporter.service"
TEXT = UNIT.read_text("utf-8")
EXPOSURE = "20"  # tenths: at most 2.0 of 10


def settings(key: str) -> list[str]:
    """The values of a key of the unit."""
    return re.findall(rf"^{key}=(.*)$", TEXT, re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze; it needs no running systemd for this."""
    program = needs("systemd-analyze", "systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def test_the_unit_exposes_next_to_nothing() -> None:
    ended = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT))
    assert ended.returncode == 0, ended.stdout[-500:]


@pytest.mark.parametrize("line", ["CapabilityBoundingSet=", "SystemCallFilter=@system-service", "PrivateUsers=yes"])
def test_a_unit_without_its_hardening_would_be_seen(line: str, tmp_path: Path) -> None:
    """One line taken out shows in the score; a unit without any is far beyond the threshold."""
    whole = score(UNIT)
    changed = tmp_path / UNIT.name
    changed.write_text(TEXT.replace(f"{line}\n", "", 1))
    assert score(changed) > whole
    changed.write_text("[Service]\nExecStart=/bin/true\n")
    assert score(changed) > float(EXPOSURE) / 10


def score(unit: Path) -> float:
    """The exposure level."""
    found = re.search(
        r"Overall exposure level for \S+: ([\d.]+)", analyze("security", "--offline=true", str(unit)).stdout
    )
    assert found
    return float(found[1])


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """With a program that is there, which the exporter's is not on this machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", TEXT, flags=re.MULTILINE))
    ended = analyze("verify", "--man=no", str(copy))
    assert (ended.returncode, ended.stderr) == (0, "")
    copy.write_text(copy.read_text() + "ProtectSytem=strict\n")
    assert "ProtectSytem" in analyze("verify", "--man=no", str(copy)).stderr


def test_the_command_of_the_unit_is_one_of_the_exporter() -> None:
    (command,) = settings("ExecStart")
    program, verb, *options = command.split()
    assert program.endswith("/platform-events-exporter")
    asked = ran(verb, "--help")
    assert asked.returncode == 0
    assert all(option in asked.stdout for option in options if option.startswith("--"))


def test_a_configuration_that_cannot_be_used_is_not_tried_again() -> None:
    (code,) = settings("RestartPreventExitStatus")
    assert ran("run", "--config", "/missing.yaml").returncode == int(code)


def test_the_one_folder_that_may_be_written_is_that_of_the_default_store() -> None:
    (folder,) = settings("StateDirectory")
    assert f"sqlite:///var/lib/{folder}/state.db" == DEFAULT_STORE
    assert settings("ReadWritePaths") == []


def test_what_the_metrics_of_the_process_are_read_from_stays_visible(tmp_path: Path) -> None:
    """``ProcSubset=pid`` hides /proc/stat; without it there is neither memory nor start time."""
    shown = tmp_path / "proc"
    (shown / "self").mkdir(parents=True)
    assert list(ProcessCollector(proc=str(shown), registry=None).collect()) == []
    assert list(ProcessCollector(registry=None).collect()) != []
    assert settings("ProcSubset") == []


def test_no_secret_is_an_argument_or_a_variable() -> None:
    assert settings("Environment") == settings("SetCredential") == []
    assert len(settings("LoadCredential")) == 1
