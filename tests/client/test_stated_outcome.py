"""Answers that repeat their outcome in the body: a failure with status 200 is the error that its own status would be."""

from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.client.status import apply_stated_outcome, classify_response
from exporter.model.errors import (
    KeysRefused,
    RequestRefused,
    SourceBusy,
    SourceDenied,
    SourceDown,
    SourceError,
    SourceGone,
)
from exporter.model.events import Request, Response
from exporter.model.telemetry import Throttled
from tests.client.test_fetcher import REFUSED, FetcherSetup, Vendor

STATING = Request("modelarts", "/v2", permission="paidsw:GetInstanceEvents", states_outcome=True)
GRANT = "grant paidsw:GetInstanceEvents to these credentials"


def fetched(body: Any, request: Request = STATING, status: int = 200) -> SourceError | Response:
    """What becomes of an answer with this body."""
    setup = FetcherSetup(Vendor(httpx2.Response(status, content=msgspec.json.encode(body))))
    try:
        return setup.get(request)
    except SourceError as error:
        return error


@pytest.mark.parametrize(
    ("stated", "code", "kind", "said"),
    [
        (404, "InternalError", SourceGone, "404 InternalError: No."),
        (400, "ValidationError", RequestRefused, "400 ValidationError: No."),
        (500, "InternalError", SourceDown, "500 InternalError: No."),
        ("503", "", SourceDown, "503: No."),
        (401, "InvalidSecurityToken.Expired", KeysRefused, f"401 InvalidSecurityToken.Expired: No; {REFUSED}"),
        (403, "NoPermission", SourceDenied, f"403 NoPermission: No; {GRANT}"),
        (429, "Throttling.User", SourceBusy, "429 Throttling.User: No."),
        # without a status of its own, or with one that is none, the code says it
        (None, "ValidationError", RequestRefused, "400 ValidationError: No."),
        (0, "NoPermissionError", SourceDenied, f"403 NoPermissionError: No; {GRANT}"),
        (200, "Forbidden.RAM", SourceDenied, f"403 Forbidden.RAM: No; {GRANT}"),
        (200, "Throttling", SourceBusy, "429 Throttling: No."),
        ("", "InstanceNotFound", SourceGone, "404 InstanceNotFound: No."),
        (None, "InternalError", SourceDown, "500 InternalError: No."),
        ([], "", SourceDown, "500: No."),
        (None, 7, SourceDown, "500 7: No."),
    ],
)
def test_a_failure_with_status_200_is_the_error_that_its_body_states(
    stated: Any, code: Any, kind: type[SourceError], said: str
) -> None:
    error = fetched({"Success": False, "HttpStatusCode": stated, "Code": code, "Message": "No.", "Events": []})
    assert (type(error), str(error)) == (kind, f"research: modelarts GET /v2: {said}")


@pytest.mark.parametrize(
    "outcome",
    [
        {"Success": True, "Code": "null", "HttpStatusCode": 0},
        {"Success": True, "Code": "None", "HttpStatusCode": 200, "Message": "Text\n"},
        {"Success": "true", "HttpStatusCode": None},
        {"Success": True, "HttpStatusCode": 404},  # what succeeded has succeeded
        {"HttpStatusCode": 200},
        {"Success": {"odd": 1}, "Code": ["odd"]},
        {},
        [],
    ],
)
def test_an_answer_that_states_no_failure_is_handed_on_as_it_came(outcome: Any) -> None:
    answer = fetched(outcome)
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (200, msgspec.json.encode(outcome))


@pytest.mark.parametrize("outcome", [{"Success": False}, {"Success": "False"}, {"HttpStatusCode": 404}])
def test_a_failure_is_noticed_in_each_form(outcome: Any) -> None:
    assert isinstance(fetched(outcome), SourceDown | SourceGone)


def test_other_answers_are_not_read_for_an_outcome() -> None:
    assert isinstance(fetched({"Success": False}, Request("modelarts", "/v2")), Response)


def test_the_status_of_a_refusal_stands_whatever_its_body_states() -> None:
    error = fetched({"Success": False, "HttpStatusCode": 404, "Code": "X"}, status=503)
    assert (type(error), "503 X" in str(error)) == (SourceDown, True)


def test_a_stated_throttling_slows_the_budget_down() -> None:
    body = msgspec.json.encode({"Success": False, "HttpStatusCode": 429, "Code": "Throttling"})
    setup = FetcherSetup(Vendor(httpx2.Response(200, content=body)))
    assert isinstance(setup.fail(STATING), SourceBusy)
    assert len(setup.reported(Throttled)) == len(setup.budget.refusals) == 3


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_code_that_denies_counts_as_a_403_whatever_its_status(status: int) -> None:
    error = fetched({"Code": "NoPermissionError", "Message": "No."}, status=status)
    assert (type(error), str(error)) == (
        SourceDenied,
        f"research: modelarts GET /v2: {status} NoPermissionError: No; {GRANT}",
    )


@given(
    body=st.binary(max_size=99)
    | st.recursive(st.none() | st.booleans() | st.text(max_size=9), st.lists, max_leaves=9).map(msgspec.json.encode)
)
@settings(deadline=None, max_examples=30)
def test_no_body_raises(body: bytes) -> None:
    stated = apply_stated_outcome(Response(200, body))
    classify_response(stated, "here")
