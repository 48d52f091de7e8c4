"""Fixtures of all tests."""

import signal

import pytest
from hypothesis import settings

# How long an example takes says more of the machine's other work than of the code.
settings.register_profile("patient", parent=settings(), deadline=None)
settings.load_profile("patient")

# A job that a shell starts in the background ignores SIGINT, and so would every program that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the exporter does."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, so that no process is left with it when the others are done."""
    items.sort(key=lambda item: item.path.name != "test_browser.py")
