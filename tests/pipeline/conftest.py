"""Fixtures of the tests of exporter/pipeline."""

import pytest

from tests.support.clocks import ManualClock
from tests.support.vendor import Vendor


@pytest.fixture
def vendor() -> Vendor:
    """Return a vendor at a manual clock that answers with up to 100 rows at once."""
    return Vendor(ManualClock())
