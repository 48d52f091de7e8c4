"""The list of ModelArts training jobs: pages, workspaces, and known jobs that the list leaves out."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.readings import NOW, ReadingResult, drive


def found(
    vendor: Callable[[Request], Any], known: tuple[str, ...] = (), workspaces: tuple[str, ...] = ()
) -> ReadingResult:
    return drive(SOURCES["modelarts_training"].make(SourceScope(workspaces=workspaces)).discover(known, NOW), vendor)


def item(one: str, phase: str = "Running") -> dict[str, Any]:
    return {"kind": "job", "metadata": {"id": one}, "status": {"phase": phase}}


def search(jobs: dict[str, list[str]], hidden: tuple[str, ...] = (), **told: Any) -> Callable[[Request], Any]:
    """The jobs of each workspace, ``hidden`` ones only if asked for by id."""

    def vendor(request: Request) -> Any:
        body = json.loads(request.body)
        ids = jobs[body.get("workspace_id", "0")]
        if "filters" in body:
            (named,) = body["filters"]
            assert (named["key"], named["operator"]) == ("id", "in")
            assert len(named["value"]) <= 10
            ids = [one for one in ids if one in named["value"]]
        else:
            ids = [one for one in ids if one not in hidden]
        start = body["offset"] * body["limit"]
        page = ids[start : start + body["limit"]]
        return {"total": 9999, "count": len(ids), "items": [item(one) for one in page], **told}

    return vendor


def test_pages_are_counted_from_zero_and_hold_fifty() -> None:
    result = found(search({"0": [f"job-{number}" for number in range(120)]}))

    bodies = [json.loads(request.body) for request in result.asks]
    assert {(request.method, request.path) for request in result.asks} == {
        ("POST", "/v2/{project_id}/training-job-searches")
    }
    assert [body["offset"] for body in bodies] == [0, 1, 2]
    assert {(body["limit"], body["sort_by"], body["order"]) for body in bodies} == {(50, "create_time", "desc")}
    assert len(result.resources) == 120


@pytest.mark.parametrize("told", [{}, {"count": 50}, {"total": "120"}, {"total": None, "count": None}])
def test_the_totals_may_count_more_or_less_than_was_asked_for(told: dict[str, Any]) -> None:
    """``total`` is documented as all jobs of the user; ``count`` is that of the page in the document's example."""
    assert len(found(search({"0": [f"job-{number}" for number in range(120)]}, **told)).resources) == 120


def test_every_workspace_is_searched() -> None:
    result = found(search({"0": ["a"], "w": ["b"]}), workspaces=("0", "w"))

    assert [one.id for one in result.resources] == ["a", "b"]


def test_known_jobs_that_the_list_leaves_out_are_asked_for_by_ten() -> None:
    known = tuple(f"old-{number:02}" for number in range(13))
    result = found(search({"0": ["new", *known]}, hidden=known), known=(*known, "new"))

    assert {one.id for one in result.resources} == {"new", *known}
    assert len(result.asks) == 3


def test_a_known_job_is_asked_for_in_the_next_workspace_if_not_found_before() -> None:
    result = found(search({"0": ["a"], "w": ["b"]}, hidden=("a", "b")), ("a", "b"), ("0", "w"))

    named = [json.loads(request.body)["filters"][0]["value"] for request in result.asks[2:]]
    assert named == [["a", "b"], ["b"]]


def test_a_page_of_jobs_that_came_before_is_an_error() -> None:
    answer = {"total": 500, "items": [item(f"job-{number}") for number in range(50)]}

    with pytest.raises(SourceGarbled, match="does not move on"):
        found(lambda request: answer)


def test_only_jobs_end_and_a_lost_one_is_settled() -> None:
    phases = SOURCES["modelarts_training"].statuses
    answer = {"total": len(phases), "items": [item(phase, phase) for phase in phases]}

    lives = {one.id: one.life for one in found(lambda request: answer).resources}

    assert {phase for phase, life in lives.items() if life == "ended"} == {"Completed", "Failed", "Terminated"}
    assert {phase for phase, life in lives.items() if life == "settled"} == {"Abnormal"}
