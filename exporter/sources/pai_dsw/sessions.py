"""GetLifecycle of a PAI DSW instance: the states that it went through, by session.

A session is the time of an instance from its start until it fails or is stopped (alibabacloud-pai-dsw20220101 2.4.0,
GetLifecycleRequest). A state has the time of its begin; its end, ``GmtEndTime``, is in the SDK without a word about it,
so a state without one ends where the next begins.
"""

from collections.abc import Sequence

import msgspec

from exporter.model.events import Resource, Window
from exporter.model.protocols import Stages
from exporter.model.runs import RunRecord, Stage
from exporter.sources.decoding import asked
from exporter.sources.limits import MAX_RECORD_BYTES, MAX_STAGES, clip, garbled, segment
from exporter.sources.pai_dsw.events import dsw_request
from exporter.sources.reading import distinct_stages, ordered_stages, snake_case
from exporter.sources.times import Number, moment

_FINAL = frozenset({"stopped", "failed", "arrearge"})
_SESSIONS = 50  # the newest ones: more than an exporter can have missed


class _State(msgspec.Struct, rename="pascal"):
    status: str = ""
    gmt_create_time: Number = None
    gmt_end_time: Number = None


class _Lifecycle(msgspec.Struct, rename="pascal"):
    lifecycle: list[list[_State]] | None = None


_LIFECYCLE = msgspec.json.Decoder(_Lifecycle, strict=False)


def dsw_stages(instance: Resource, window: Window) -> Stages:
    """Read the states of the newest sessions of an instance. Raises SourceGarbled."""
    query = (("Order", "DESC"), ("Limit", str(_SESSIONS)))
    path = f"/api/v2/instances/{segment(instance.id)}/lifecycle"
    request = dsw_request("GetLifecycle", path, query, "paidsw:GetLifecycle")
    answer = yield from asked(request, _LIFECYCLE, MAX_RECORD_BYTES)
    sessions = answer.lifecycle or []
    if len(sessions) + sum(len(states) for states in sessions) > MAX_STAGES:
        raise garbled(request, f"the answer has more than {MAX_STAGES} states; it was refused")
    backwards = _is_backwards(sessions)
    if backwards is None:
        return RunRecord(())
    if backwards:
        sessions = [states[::-1] for states in sessions]
    attempts = [stages for states in sessions if (stages := _stages(states))]
    return RunRecord(tuple(sorted(attempts, key=lambda stages: stages[0].start)))


def _is_backwards(sessions: Sequence[Sequence[_State]]) -> bool | None:
    """Return whether the states of sessions are newest first; ``None`` as long as nothing tells.

    Which way states are sorted is not documented. The times of a session tell, or that it ends with the state at one of
    its ends. Until then states share one second: read the wrong way, each would be over at once.
    """
    several = [states for states in sessions if len({state.status for state in states}) > 1]
    for states in several:
        times = [at for state in states if (at := moment(state.gmt_create_time)) is not None]
        if times and times[0] != times[-1]:
            return times[0] > times[-1]
        first, last = (snake_case(clip(states[end].status)) in _FINAL for end in (0, -1))
        if first != last:
            return first
    return None if several else False


def _stages(states: Sequence[_State]) -> tuple[Stage, ...]:
    """Return the states of a session as stages, oldest first; a state that follows an equal one goes on.

    A state is over when the next begins, whatever its own end says. The state that ends a session lasts no time.
    """
    read = ((snake_case(clip(state.status)), state.gmt_create_time, state.gmt_end_time) for state in states)
    stages: list[Stage] = []
    for stage in ordered_stages(read):
        last = stages.pop() if stages else None
        if last is not None and last.name == stage.name:
            stages.append(Stage(last.name, last.start, stage.end))
            continue
        if last is not None:
            end = stage.start if last.end is None else min(last.end, stage.start)
            stages.append(Stage(last.name, last.start, end))
        stages.append(stage)
    ended = (Stage(one.name, one.start, one.start) if one.name in _FINAL else one for one in stages)
    return distinct_stages(ended)
