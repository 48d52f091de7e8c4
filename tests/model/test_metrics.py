"""Severities, their badness, and the sum of histogram growth."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from exporter.model.metrics import FAILURES, SEVERITIES, SEVERITY_NUMBERS, TROUBLE, UNCLASSIFIED, Observed


def test_every_severity_has_the_number_that_opentelemetry_gives_it() -> None:
    assert SEVERITY_NUMBERS == {
        "info": SeverityNumber.SEVERITY_NUMBER_INFO,
        "warning": SeverityNumber.SEVERITY_NUMBER_WARN,
        "error": SeverityNumber.SEVERITY_NUMBER_ERROR,
        UNCLASSIFIED: SeverityNumber.SEVERITY_NUMBER_UNSPECIFIED,
    }
    assert tuple(SEVERITY_NUMBERS) == SEVERITIES


def test_trouble_is_warnings_and_worse_and_the_worst_stands_last() -> None:
    assert TROUBLE == ("warning", "error")
    assert FAILURES == ("error",)


def test_growth_of_a_histogram_adds_up_bucket_by_bucket() -> None:
    assert Observed((1, 0, 2), 4.5) + Observed((0, 3, 1), 0.25) == Observed((1, 3, 3), 4.75)


def test_growth_with_other_buckets_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Observed((1, 0), 1.0) + Observed((1,), 1.0)
