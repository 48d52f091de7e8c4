"""The product as its user runs it: ``simulate`` and ``run`` as processes of their own, from vendors' sockets to /metrics."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Clouds, Exporter, closing, configured

Event = dict[str, Any]


def event(source: str, text: str = "", **more: Any) -> Event:
    """Something that happened to the one resource of a source; ``ago`` seconds before now."""
    if "ago" in more:
        more["at"] = int((time.time() - more.pop("ago")) * 1000)
    return {"source": source, "resource": f"{source}-1", "text": text or "something happened", **more}


HISTORY = [event(source, "long ago", ago=600) for source in ("modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc")]


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    with closing(Clouds(tmp_path)) as running:
        yield running


def test_x(clouds: Clouds, tmp_path: Path) -> None:
    clouds.add(*HISTORY)
    t=time.monotonic()
    with closing(Exporter(tmp_path, configured(clouds, tmp_path))) as exporter:
        exporter.url
        print("listens", time.monotonic()-t)
        exporter.contacted()
        print("contacted", time.monotonic()-t)
        page = exporter.get("/metrics").text
        print(len(page.splitlines()))
        t2=time.monotonic(); m=exporter.metrics(); print('parse', time.monotonic()-t2)
        exporter.polled()
        print("polled", time.monotonic()-t)
        print(exporter.get("/-/ready").text)
        print(exporter.stop(), exporter.said())
        print([l for l in page.splitlines() if 'history' in l or 'watches' in l])
