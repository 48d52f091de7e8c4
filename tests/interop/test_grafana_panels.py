"""Grafana's own components draw every panel of the shipped dashboards; with nothing known, none looks fine."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

from grafana.preview.chromium import Site, built, drawn, opened
from grafana.preview.drawing import drawing, read
from grafana.preview.panels import Answer, panels, window
from grafana.preview.server import Line
from tests.interop.programs import ROOT
from tests.support.heavy import missing, needs

pytestmark = pytest.mark.interop

DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
OVERVIEW = next(path for path in DASHBOARDS if path.stem.endswith("overview"))
END = 1_800_000_000.0
CUT_OFF = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The page, built of the packages that its lock names."""
    chromium = needs("chromium", "chromium")
    if shutil.which("npm") is None:
        missing("npm is not installed: Grafana's components draw nothing. Install Node.js 20 or newer for it.")
    with opened(built(), str(chromium)) as opened_site:
        yield opened_site


def shown(site: Site, board: Any, answers: dict[str, list[Line]]) -> Any:
    """Open the page with these answers to every query of a panel, by its title, or by title and letter."""
    asked = [(panel, _answered(panel, answers)) for panel in panels(board) if "repeat" not in panel]
    return drawn(site, drawing(board, asked, window(board, END, 60.0)))


def _answered(panel: Any, answers: dict[str, list[Line]]) -> list[Answer]:
    title = panel["title"]
    return [
        Answer(target, answers.get(f"{title} {target['refId']}", answers.get(title, []))) for target in panel["targets"]
    ]


def section(page: Page, title: str) -> Locator:
    """Return the panel with this title."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True)).first


def colour(panel: Locator) -> tuple[int, int, int]:
    """Return the red, green and blue of a panel's lower left corner, inside its padding."""
    image = Image.open(io.BytesIO(panel.screenshot())).convert("RGB")
    red, green, blue = image.getpixel((16, image.height - 16))  # type: ignore[misc]
    return red, green, blue


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_with_no_answer_every_panel_says_so_under_its_whole_title_and_no_number_is_green(
    site: Site, path: Path
) -> None:
    board = read(path)
    with shown(site, board, {}) as page:
        for panel in (panel for panel in panels(board) if "repeat" not in panel):
            found = section(page, panel["title"])
            assert panel["fieldConfig"]["defaults"]["noValue"] in found.inner_text(), panel["title"]
            red, green, blue = colour(found)
            assert green <= max(red, blue) + 10, panel["title"]
        assert page.locator("section h2").evaluate_all(CUT_OFF) == []


def test_a_table_has_its_headings_and_counts_without_decimals(site: Site) -> None:
    labels = {"target": "research", "source": "dws"}
    title = "By target and source"
    values = {"A": 8.32, "B": 0.0, "C": 2.03, "D": 90.0, "E": 24.0, "F": 1.0}
    answers = {f"{title} {letter}": [Line(labels, [END], [value])] for letter, value in values.items()}
    with shown(site, read(OVERVIEW), answers) as page:
        text = section(page, title).inner_text().split("\n")
    cells = [cell for cell in text if cell.strip()]
    headings = [
        "Target",
        "Source",
        "Warnings 10 min",
        "Errors 1 h",
        "Failed runs 1 h",
        "Last warning",
        "Last poll",
        "Up",
    ]
    assert cells == [title, *headings, "research", "dws", "8", "0", "2", "1.50 mins", "24 s", "yes"]


def test_a_count_is_shown_in_full(site: Site) -> None:
    answers = {"Warnings and errors": [Line({}, [END], [1499.0])]}
    with shown(site, read(OVERVIEW), answers) as page:
        assert "1,499" in section(page, "Warnings and errors").inner_text()


def test_a_known_number_is_shown_in_the_colour_of_its_threshold(site: Site) -> None:
    board = read(OVERVIEW)
    titles = ("Exporters up", "Blind sources")
    with shown(site, board, {title: [Line({}, [END], [1.0])] for title in titles}) as page:
        (red, green, _), (worse, less, _) = (colour(section(page, title)) for title in titles)
        assert green > red, "one exporter up is fine"
        assert worse > less, "one blind source is not"


FAULTS = {
    "type": ({"type": "heatmap"}, "nothing draws the type heatmap; add it to panels.tsx"),
    "field option": (
        {"fieldConfig": {"defaults": {"fieldMinMax": True}, "overrides": []}},
        "nothing reads the field option fieldMinMax; add it to fields.ts",
    ),
    "custom field option": (
        {"fieldConfig": {"defaults": {"custom": {"barWidthFactor": 1}}, "overrides": []}},
        "nothing reads the field option custom.barWidthFactor; add it to fields.ts",
    ),
    "transformation": (
        {"transformations": [{"id": "reduce", "options": {}}]},
        "nothing makes the transformation reduce; add it to frames.ts",
    ),
}


@pytest.mark.parametrize(("change", "cure"), FAULTS.values(), ids=FAULTS)
def test_what_the_page_does_not_draw_as_grafana_would_is_named(site: Site, change: Any, cure: str) -> None:
    board = read(OVERVIEW)
    board["panels"][1] |= change
    with pytest.raises(RuntimeError) as raised, shown(site, board, {}):
        pass
    told = f'Platform events / Overview: panel "Exporters up": {cure}; see grafana/preview/page'
    assert str(raised.value) == told
