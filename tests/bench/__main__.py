"""``python -m tests.bench [--quick] [--only NAME]``: prints each measurement beside its baseline; the exit code is 0 whatever they are."""

import argparse
from collections.abc import Callable, Sequence
from time import perf_counter

from . import (
    asking,
    database,
    events,
    keys,
    lag,
    many,
    mapping,
    memory,
    outbox,
    quiet,
    readers,
    rules,
    scrape,
    soak,
    start,
)
from .machine import BUSY, Meter, alone, facts
from .rounds import Row, lines

MEASUREMENTS: dict[str, Callable[[bool], list[Row]]] = {
    "events": events.measure,
    "scrape": scrape.measure,
    "start": start.measure,
    "memory": memory.measure,
    "asking": asking.measure,
    "mapping": mapping.measure,
    "rules": rules.measure,
    "keys": keys.measure,
    "database": database.measure,
    "outbox": outbox.measure,
    "readers": readers.measure,
    "quiet": quiet.measure,
    "many": many.measure,
    "lag": lag.measure,
    "soak": soak.measure,
}


def main() -> None:
    """Runs the measurements that were asked for, each in a process of its own."""
    arguments = _arguments()
    print(facts(), flush=True)
    rows: list[Row] = []
    for name in arguments.only or MEASUREMENTS:
        rows += _measured(name, arguments.quick)
    print("\n".join(["", *lines(rows)]))


def _measured(name: str, quick: bool) -> Sequence[Row]:
    began, meter = perf_counter(), Meter.read()
    rows = alone(MEASUREMENTS[name], quick)
    others = meter.others()
    note = f", while others kept {others:.1f} cores busy: not to be compared" if others > BUSY else ""
    print(f"{name}: {perf_counter() - began:.0f} s{note}", flush=True)
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few and short rounds: to see that all runs, not to compare"
    )
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, metavar="NAME", help=", ".join(MEASUREMENTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
