"""``store copy``: moves all that an exporter remembers from one store to another."""

import sys
from pathlib import Path
from typing import NamedTuple

from exporter.cli.console import Printer, progress_bar
from exporter.common.secret import Secret
from exporter.model.errors import ConfigError
from exporter.store import PostgresUrl, StoreUrl, check_store, copy_source, copy_target, parse_store
from exporter.store.copying import Copied, copy

_SERIES = ("counters", "histograms", "gauges", "states")


class Side(NamedTuple):
    """One of the two stores. ``shown`` names it without a password."""

    place: StoreUrl | PostgresUrl
    password: Secret | None
    shown: str


def read_side(option: str, url: str, password_file: Path | None) -> Side:
    """Read the options of one side. Raises ConfigError; no message repeats a password."""
    try:
        place = parse_store(url)
        if option == "--to":
            place = check_store(url)
    except ConfigError as error:
        raise ConfigError([f"{option}: {problem.removeprefix('store: ')}" for problem in error.problems]) from error
    if isinstance(place, PostgresUrl):
        if place.password is not None:
            words = "does not belong on a command line, which every process can read"
            raise ConfigError(f"{option}: a password {words}; use {option}-password-file")
        shown = f"{place.where}, schema {place.schema}"
        return Side(place, Secret(path=password_file) if password_file else None, shown)
    if place.path is None:
        raise ConfigError(f"{option}: :memory: is in no other process; name a state file or a database")
    if password_file is not None:
        words = f"belongs to {option} postgresql://user@host/database; leave it away"
        raise ConfigError(f"{option}-password-file: {words}")
    return Side(place, None, str(place.path))


async def run(source: Side, target: Side, *, as_json: bool) -> None:
    """Copy, and print what was copied. Raises ConfigError and StoreError; then the target is as it was."""
    if _identity(source.place) == _identity(target.place):
        raise ConfigError("--to: is the store that --from names; name another one")
    async with (
        copy_source(source.place, source.password, _note) as reading,
        copy_target(target.place, target.password, _note) as writing,
    ):
        with progress_bar("rows", await reading.count()) as advance:
            copied = await copy(reading, writing, advance)
    if as_json:
        Printer().json({"from": source.shown, "to": target.shown, "rows": copied.rows, "set_aside": copied.set_aside})
    else:
        _print_copied(source, target, copied)


def _print_copied(source: Side, target: Side, copied: Copied) -> None:
    rows, printer = copied.rows, Printer()
    series = sum(rows.get(table, 0) for table in _SERIES)
    printer.line(f"{source.shown} -> {target.shown}")
    printer.line(
        f"{series:,} series, {rows.get('held', 0):,} of them held at 0; progress of {rows.get('watches', 0):,} watches, "
        f"{copied.keys:,} keys; {rows.get('runs', 0):,} open runs; {rows.get('outbox', 0):,} records of the outbox"
    )
    for table, number in copied.set_aside.items():
        printer.line((f"{number:,} rows of {table} cannot be read and were left out", "yellow"))
    printer.line("Start the exporter on the copy alone: what it counts from now on is not in the old store.")


def _identity(place: StoreUrl | PostgresUrl) -> object:
    if isinstance(place, PostgresUrl):
        return place.hosts, place.database, place.schema
    return place.path and place.path.resolve()


def _note(text: str) -> None:
    print(text, file=sys.stderr)
