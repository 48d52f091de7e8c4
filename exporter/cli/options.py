"""The options that several commands share, and the reading of what they name."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from exporter.cli import runner
from exporter.model.errors import ConfigError, StoreError, StoreUnusable

if TYPE_CHECKING:
    from exporter.app.assembly import Mappings
    from exporter.config import Config

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file (YAML 1.2 or JSON).")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, wins over environment and file.")]


class OutputFormat(StrEnum):
    """The form in which a command prints its result."""

    text = "text"
    json = "json"


class SchemaKind(StrEnum):
    """The file that a JSON Schema describes."""

    config = "config"
    mapping = "mapping"


OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="Output format.")]
ResourcesOption = Annotated[
    int, typer.Option(min=1, max=1_000_000, help="Active resources of each source, for the forecast of calls and lag.")
]
SpeedOption = Annotated[float, typer.Option(min=0.01, max=1000, help="1 gives about three events a second.")]


def read_config(config: Path | None, sets: list[str] | None, output: OutputFormat) -> "tuple[Config, Mappings]":
    """Read a configuration and its mappings.

    With ``--output json``, problems are printed as JSON before the exit code 2. Raises ConfigError, typer.Exit.
    """
    from exporter.app.assembly import read_mappings
    from exporter.config import load

    with _problems_as_json(output):
        loaded = load(config, environ=os.environ, sets=sets or ())
        return loaded, read_mappings(loaded)


class StoredState(NamedTuple):
    """What ``check`` finds in the store: the sources of targets that it knows, and warnings."""

    places: Sequence[tuple[str, str]]
    warnings: Sequence[str] = ()


def check_state(config: "Config", output: OutputFormat) -> StoredState:
    """Check that the state file can be made and written, or the database used, as ``run`` does.

    A database that is away is a warning: ``run`` waits for it. Raises ConfigError; with ``--output json``, prints the
    problem as JSON and raises typer.Exit.
    """
    from exporter.store import PostgresUrl, check_database, check_store, stored_places

    with _problems_as_json(output):
        place = check_store(config.store)
        if not isinstance(place, PostgresUrl):
            return StoredState(stored_places(place.path))
        try:
            return StoredState(runner.run(check_database(place, config.store_password_file)))
        except StoreUnusable as error:
            raise ConfigError(str(error)) from error
        except StoreError as error:
            return StoredState((), (str(error),))


@contextlib.contextmanager
def _problems_as_json(output: OutputFormat) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        if output is OutputFormat.json:
            print(json.dumps({"ok": False, "problems": error.problems}, indent=2))
            raise typer.Exit(2) from None
        raise


def read_text(file: str) -> str:
    """Read the text of a file, or of standard input for ``-``. Raises ConfigError."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read ({error.strerror}); check the path, or give a text itself to standard input"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
