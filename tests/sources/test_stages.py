"""The vendors' own records of stages: what is asked, and what is read of answers, whole and broken."""

import json
from typing import Any

import pytest

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Response, Window
from exporter.model.protocols import Stages
from exporter.model.runs import Stage
from exporter.sources.modelarts_training.stages import training_stages
from exporter.sources.pai_dlc.events import PaiDlc
from exporter.sources.reading import distinct_stages
from exporter.sources.scope import SourceScope

JOB = Resource("j-1")
WINDOW = Window(None, 1_700_000_000_000)


def learned(reading: Stages, body: bytes) -> tuple[Request, tuple[tuple[Stage, ...], ...]]:
    ask = next(reading)
    assert isinstance(ask, Request)
    try:
        reading.send(Response(200, body))
    except StopIteration as end:
        return ask, end.value.attempts
    raise AssertionError("one answer is all it needs")


def stage(name: str, start: Any, end: Any) -> dict[str, Any]:
    return {"name": name, "start_time": start, "end_time": end, "stage_order": 1, "sub_stages": []}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2022-11-26T16:02:05+08:00", "2022-11-26T16:02:09+08:00", Stage("running", 1669449725000, 1669449729000)),
        (1669449725000, 1669449729000, Stage("running", 1669449725000, 1669449729000)),
        ("1669449725", None, Stage("running", 1669449725000, None)),
        ("2022-11-26T16:02:05+08:00", "", Stage("running", 1669449725000, None)),
        (1669449729000, 1669449725000, Stage("running", 1669449729000, 1669449729000)),
    ],
)
def test_stages_of_a_training_job_are_read_in_every_form_of_time(start: Any, end: Any, expected: Stage) -> None:
    body = {"running_records": [{"record_order": 1, "stages": [stage("running", start, end)]}]}
    ask, attempts = learned(training_stages(JOB, WINDOW), json.dumps(body).encode())
    assert (ask.api, ask.path) == ("modelarts", "/v2/{project_id}/training-jobs/j-1/stages")
    assert attempts == ((expected,),)


def test_each_attempt_of_a_training_job_has_its_own_stages_in_order() -> None:
    first = [stage("running", 1669449729000, 1669449730000), stage("scheduling", 1669449725000, 1669449729000)]
    body = {"running_records": [{"stages": first}, {"stages": [stage("scheduling", 1669449740000, None)]}]}
    _, attempts = learned(training_stages(JOB, WINDOW), json.dumps(body).encode())
    assert [[part.name for part in attempt] for attempt in attempts] == [["scheduling", "running"], ["scheduling"]]


def test_the_states_of_a_dlc_job_are_its_stages_but_for_its_end() -> None:
    periods = [
        {"Status": "EnvPreparing", "StartTime": "2021-01-12T14:35:01Z", "EndTime": "2021-01-12T14:36:01Z"},
        {"Status": "Running", "StartTime": "2021-01-12T14:36:01Z", "EndTime": "", "ReasonCode": ""},
        {"Status": "Succeeded", "StartTime": "2021-01-12T14:40:01Z", "EndTime": ""},
    ]
    ask, attempts = learned(
        PaiDlc(SourceScope()).read_stages(JOB, WINDOW), json.dumps({"JobId": "j-1", "StatusHistory": periods}).encode()
    )
    assert (ask.path, dict(ask.headers)["x-acs-action"]) == ("/api/v1/jobs/j-1", "GetJob")
    assert attempts == ((Stage("env_preparing", 1610462101000, 1610462161000), Stage("running", 1610462161000)),)


def test_an_answer_without_a_record_gives_no_stages() -> None:
    assert learned(training_stages(JOB, WINDOW), b"{}")[1] == ()
    assert learned(PaiDlc(SourceScope()).read_stages(JOB, WINDOW), b'{"StatusHistory": null}')[1] == ((),)
    unknown = {"running_records": [{"stages": [stage("", 1669449725000, None), stage("running", "soon", None)]}]}
    assert learned(training_stages(JOB, WINDOW), json.dumps(unknown).encode())[1] == ((),)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"running_records": 7}', b'{"StatusHistory": "x"}'])
def test_a_broken_answer_is_garbled(body: bytes) -> None:
    reading = PaiDlc(SourceScope()).read_stages(JOB, WINDOW) if b"Status" in body else training_stages(JOB, WINDOW)
    with pytest.raises(SourceGarbled):
        learned(reading, body)


def test_a_stage_that_begins_with_an_equal_one_is_no_second_stage() -> None:
    stages = [Stage("starting", 1000, 1000), Stage("queuing", 1000, 1000), Stage("starting", 1000, 3000)]

    assert distinct_stages([*stages, Stage("starting", 2000, None)]) == (*stages[:2], Stage("starting", 2000, None))
