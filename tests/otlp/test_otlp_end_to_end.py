"""The whole program with a receiver: runs become traces over real sockets, through kills and an outage, and on a clean stop."""

import random
import time
from pathlib import Path
from typing import Any

from exporter.simulator.otlp_receiver import Receiver, ReceiverFault
from tests.support.backups import Backups, sending
from tests.support.collector import collecting
from tests.support.processes import Clouds, Exporter, closing, ran, until

KILLS = 4


def spans(receiver: Receiver) -> list[Any]:
    frames = [frame for received in [*receiver.received] for frame in getattr(received.message, "resource_spans", ())]
    return [span for frame in frames for scope in frame.scope_spans for span in scope.spans]


def ids(receiver: Receiver) -> set[tuple[bytes, bytes]]:
    return {(span.trace_id, span.span_id) for span in spans(receiver)}


def records(receiver: Receiver) -> list[Any]:
    frames = [frame for received in [*receiver.received] for frame in getattr(received.message, "resource_logs", ())]
    return [record for frame in frames for scope in frame.scope_logs for record in scope.log_records]


def test_runs_become_traces_over_kills_and_outages_of_the_receiver(tmp_path: Path) -> None:
    luck, receiver = random.Random(3), Receiver()
    with closing(Clouds(tmp_path)) as clouds, collecting(receiver) as address:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_600_000_000_000})
        config, backups = sending(clouds, tmp_path, address), Backups(clouds)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            backups.happen(3)
            until(lambda: len(spans(receiver)) == 3, "the first spans arrive")
            receiver.down = ReceiverFault(503)
            backups.happen(2)
            exporter.until_value(5, "platform_runs_total", source="dws")
            exporter.process.kill()
        for kill in range(KILLS):
            if kill == KILLS // 2:
                receiver.down = None
            backups.happen(2)
            with closing(Exporter(tmp_path, config)) as exporter:
                until(exporter.listening, "the exporter listens")
                backups.happen(1)
                time.sleep(luck.uniform(0.0, 0.7))  # the moment of the kill, anywhere in its work
                exporter.process.kill()
                exporter.process.wait()
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.until_value(backups.number, "platform_runs_total", source="dws", outcome="success")
            exporter.until_exact(clouds)
            until(lambda: len(ids(receiver)) == backups.number, "every span arrives")
            until(lambda: not exporter.total("platform_exporter_outbox_pending"), "nothing waits")
            assert exporter.total("platform_runs_total", source="dws") == backups.number
    found = spans(receiver)
    contents = {span.SerializeToString(deterministic=True) for span in found}
    assert len(ids(receiver)) == len(contents) == backups.number


def test_a_stop_delivers_what_was_read_and_a_second_clean_pass_sends_the_same_bytes(tmp_path: Path) -> None:
    passes = []
    with closing(Clouds(tmp_path)) as clouds:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_600_000_000_000})
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            receiver = Receiver()
            with collecting(receiver) as address:
                config = sending(clouds, folder, address, logs=True, protocol=["http/protobuf", "http/json"][number])
                config["targets"][0]["sources"]["dws"]["history"] = "count"
                with closing(Exporter(folder, config)) as exporter:
                    if number == 0:
                        exporter.contacted("dws")
                        Backups(clouds).happen(4)
                    exporter.until_value(4, "platform_runs_total", source="dws")
                    code, seconds = exporter.stop()
                    assert (code, seconds < 8) == (0, True), exporter.said()
            told = {record.SerializeToString(deterministic=True) for record in records(receiver)}
            passes.append(({span.SerializeToString(deterministic=True) for span in spans(receiver)}, told))
    assert passes[0] == passes[1]
    assert [len(part) for part in passes[0]] == [4, 9]


def test_a_receiver_that_cannot_be_used_never_stops_the_counting(tmp_path: Path) -> None:
    with closing(Clouds(tmp_path)) as clouds:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_600_000_000_000})
        config, backups = sending(clouds, tmp_path, "http://127.0.0.1:9"), Backups(clouds)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            backups.happen(3)
            exporter.until_value(3, "platform_exporter_outbox_pending", signal="traces")
            exporter.until_exact(clouds)
            assert exporter.said().count("otlp: http://127.0.0.1:9/v1/traces: cannot be reached") == 1
            assert exporter.total("platform_exporter_outbox_oldest_timestamp_seconds", signal="traces") > 1e9
            code, seconds = exporter.stop()
            assert (code, seconds < 8) == (0, True), "a dead receiver does not hold up a stop"
        checked = ran("check", "--config", str(tmp_path / "run.json"))
        assert checked.returncode == 0, checked.stdout
