"""What people read when the shipped rules fire: messages of a current Alertmanager, by its own templates."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.grafana.test_alertmanager import PAGES, POOL, hurried, nodes
from tests.interop.alertmanager import READER, SENDER, Inbox, alertmanager, receivers
from tests.interop.programs import ROOT
from tests.interop.prometheus import JOB, SCRAPING, PrometheusProcess
from tests.support.processes import Clouds, Exporter, closing, configured, until

pytestmark = pytest.mark.interop

POOLS = (POOL, "pool-b")
GUIDE = (ROOT / "docs" / "grafana.md").read_text("utf-8")
SHOWN: Any = yaml.safe_load(GUIDE.partition("# alertmanager.yml\n")[2].partition("```")[0])
GROUP = {"alertname": "PlatformPoolDegraded", "target": "research"}
TITLE = "PlatformPoolDegraded research (warning)"
LASTING = "1 nodes are abnormal, and have been for five minutes; others still work."


def page(pool: str) -> str:
    """Return the address of a pool's page."""
    return f"{PAGES}/resources/research/modelarts_pool/{pool}"


class Scene(NamedTuple):
    """Everything that was received once two pools had lost a node and had it again, and who sent it."""

    inbox: Inbox
    version: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("alerts")
    with (
        receivers() as to,
        alertmanager(folder, SHOWN, to) as manager,
        closing(PrometheusProcess(folder, SCRAPING, manager.url)) as prometheus,
        closing(Clouds(folder)) as clouds,
    ):
        pools_change(clouds.past, "0/0/0/0", "4/0/0/0", "Normal")
        with closing(Exporter(folder, {**configured(clouds, folder), "external_url": PAGES})) as exporter:
            exporter.polled()
            prometheus.scrape(exporter.url, "", {JOB: []})
            until(lambda: prometheus.query("up == 1"), "the exporter is scraped")
            prometheus.scrape(exporter.url, hurried(), {JOB: []})
            pools_change(clouds.add, "4/0/0/0", "3/1/0/0", "Warning")
            until(lambda: all(to.inbox), "everyone is told of it")
            pools_change(clouds.add, "3/1/0/0", "4/0/0/0", "Normal")
            until(lambda: ended(to.inbox), "everyone is told of its end")
            yield Scene(to.inbox, manager.version())


def pools_change(happen: Any, was: str, now: str, type_: str) -> None:
    """Let the nodes of every pool change."""
    happen(*(nodes(was, now, type_) | {"resource": pool} for pool in POOLS))


def ended(inbox: Inbox) -> bool:
    """Return whether the newest of each kind tells of the end."""
    last = [inbox.webhook[-1]["status"], inbox.slack[-1]["attachments"][0]["title"], inbox.mails[-1]["Subject"]]
    return all("RESOLVED" in text.upper() for text in last)


def test_both_pools_are_one_message_and_so_is_their_end(scene: Scene) -> None:
    pinned = (ROOT / "tests" / "interop" / "alertmanager" / "go.mod").read_text("utf-8")
    assert f"alertmanager v{scene.version}\n" in pinned
    for message, status in ((scene.inbox.webhook[0], "firing"), (scene.inbox.webhook[-1], "resolved")):
        assert (message["status"], message["groupLabels"], message["truncatedAlerts"]) == (status, GROUP, 0)
        told = {alert["labels"]["resource"]: alert for alert in message["alerts"]}
        assert sorted(told) == sorted(POOLS)
        for pool, alert in told.items():
            assert alert["status"] == status
            assert alert["labels"] == {**GROUP, "severity": "warning", "name": pool, "resource": pool}
            assert alert["annotations"] == {
                "summary": f"Pool {pool} of research has abnormal nodes",
                "description": LASTING,
                "runbook": "docs/runbooks/PlatformPoolDegraded.md",
                "dashboard": "/d/platform-events-pools?viewPanel=12&var-target=research",
                "page": page(pool),
            }


def test_a_mail_has_all_that_an_alert_says(scene: Scene) -> None:
    first, last = scene.inbox.mails[0], scene.inbox.mails[-1]
    assert (first["From"], first["To"]) == (SENDER, READER)
    assert (first["Subject"], last["Subject"]) == (f"[FIRING:2] {TITLE}", f"[RESOLVED] {TITLE}")
    for mail in (first, last):
        body = mail.get_body(("html",))
        assert body is not None
        lines = lines_of(body.get_content())
        for pool in POOLS:
            for line in (f"summary = Pool {pool} of research has abnormal nodes", f"page = {page(pool)}"):
                assert lines.count(line) == 1
        assert lines.count(f"description = {LASTING}") == 2


def lines_of(page: str) -> list[str]:
    """Return the lines of a mail in HTML as people see them."""
    text = re.sub("<[^>]+>", "", re.sub("<br[^>]*>", "\n", page))
    return [html.unescape(line).strip() for line in text.splitlines() if line.strip()]


def test_a_message_in_slack_is_the_one_of_the_guide(scene: Scene) -> None:
    text = "\n".join(f"*Pool {pool} of research has abnormal nodes*\n{LASTING} {page(pool)}" for pool in POOLS)
    for message, title in ((scene.inbox.slack[0], "[FIRING:2]"), (scene.inbox.slack[-1], "[RESOLVED]")):
        (shown,) = message["attachments"]
        assert shown["title"] == f"{title} {TITLE}"
        assert sorted(shown["text"].strip().split("\n")) == sorted(text.split("\n"))


def test_the_composed_alertmanager_groups_as_the_guide_says() -> None:
    composed = yaml.safe_load((ROOT / "examples" / "compose" / "alertmanager.yml").read_text("utf-8"))
    assert composed["route"]["group_by"] == SHOWN["route"]["group_by"]
