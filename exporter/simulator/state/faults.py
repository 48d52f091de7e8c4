"""Faults that are switched on per API or path, with a probability or a number of times."""

import random
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

Kind = Literal[
    "throttled",  # 429 in the vendor's own words
    "error",  # 5xx
    "reset",  # the connection is reset before any answer
    "slow",  # the answer comes late
    "cut",  # the answer breaks off in the middle of its body
    "garbage",  # a record that no document describes stands among the others
    "expired",  # a token or temporary key is called expired
    "denied",  # 403
    "missing",  # 404
    "drift",  # new rows appear after each page
    "growth",  # an aggregated event grows after each page
    "late",  # events become readable after their time
    "twins",  # events stand there more than once, equal but for an id (pool events grow instead)
    "skew",  # the Date header is wrong
    "oversize",  # the answer is far too big
]


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One fault.

    ``where`` is the name of a call (``modelarts_training.events``) or of a source (``modelarts_training``, all its
    calls and the events that are added to it), a path or a folder of paths; with a star at its end, what begins with
    the rest of it; "" is everything.

    ``times``: how often it applies, ``None`` for always. ``status``: of an ``error`` (5xx) or of ``expired`` (401,
    400). ``seconds``: how long ``slow`` and ``late`` wait, how far ``skew`` goes, what ``throttled`` asks for.
    ``size``: rows of ``drift`` and ``twins``, occurrences of ``growth``, bytes of ``oversize``. ``words``: which of
    Huawei Cloud's two texts ``throttled`` uses, the gateway's or ModelArts' own.
    """

    kind: Kind
    where: str = ""
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    times: Annotated[int, msgspec.Meta(ge=0)] | None = None
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    seconds: float = 1.0
    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    words: Literal["gateway", "service"] = "gateway"


class Faults:
    """The faults that are switched on; their random numbers depend on ``seed`` alone."""

    def __init__(self, seed: int = 0) -> None:
        self.on: list[Fault] = []
        self._chance = random.Random(seed)  # noqa: S311 (repeatable, guards nothing)

    def add(self, kind: Kind, where: str = "", **settings: Any) -> Fault:
        """Switch a fault on; ``settings`` are the fields of Fault. Raises msgspec.ValidationError."""
        fault = msgspec.convert({"kind": kind, "where": where, **settings}, Fault)
        self.on.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all faults off."""
        self.on.clear()

    def replace(self, faults: Iterable[Fault]) -> None:
        """Replace all faults."""
        self.on = list(faults)

    def take(self, kind: Kind, name: str, path: str = "") -> Fault | None:
        """Return the fault of this kind that applies to a call, and count its use; None if there is none."""
        for fault in self.on:
            if fault.kind == kind and self._strikes(fault, name, path):
                return fault
        return None

    def _strikes(self, fault: Fault, name: str, path: str) -> bool:
        if not applies(fault.where, name, path) or fault.times == 0:
            return False
        if fault.probability < 1 and self._chance.random() >= fault.probability:
            return False
        if fault.times is not None:
            fault.times -= 1
        return True


def applies(where: str, name: str, path: str) -> bool:
    """Return whether ``where`` means a call.

    A name ends at a dot and a folder at a slash: ``dws`` is not ``dws_alarm``.
    """
    if where.endswith("*"):
        return name.startswith(where[:-1]) or path.startswith(where[:-1])
    return not where or where in (name, path) or f"{name}.".startswith(f"{where}.") or _is_inside(path, where)


def _is_inside(path: str, folder: str) -> bool:
    return folder.startswith("/") and path.startswith(f"{folder.rstrip('/')}/")
