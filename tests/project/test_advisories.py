"""No floor and no pin is older than the version that mends a known advisory."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ADVISORIES: list[dict[str, str]] = tomllib.loads((ROOT / "requirements/advisories.toml").read_text("utf-8"))["advisory"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def floors() -> dict[str, str]:
    """The least version of each dependency at run time."""
    found = [re.match(r"([\w.-]+)>=([\d.]+)", line) for line in PROJECT["project"]["dependencies"]]
    return {match[1]: match[2] for match in found if match}


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\d.]+)", lock.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory["id"])
def test_floors_and_locks_are_past_the_advisory(advisory: dict[str, str]) -> None:
    fixed, package = numbers(advisory["fixed"]), advisory["package"]
    held = {"pyproject.toml": floors(), **{lock.name: pins(lock) for lock in LOCKS}}
    places = {place: numbers(versions[package]) for place, versions in held.items() if package in versions}

    assert {"pyproject.toml", "run.txt"} <= set(places), "it is a dependency no more: remove the advisory"
    assert not {place: version for place, version in places.items() if version < fixed}


def test_every_dependency_has_a_floor() -> None:
    assert len(floors()) == len(PROJECT["project"]["dependencies"])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_hashes_and_no_address_of_an_index(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) <= text.count("--hash=sha256:")
    assert "://" not in text
