"""Fixtures of all tests."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the exporter does."""
    return "asyncio"
