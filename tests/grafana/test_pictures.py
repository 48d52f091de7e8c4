"""The pictures of the dashboards in the docs: of the dashboards as they are shipped, and small."""

import json
from pathlib import Path

import pytest
from PIL import Image

from grafana.preview.chromium import INPUTS, SIZE
from grafana.preview.drawing import DRAWN, PAGE, digest, read

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
LARGEST = 250_000  # bytes of a picture


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_picture_is_of_the_dashboard_as_it_is_shipped(path: Path) -> None:
    picture = ROOT / "docs" / "dashboards" / f"{path.stem}.png"
    with Image.open(picture) as image:
        assert image.info.get(INPUTS) == digest(read(path)), f"{picture.name} is out of date; run make previews"
        assert image.width == SIZE[0]
        assert image.height < SIZE[1], "the lower panels are out of sight; raise the height of SIZE"
    assert picture.stat().st_size < LARGEST


def test_there_is_a_picture_of_every_dashboard_and_no_other() -> None:
    pictures = {path.stem for path in (ROOT / "docs" / "dashboards").iterdir()}
    assert pictures == {path.stem for path in DASHBOARDS}


@pytest.mark.parametrize("name", DRAWN)
def test_whatever_is_drawn_of_a_panel_counts(name: str) -> None:
    board = read(DASHBOARDS[0])
    was = digest(board)
    board["panels"][1][name] = "another"
    assert digest(board) != was


def test_what_is_not_drawn_does_not_count() -> None:
    board = read(DASHBOARDS[0])
    was = digest(board)
    board["panels"][1]["links"] = []
    board["refresh"] = "5m"
    assert digest(board) == was


def test_the_packages_of_the_page_are_locked_by_hash_and_name_no_registry() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text("utf-8"))
    wanted = json.loads((PAGE / "package.json").read_text("utf-8"))["devDependencies"]
    root, packages = lock["packages"].pop(""), lock["packages"]
    assert root["devDependencies"] == wanted
    assert all(package.get("integrity", "").startswith("sha512-") for package in packages.values())
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert not [name for name, package in packages.items() if "GPL" in str(package.get("license"))]
