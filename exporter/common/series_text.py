"""Series and signals as text, the same in the exposition, on pages and in terminals; every label value is escaped."""

from collections.abc import Sequence
from typing import assert_never

from exporter.model.metrics import Count, Observe, Set, Signal, State


def format_series(name: str, names: Sequence[str], values: Sequence[str]) -> str:
    """Write a series in the exposition format: ``name{label="value"}``, or the bare name where it has no labels."""
    labels = ",".join(f'{label}="{escape_label(value)}"' for label, value in zip(names, values, strict=True))
    return f"{name}{{{labels}}}" if labels else name


def escape_label(value: str) -> str:
    """Escape the value of a label as the exposition format does; a lone surrogate becomes its ``\\udc..`` escape."""
    readable = value.encode("utf-8", "backslashreplace").decode()  # a lone surrogate has no place in UTF-8
    return readable.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def describe_signal(signal: Signal, series: str, times: int = 1) -> str:
    """Say what a signal that is true ``times`` times does to its ``series``, which is given as text."""
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
