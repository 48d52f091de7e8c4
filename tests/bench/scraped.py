"""The servers that a scrape is measured on: our web room, prometheus_client's own server, and a server of files."""

import asyncio
import gc
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NoReturn

import prometheus_client
import uvloop

from exporter.app import assembly
from exporter.common.clock import SystemClock
from exporter.exposition.registry import Registry
from exporter.model.metrics import SEVERITIES, Catalogue, Changes, Series
from exporter.model.state import Restored
from exporter.observability.self_metrics import SelfMetrics
from exporter.web.routes import ServerOptions, Shown, make_site
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import listen, serve

from .flow import configured
from .machine import free_port

METRIC = "platform_resource_events_total"
BLOCK = 1024  # series that are written anew if one of them has changed


def make_series(number: int) -> list[Series]:
    """Series of resources, by severity, as a project with many jobs has them."""
    place = ("research", "modelarts_training")
    return [
        (METRIC, (*place, f"{job:08x}-9de2-4864-a0f7-5fae966171b5", severity))
        for job in range(number // len(SEVERITIES))
        for severity in SEVERITIES
    ]


def ours(number: str, share: str) -> None:
    """The web room as the exporter runs it. After each scrape a share of the blocks gets something new."""
    series, catalogue = make_series(int(number)), _catalogue()
    prometheus = Registry(catalogue, 0.0, SystemClock())
    prometheus.restore(Restored(Changes(counts=dict.fromkeys(series, 12.0)), frozenset(), {}, {}, {}))
    own = SelfMetrics("bench", [("research", "modelarts_training")], (), catalogue, prometheus.series_counts)
    dirty = Changes(counts=dict.fromkeys(series[:: round(BLOCK / float(share))], 1.0) if float(share) else {})

    def scraped(page: int) -> None:
        prometheus.scraped(page)
        prometheus.write(dirty)

    shown = Shown(
        metrics=lambda form, gzip: prometheus.render(form, gzip, own.render(form)),
        scraped=scraped,
        unhealthy=lambda: None,
        unready=lambda: None,
    )
    site = make_site(shown, ServerOptions(LiveWebConfig(None, print), "", asyncio.Event()))
    gc.collect()
    gc.freeze()
    listening = listen("127.0.0.1:0")
    print(listening.getsockname()[1], flush=True)
    uvloop.run(serve(site, listening, asyncio.Event()))


def theirs(number: str) -> None:
    """prometheus_client with the same series, behind the server that it brings; without the ``_created`` ones of its own."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = prometheus_client.CollectorRegistry()
    labels = ("target", "source", "resource", "severity")
    counter = prometheus_client.Counter(METRIC, "Events by resource.", labels, registry=registry)
    for _, values in make_series(int(number)):
        counter.labels(*values).inc(12)
    server, _ = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    print(server.server_port, flush=True)
    threading.Event().wait()


def files(folder: str) -> None:
    """The files of a folder, by nginx where it is installed, else by Python's own sendfile."""
    if shutil.which("nginx"):
        _nginx(Path(folder))
    else:
        asyncio.run(_sendfile(Path(folder)))


def file_server() -> str:
    """What ``files`` uses."""
    return "nginx, a file" if shutil.which("nginx") else "Python's sendfile, a file"


def _catalogue() -> Catalogue:
    with tempfile.TemporaryDirectory() as folder:
        return assembly.read_known(configured(Path(folder))).catalogue


def _nginx(folder: Path) -> NoReturn:
    port, names = free_port(), ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in names)
    server = f"server {{ listen 127.0.0.1:{port}; root {folder}; keepalive_requests 100000; }}"
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr crit; events {{}}\n"
        f"http {{ access_log off; sendfile on; {temporary} {server} }}\n"
    )
    print(port, flush=True)
    os.execvp("nginx", ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])


async def _sendfile(folder: Path) -> None:
    contents = {f"/{path.name}": path.open("rb") for path in folder.iterdir()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Sending(contents), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class _Sending(asyncio.Protocol):
    """As little of HTTP as sending a file takes: one request at a time, in one piece."""

    def __init__(self, contents: Mapping[str, BinaryIO]) -> None:
        self._contents = contents

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        content = self._contents[data.split(b" ", 2)[1].decode()]
        size = os.fstat(content.fileno()).st_size
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        self._sent = asyncio.ensure_future(asyncio.get_running_loop().sendfile(self._transport, content))
