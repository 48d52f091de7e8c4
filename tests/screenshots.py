"""``python tests/screenshots.py FOLDER``: pictures of every page with something to see on it."""

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import FloatRect as Clip

from tests.support.exhibit import SERVICE, UNREAD, browser, exhibited

WIDE, PHONE = (1280, 800), (390, 844)
SPREAD = 20.0  # seconds in which the failed deployment takes place
TALL = 1500  # pixels of a picture
COLOURS = 128  # of a picture; with all of them it is three times as large


class Picture(NamedTuple):
    """A picture: the name of its file, the page, and how it is looked at."""

    name: str
    path: str
    size: tuple[int, int] = WIDE
    scheme: Literal["light", "dark"] = "light"


def pictures() -> Iterator[Picture]:
    """One of each page."""
    yield Picture("overview", "/")
    yield Picture("overview-dark", "/", scheme="dark")
    yield Picture("overview-phone", "/", size=PHONE)
    yield Picture("sources", "/sources")
    yield Picture("source", "/sources/research/dws")
    yield Picture("source-phone", "/sources/research/dws", size=PHONE, scheme="dark")
    yield Picture("resource", f"/resources/research/modelarts_service/{SERVICE}")
    yield Picture("resource-dark", f"/resources/research/modelarts_service/{SERVICE}", scheme="dark")
    yield Picture("runs", "/runs")
    yield Picture("events", "/events?severity=trouble")
    yield Picture("events-phone", "/events?severity=trouble", size=PHONE)
    yield Picture("unmapped", "/unmapped")
    yield Picture("mappings", "/mappings")
    yield Picture("config", "/config")


def main(folder: Path) -> None:
    """Takes them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        exhibited(Path(place), SPREAD, hostile=False) as (exporter, _),
        browser() as chromium,
    ):
        for picture in pictures():
            width, height = picture.size
            page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=picture.scheme)
            page.goto(exporter.url + picture.path)
            if picture.name == "mappings":
                page.get_by_label("Source").select_option("modelarts_training")
                page.get_by_label("Text, or a raw record").fill(UNREAD)
                page.get_by_role("button", name="Explain").click()
            shown: Clip = {
                "x": 0,
                "y": 0,
                "width": width,
                "height": min(page.evaluate("document.body.scrollHeight"), TALL),
            }
            taken = page.screenshot(full_page=True, clip=shown)
            Image.open(io.BytesIO(taken)).quantize(COLOURS).save(folder / f"{picture.name}.png", optimize=True)
            page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
