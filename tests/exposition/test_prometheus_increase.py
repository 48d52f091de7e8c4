"""Two real Prometheus servers, each with its own rhythm: ``increase`` sees every single event, also over a ``kill -9``."""

from pathlib import Path

import pytest

from tests.support.heavy import needs
from tests.support.processes import Clouds, Exporter, closing, configured, free_port, until
from tests.support.prometheus_server import Server, scraping
from tests.support.reasons_metric import EVENTS, REASONS, TURNS, one, reasons
from tests.support.source_names import SOURCES

pytestmark = pytest.mark.prometheus

HOLD = 5  # seconds: two scrapes of the slower server, and a little
DECLARED = 'sum(round(increase(platform_events_total{source="dws"}[5m])))'
LEARNED = 'sum(round(increase(platform_resource_events_total{resource=~"new-.*"}[5m])))'
EACH = 'count(round(increase(platform_resource_events_total{resource=~"new-.*"}[5m])) == 1)'
SCRAPED = 'min(count_over_time(platform_events_total{source="dws"}[5m])) >= 2'


def test_increase_sees_200_of_200_events_on_two_servers_over_a_kill_in_the_middle(tmp_path: Path) -> None:
    """Each event has a declared label set, its reason, and one that nobody knew before, its resource."""
    prometheus, address = needs("prometheus", "prometheus"), f"127.0.0.1:{free_port()}"
    for name in ("fast", "slow"):
        (tmp_path / name).mkdir()
    with closing(Clouds(tmp_path)) as clouds:
        config = configured(clouds, tmp_path)
        config["web"] |= {"listen": address, "zero_hold": f"{HOLD}s"}
        fast_url, fast_child = scraping(prometheus, tmp_path / "fast", "1s", exporter=address)
        slow_url, slow_child = scraping(prometheus, tmp_path / "slow", "2s", exporter=address)
        fast, slow = Server(fast_url, "", clouds, fast_child), Server(slow_url, "", clouds, slow_child)
        with closing(fast_child), closing(slow_child):
            until(lambda: fast.ready() and slow.ready(), "both servers are ready")
            exporter = Exporter(tmp_path, config)
            try:
                exporter.contacted(*SOURCES)
                for server in (fast, slow):
                    until(lambda server=server: server.query(SCRAPED), "zeros were scraped")  # type: ignore[misc]
                names = reasons(exporter)
                assert len(names) == REASONS
                for turn in range(TURNS):
                    if turn == TURNS // 2:
                        exporter.process.kill()
                        exporter.process.wait()
                    clouds.add(
                        *(
                            {"source": "dws", "resource": f"new-{number}", "text": names[number % REASONS]}
                            for number in range(turn, EVENTS, TURNS)
                        )
                    )
                    if turn == TURNS // 2:
                        exporter = Exporter(tmp_path, config)
                    exporter.polled(1)
                for server in (fast, slow):
                    until(
                        lambda server=server: (one(server, DECLARED), one(server, LEARNED)) == (EVENTS, EVENTS),  # type: ignore[misc]
                        "an increase of each event",
                    )
                    assert one(server, EACH) == EVENTS
            finally:
                exporter.close()
