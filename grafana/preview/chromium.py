"""Draws in Debian's Chromium: builds the page, gives it a drawing, takes the picture."""

import contextlib
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Page, Route, sync_playwright

from grafana.preview.drawing import PAGE
from grafana.preview.panels import Json

ORIGIN = "http://preview.invalid/"  # answered from the folder of the built page; nothing leaves the machine
SIZE = (1600, 4000)  # pixels; a table that is out of sight stays empty
COLOURS = 128  # of a picture; with all of them it is three times as large
INPUTS = "Inputs"  # the text of a picture that holds the digest of what it was made of
ICONS = "[...document.querySelectorAll('section svg')].every(icon => icon.childElementCount)"  # all are loaded
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


class Site(NamedTuple):
    """The built page, and the browser that opens it."""

    folder: Path
    browser: Browser


def built() -> Path:
    """Build the page with npm and return its folder. Raises subprocess.CalledProcessError."""
    subprocess.run((str(PAGE / "build.sh"),), check=True)
    return PAGE.parents[2] / ".previews" / "site"


@contextlib.contextmanager
def opened(folder: Path, chromium: str) -> Iterator[Site]:
    """Run Chromium for as long as pictures are taken."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield Site(folder, browser)
        finally:
            browser.close()


@contextlib.contextmanager
def drawn(site: Site, drawing: Json) -> Iterator[Page]:
    """Open the page with a dashboard on it. Raises RuntimeError where the page reports an error."""
    errors: list[str] = []
    page = site.browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/*", lambda route: _answer(site.folder, route, errors))
    page.goto(f"{ORIGIN}index.html")
    failed = page.evaluate("drawing => window.draw(drawing).catch(error => error.message)", drawing)
    if failed or errors:
        raise RuntimeError(f"{drawing['title']}: {failed or errors[0]}; see grafana/preview/page")
    page.wait_for_function(ICONS)
    yield page
    page.close()


def _answer(folder: Path, route: Route, errors: list[str]) -> None:
    path = folder / route.request.url.removeprefix(ORIGIN).partition("?")[0]
    if path.is_file():
        route.fulfill(path=path)
    else:
        errors.append(f"the page asks for {route.request.url}, which was not built")
        route.abort()


def write(page: Page, path: Path, inputs: str) -> None:
    """Write the picture of a page with the digest of its inputs."""
    facts = PngInfo()
    facts.add_text(INPUTS, inputs)
    taken = Image.open(io.BytesIO(page.locator("#page").screenshot()))
    taken.quantize(COLOURS).save(path, optimize=True, pnginfo=facts)
