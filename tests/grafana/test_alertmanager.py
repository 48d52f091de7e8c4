"""From a lost node to a message: simulator, exporter, Debian's Prometheus with the shipped rules, Alertmanager, webhook."""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from grafana.preview.panels import ask, everything, panels, variables, window
from grafana.preview.server import Server, serving
from tests.support.heavy import needs
from tests.support.processes import Child, Clouds, Exporter, closing, configured, free_port, until

pytestmark = pytest.mark.prometheus

GRAFANA = Path(__file__).parents[2] / "grafana"
JOB = "platform-events-exporter"
POOL = "pool-4f6c1d0e2b"
HOLD = "4s"  # in place of minutes; the rules are evaluated each second in place of each minute


class Told(NamedTuple):
    """An alert as the webhook received it."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Scene(NamedTuple):
    """Everything running."""

    clouds: Clouds
    server: Server
    received: list[Told]


def webhook(received: list[Told]) -> ThreadingHTTPServer:
    """A server on a free port that notes every alert it is sent."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.extend(Told(one["status"], one["labels"], one["annotations"]) for one in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Door)


PAGES = "https://events.example.com/on/call"


def hurried() -> str:
    """The shipped rules, with seconds for minutes where a rule waits; what they ask is untouched."""
    rules = yaml.safe_load((GRAFANA / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule |= {key: HOLD for key in ("for", "keep_firing_for") if key in rule}
    return yaml.safe_dump(rules)


def alertmanager(folder: Path, hook: str) -> tuple[int, Child]:
    """Debian's, sending everything to the webhook at once."""
    port = free_port()
    receiver = {"name": "hook", "webhook_configs": [{"url": hook, "send_resolved": True}]}
    route = {
        "receiver": "hook",
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    (folder / "alertmanager.yml").write_text(json.dumps({"route": route, "receivers": [receiver]}))
    program = str(needs("prometheus-alertmanager", "prometheus-alertmanager"))
    places = (f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alerts")
    listens = (f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn")
    return port, Child(folder, "alertmanager", (program, *places, *listens))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, received = tmp_path_factory.mktemp("alerts"), list[Told]()
    prometheus, hook = str(needs("prometheus", "prometheus")), webhook(received)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    port, manager = alertmanager(folder, f"http://127.0.0.1:{hook.server_port}/")
    with closing(manager), closing(Clouds(folder)) as clouds:
        clouds.past(nodes("0/0/0/0", "4/0/0/0", "Normal"))
        wanted = {**configured(clouds, folder), "external_url": PAGES}
        with closing(Exporter(folder, wanted)) as exporter:
            exporter.polled()
            config = {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(folder / "rules.yaml")],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
                "scrape_configs": [
                    {"job_name": JOB, "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}]}
                ],
            }
            with serving(prometheus, folder, folder / "data", config) as server:
                until(lambda: server.now(f'up{{job="{JOB}"}} == 1', time.time()), "the exporter is scraped")
                (folder / "rules.yaml").write_text(
                    hurried(), "utf-8"
                )  # not before: a first scrape takes longer than HOLD
                server.reload()
                yield Scene(clouds, server, received)
    hook.shutdown()
    hook.server_close()


def nodes(was: str, now: str, type_: str) -> dict[str, Any]:
    """The pool's nodes change."""
    change = f"available/abnormal/creating/deleting count from {was} to {now}"
    text = f"Pool resources status changed, {change}, timestamp: {int(time.time())}."
    return {
        "source": "modelarts_pool",
        "resource": POOL,
        "type": type_,
        "reason": "PoolResourcesStatusChange",
        "text": text,
    }


def test_a_pool_that_loses_a_node_is_told_of_once_and_so_is_its_recovery(scene: Scene) -> None:
    scene.clouds.add(nodes("4/0/0/0", "3/1/0/0", "Warning"))
    until(lambda: scene.received, "the alert arrives")
    (told,) = scene.received
    assert told.status == "firing"
    wanted = {
        "alertname": "PlatformPoolDegraded",
        "severity": "warning",
        "target": "research",
        "resource": POOL,
        "name": POOL,
    }
    assert told.labels == wanted
    assert told.annotations["summary"] == f"Pool {POOL} of research has abnormal nodes"
    assert told.annotations["description"].startswith("1 nodes are abnormal")
    assert told.annotations["runbook"] == "docs/runbooks/PlatformPoolDegraded.md"
    assert told.annotations["page"] == f"{PAGES}/resources/research/modelarts_pool/{POOL}"

    scene.clouds.add(nodes("3/1/0/0", "4/0/0/0", "Normal"))
    until(lambda: len(scene.received) > 1, "its end arrives")
    assert [one.status for one in scene.received] == ["firing", "resolved"]
    assert scene.received[1].labels == told.labels


def test_the_first_line_of_every_dashboard_is_answered_from_a_live_scrape(scene: Scene) -> None:
    """Whatever has not happened yet is 0, not missing; but for durations of what never ended."""
    scene.clouds.add({"source": "dws", "resource": "backup", "text": "createBackup"})
    for path in sorted((GRAFANA / "dashboards").glob("*.json")):
        board = json.loads(path.read_text("utf-8"))
        for panel in panels(board):
            if panel["type"] == "stat" and panel["title"] not in (
                "Duration p50",
                "Failed, share",
                "Time to recover p50",
            ):
                until(partial(one_line, board, panel, scene), f"{path.stem}: {panel['title']} has its line")


def one_line(board: dict[str, Any], panel: dict[str, Any], scene: Scene) -> bool:
    """Whether a panel shows one line now; growth needs two scrapes."""
    shown = window(board, time.time(), 1.0)
    ((_, found),) = ask(panel, everything(board, variables(board, scene.server, shown)), shown, scene.server)
    return len(found) == 1
