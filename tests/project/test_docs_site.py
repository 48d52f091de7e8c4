"""The documentation as a site: it builds without a warning, every link and anchor leads somewhere, nothing is left out."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.docs_pages import pages
from tests.support.heavy import missing

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def in_nav(nav: object) -> Iterator[str]:
    """The pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        yield from (page for value in nav.values() for page in in_nav(value))
    elif isinstance(nav, list):
        yield from (page for value in nav for page in in_nav(value))


def test_the_navigation_names_every_page_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert sorted(in_nav(nav)) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_what_is_made_from_the_code_is_as_the_code_makes_it() -> None:
    for path, text in pages():
        assert path.read_text("utf-8") == text, f"{path.name}: make docs"


class Links(HTMLParser):
    """Collects the links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        for name in ("href", "src"):
            if (link := given.get(name)) and not re.match(r"[a-z]+:|//|/", link):
                self.links.append(link)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly in a copy."""
    command = Path(sys.executable).parent / "zensical"
    if not command.exists():
        missing("zensical is not installed; make .venv/.heavy")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    built = subprocess.run([command, "build", "--strict"], cwd=folder, capture_output=True, text=True, timeout=100)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


def test_every_link_of_the_site_leads_to_a_page_and_to_a_place_on_it(site: Path) -> None:
    read = {path: Links(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(read) > len([*DOCS.rglob("*.md")]) - 1
    for path, page in read.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            name, _, anchor = unquote(link).partition("#")
            name = name.partition("?")[0]
            led_to = (path.parent / name).resolve() if name else path
            led_to = led_to / "index.html" if led_to.is_dir() else led_to
            assert led_to.exists(), f"{path.name}: {link}"
            assert not anchor or led_to.suffix != ".html" or anchor in read[led_to].anchors, f"{path.name}: {link}"
