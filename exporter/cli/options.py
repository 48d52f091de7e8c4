"""The options that several verbs share, and how what they name is read."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exporter.model.errors import ConfigError

if TYPE_CHECKING:
    from exporter.app.assembly import Mappings
    from exporter.config import Config

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file (YAML 1.2 or JSON).")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, wins over environment and file.")]


class OutputFormat(StrEnum):
    """What ``check`` writes."""

    text = "text"
    json = "json"


class Schema(StrEnum):
    """What ``schema`` describes."""

    config = "config"
    mapping = "mapping"


OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="json where a machine reads.")]
SpeedOption = Annotated[float, typer.Option(min=0.01, max=1000, help="1 gives about two events a second.")]


def read_config(config: Path | None, sets: list[str] | None, output: OutputFormat) -> "tuple[Config, Mappings]":
    """A configuration and its mappings. A machine is told what is wrong with them in its own form."""
    from exporter.app.assembly import read_known
    from exporter.config import load

    try:
        loaded = load(config, environ=os.environ, sets=sets or ())
        return loaded, read_known(loaded)
    except ConfigError as error:
        if output is OutputFormat.json:
            print(json.dumps({"ok": False, "problems": error.problems}, indent=2))
            raise typer.Exit(2) from None
        raise


def read_text(file: str) -> str:
    """The text of a file, or of standard input for ``-``. Raises ConfigError."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
