"""A page drops what was read before, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.common.plausible_time import EARLIEST
from exporter.model.events import Event
from exporter.sources.normalize import page

NOW = 1_790_000_000_000
times = st.none() | st.sampled_from([-5, 0, 1, EARLIEST - 1, EARLIEST, NOW - 1, NOW, NOW + 1, 10**17])
times |= st.integers(-(10**15), 10**17)


@given(st.lists(times, max_size=5), st.none() | st.integers(EARLIEST, NOW))
def test_a_page_drops_only_events_whose_time_can_be_true_and_lies_before_the_read(
    stated: list[int | None], since: int | None
) -> None:
    events = [Event(key=bytes([number]), resource="r", at=at) for number, at in enumerate(stated)]
    kept = page(events, since).events
    assert [event for event in events if event in kept] == kept
    for event in events:
        dropped = since is not None and event.at is not None and EARLIEST <= event.at < since
        assert (event in kept) != dropped
