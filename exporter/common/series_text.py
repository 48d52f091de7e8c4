"""Series and signals as text, the same on every page and in terminals.

Every label value is escaped.
"""

from collections.abc import Sequence
from typing import assert_never

from exporter.model.metrics import Count, Observe, Set, Signal, State


def format_series(name: str, names: Sequence[str], values: Sequence[str]) -> str:
    """Write a series in the exposition format: ``name{label="value"}``.

    A series without labels is the bare name.
    """
    labels = ",".join(f'{label}="{escape_label(value)}"' for label, value in zip(names, values, strict=True))
    return f"{name}{{{labels}}}" if labels else name


def escape_label(value: str) -> str:
    r"""Escape the value of a label as the exposition format does.

    A lone surrogate, which UTF-8 cannot hold, becomes its ``\udc..`` escape.
    """
    readable = value.encode("utf-8", "backslashreplace").decode()  # a lone surrogate has no place in UTF-8
    return readable.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def describe_signal(signal: Signal, series: str, times: int = 1) -> str:
    """Say in words what a signal does to its series.

    ``series`` is the series as text; the signal is true ``times`` times.
    """
    match signal:
        case Count():
            return f"{series} +{signal.by * times:.15g}"
        case Set():
            return f"{series} = {signal.value:.15g}"
        case Observe():
            return f"{series} observes {signal.value:.15g}"
        case State():
            return f"{series} is {', '.join(map(escape_label, signal.value))}"
        case _:
            assert_never(signal)
