"""A store of any backend equals plain dictionaries, whatever is committed and wherever it is opened again."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.state import Commit
from tests.support.store_stories import play, steps
from tests.support.stores import BACKENDS


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
@settings(max_examples=50, deadline=None)
@given(story=steps)
def test_a_store_equals_plain_dictionaries(backend: str, story: list[list[Commit] | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(BACKENDS[backend](Path(folder)), story)


@settings(max_examples=15, deadline=None)
@given(story=steps, at_once=st.sampled_from([0, None]))
def test_a_store_in_postgresql_equals_plain_dictionaries(story: list[list[Commit] | None], at_once: int | None) -> None:
    """Whether its keys are loaded when it is opened, or when their watch is first asked."""
    play(BACKENDS["postgresql"](Path()), story, at_once=at_once)
