"""A real OpenTelemetry Collector receives, field by field, what the exporter has committed; and what its refusals cost."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop.collector import CollectorProcess, Wanted, collector, last_values, own_totals
from tests.interop.committed import Day, commit_a_day, flat_records, flat_spans, span_ids, waiting
from tests.support.collector import Certificates
from tests.support.processes import Exporter, closing, free_port, total, until

pytestmark = pytest.mark.interop

TOKEN = "a-token-of-the-team"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return commit_a_day(tmp_path_factory.mktemp("day"))


def everything_arrived(day: Day, receiver: CollectorProcess, exporter: Exporter) -> None:
    """Wait until nothing waits and all spans and records are in the Collector's files; each is there once, unchanged."""
    until(lambda: not exporter.total("platform_exporter_outbox_pending"), "nothing waits")
    until(lambda: flat_spans(receiver.received("traces")).total() >= day.spans.total(), "the spans are written")
    until(lambda: flat_records(receiver.received("logs")).total() >= day.records.total(), "the records are written")
    for found, wanted in (
        (flat_spans(receiver.received("traces")), day.spans),
        (flat_records(receiver.received("logs")), day.records),
    ):
        assert [*(found - wanted)][:1] == [*(wanted - found)][:1] == []
    page = exporter.metrics()
    for signal in ("traces", "logs"):
        assert total(page, "platform_exporter_outbox_sent_total", signal=signal) == getattr(day, FIELDS[signal]).total()
        assert total(page, "platform_exporter_outbox_rejected_total", signal=signal) == 0


FIELDS = {"traces": "spans", "logs": "records"}


def test_the_day_has_all_that_a_span_and_a_record_can_have(day: Day) -> None:
    spans, records = "".join(day.spans), "".join(day.records)
    for field in ("links", "events", "parentSpanId", "STATUS_CODE_ERROR", "SPAN_KIND_SERVER", "磁盘已满"):
        assert field in spans, field
    for field in ("eventName", "SEVERITY_NUMBER_ERROR", "traceId", "spanId", "body"):
        assert field in records, field
    ids = span_ids(waiting(day.state, "traces"))
    assert len(ids) == len({*ids}) == day.spans.total(), "no span is there twice, with one content or with two"


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_every_field_arrives_over_tls_with_a_token(day: Day, tmp_path: Path, protocol: str) -> None:
    certificates = Certificates(tmp_path)
    tls = {
        "cert_file": certificates.server,
        "key_file": certificates.server_key,
        "client_ca_file": certificates.authority,
    }
    wanted = Wanted({name: str(path) for name, path in tls.items()}, TOKEN)
    with closing(collector(tmp_path, wanted)) as receiver:
        config = day.copied(
            tmp_path,
            endpoint=receiver.url,
            protocol=protocol,
            headers={"Authorization": f"Bearer {TOKEN}"},
            certificate=str(certificates.authority),
            client_certificate=str(certificates.client),
            client_key=str(certificates.client_key),
        )
        with closing(Exporter(tmp_path, config)) as exporter:
            everything_arrived(day, receiver, exporter)


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_pushed_metrics_are_the_page(day: Day, tmp_path: Path, protocol: str) -> None:
    with closing(collector(tmp_path)) as receiver:
        config = day.copied(tmp_path, endpoint=receiver.url, protocol=protocol)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.until_value(2, "platform_exporter_outbox_sent_total", signal="metrics")
            page = own_totals(exporter.metrics())
            until(lambda: len(receiver.received("metrics")) >= 2, "the metrics are written")
            pushed = last_values(receiver.received("metrics"))
            assert total(page, "platform_events_total") > 0
            assert {key: value for key, value in page.items() if pushed.get(key) != value} == {}
            assert pushed.keys() == page.keys()


def refused(day: Day, folder: Path, line: str) -> tuple[float, str]:
    """Return the seconds from the first refusal to the arrival of all, and what the exporter said of it."""
    with closing(collector(folder)) as receiver:
        receiver.refusal.write_text(line)
        config = day.copied(folder, endpoint=receiver.url, logs=False, metrics=False)
        with closing(Exporter(folder, config)) as exporter:
            until(lambda: "/v1/traces: answers" in exporter.said(), "the refusal is on the log")
            began = time.monotonic()
            receiver.refusal.unlink()
            until(lambda: flat_spans(receiver.received("traces")) == day.spans, "all spans arrive")
            return time.monotonic() - began, exporter.said()


@pytest.mark.parametrize(("code", "status"), [("exhausted", 429), ("unavailable", 503)])
def test_a_collector_that_asks_for_time_gets_it(day: Day, tmp_path: Path, code: str, status: int) -> None:
    seconds, said = refused(day, tmp_path, f"{code} 4 the queue is full")
    assert f"/v1/traces: answers {status} (the queue is full); what was not delivered is kept and sent again" in said
    assert 3.0 <= seconds <= 15.0


def test_a_collector_without_memory_is_asked_again_until_it_has_some(day: Day, tmp_path: Path) -> None:
    port = free_port()
    with closing(collector(tmp_path, Wanted(limit=1), port)) as receiver:
        config = day.copied(tmp_path, endpoint=receiver.url)
        exporter = Exporter(tmp_path, config)
        with closing(exporter):
            until(lambda: "/v1/traces: answers 503 (data refused due to high memory usage)" in exporter.said(), "503")
            receiver.stop()
            with closing(collector(tmp_path, Wanted(), port)) as larger:
                everything_arrived(day, larger, exporter)


def test_a_wrong_token_is_reported_and_one_that_is_corrected_is_used(day: Day, tmp_path: Path) -> None:
    headers: dict[str, Any] = {"headers_file": str(tmp_path / "headers")}
    (tmp_path / "headers").write_text("Authorization: Bearer of-another-team\n")
    with closing(collector(tmp_path, Wanted(token=TOKEN))) as receiver:
        config = day.copied(tmp_path, endpoint=receiver.url, **headers)
        with closing(Exporter(tmp_path, config)) as exporter:
            cure = "the credentials are refused; correct otlp.headers or the file of otlp.headers_file"
            until(lambda: cure in exporter.said(), "the refusal is on the log")
            (tmp_path / "headers").write_text(f"Authorization: Bearer {TOKEN}\n")
            everything_arrived(day, receiver, exporter)
            assert "of-another-team" not in exporter.said()
