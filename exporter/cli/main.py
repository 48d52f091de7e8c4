"""The commands of the program: read the arguments, print, and exit.

Exit codes: 0 all is well, 1 the command found something, 2 the command cannot start.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from exporter import __version__
from exporter.cli import runner
from exporter.cli.options import (
    ConfigOption,
    OutputFormat,
    OutputOption,
    ResourcesOption,
    SchemaKind,
    SetOption,
    SpeedOption,
    check_state,
    read_config,
    read_text,
)
from exporter.common.secret import Secret
from exporter.model.errors import ConfigError, ExporterError, StoreUnusable

cli = typer.Typer(
    name="platform-events-exporter",
    help="Turns the events of managed AI and data platforms into Prometheus metrics, each event exactly once.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=True,
)


store = typer.Typer(help="Work on the store of an exporter that is stopped.", no_args_is_help=True)
cli.add_typer(store, name="store")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


@cli.callback()
def read_common_options(version: VersionOption = False) -> None:
    """Read the options that stand before a command; ``--version`` exits here."""


def main() -> None:
    """Run the command line.

    An expected error is one line on standard error. Only a bug shows a traceback.
    """
    try:
        code = cli(prog_name="platform-events-exporter", standalone_mode=False)
    except typer.TyperException as error:
        what = " ".join(error.format_message().split())
        runner.fail([f"{what.rstrip('.')} (see --help)"] if what else [], error.exit_code)
    except ConfigError as error:
        runner.fail(error.problems, 2)
    except StoreUnusable as error:  # a restart cures any other error of the store
        runner.fail([str(error)], 2)
    except ExporterError as error:
        runner.fail([str(error)], 1)
    except BaseExceptionGroup as group:
        expected, bugs = group.split(ExporterError)
        if bugs is not None:
            raise bugs from None
        errors = runner.leaf_errors(expected)
        runner.fail(dict.fromkeys(str(error) for error in errors), 1)  # several tasks may raise the same error
    raise SystemExit(code)


@cli.command()
def run(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Run the exporter until SIGTERM or SIGINT."""
    from exporter.app import run as application
    from exporter.config import Config, load

    def read() -> Config:
        return load(config, environ=os.environ, sets=set_ or ())

    runner.run(application.run(read(), reread=read))


@cli.command()
def check(
    config: ConfigOption = None,
    set_: SetOption = None,
    resources: ResourcesOption = 100,
    output: OutputOption = OutputFormat.text,
) -> None:
    """Check configuration, mappings, the tests inside them and the store; asks no vendor."""
    from exporter.cli import check as checks

    loaded, mappings = read_config(config, set_, output)
    stored = check_state(loaded, output)
    report = checks.report(loaded, mappings.packs, mappings.catalogue, stored.places, resources, stored.warnings)
    if output is OutputFormat.json:
        print(json.dumps(report, indent=2))
    else:
        checks.print_report(report)


@cli.command()
def doctor(
    config: ConfigOption = None,
    set_: SetOption = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds that an answer may take, instead of targets[].timeout.")
    ] = None,
    output: OutputOption = OutputFormat.text,
) -> None:
    """Check credentials, connections, permissions and paging of every target, live and read-only.

    Keeps and changes nothing.
    """
    from exporter.cli import doctor as doctor_command

    loaded, mappings = read_config(config, set_, output)
    work = doctor_command.run(loaded, mappings.packs, timeout, as_json=output is OutputFormat.json)
    raise typer.Exit(runner.run(work, runner.INTERRUPTED))


@cli.command("test")
def run_mapping_tests(
    files: Annotated[list[Path] | None, typer.Argument(help="Mapping files; without any, the built-in packs.")] = None,
    output: OutputOption = OutputFormat.text,
) -> None:
    """Run the tests inside mapping files."""
    from exporter.cli import mapping_tests

    raise typer.Exit(mapping_tests.run(files or (), as_json=output is OutputFormat.json))


@cli.command()
def explain(
    file: Annotated[str, typer.Argument(help="Raw records (JSON) or texts, one a line; - is standard input.")] = "-",
    source: Annotated[
        str | None, typer.Option(help="The source of the events; without it, each source that knows them.")
    ] = None,
    mapping: Annotated[list[Path] | None, typer.Option(help="A mapping file of yours; may be repeated.")] = None,
    output: OutputOption = OutputFormat.text,
    stub: Annotated[bool, typer.Option("--stub", help="Write only a mapping file for what no rule took.")] = False,
) -> None:
    """Show which rule takes an event, where others stop, and what changes."""
    from exporter.cli import explain as explain_command
    from exporter.sources import SOURCES

    if source is not None and source not in SOURCES:
        raise ConfigError(f"--source {source}: no such source; write one of {', '.join(SOURCES)}")
    form: Any = "stub" if stub else output.value
    raise typer.Exit(explain_command.run(read_text(file), source, mapping or (), form))


@cli.command()
def replay(
    recorded: Annotated[Path, typer.Option(help="The directory of a recording.")],
    mapping: Annotated[
        list[Path] | None, typer.Option(help="A mapping file of the new mapping; may be repeated.")
    ] = None,
    old: Annotated[list[Path] | None, typer.Option(help="A mapping file of the old mapping; may be repeated.")] = None,
    output: OutputOption = OutputFormat.text,
) -> None:
    """Run recorded answers through two mappings and show which series differ."""
    from exporter.cli import replay as replay_command

    raise typer.Exit(replay_command.run(recorded, old or (), mapping or (), as_json=output is OutputFormat.json))


@cli.command()
def backfill(
    since: Annotated[str, typer.Option(help="Start of the range: 7d for 7 days ago, or an ISO 8601 time.")],
    file: Annotated[str, typer.Option("--output", "-o", help="The file to write; - is standard output.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    until: Annotated[str, typer.Option(help="End of the range, e.g. the running exporter's first contact.")] = "now",
    step: Annotated[str, typer.Option(help="Time between two samples, at most 5m.")] = "60s",
    label: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for every sample, as a scrape adds them.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Read past events from the vendors and write them as OpenMetrics.

    The file is for promtool tsdb create-blocks-from openmetrics.
    """
    from exporter.cli import backfill as backfill_command
    from exporter.cli.backfill.output_file import OutputOptions, read_labels
    from exporter.cli.backfill.time_range import read_time_range
    from exporter.common.clock import SystemClock

    time_range = read_time_range(since, until, step, time.time())
    loaded, mappings = read_config(config, set_, OutputFormat.text)
    options = OutputOptions(time_range, read_labels(label or (), mappings.catalogue.metrics), file, force)
    raise typer.Exit(runner.run(backfill_command.run(loaded, mappings, options, SystemClock()), runner.INTERRUPTED))


@store.command("copy")
def store_copy(
    source: Annotated[str, typer.Option("--from", help="The store to read: a state file, or postgresql://….")],
    target: Annotated[str, typer.Option("--to", help="The empty store to fill; a file or a schema is made.")],
    source_password: Annotated[
        Path | None, typer.Option("--from-password-file", help="File with the password of the database to read.")
    ] = None,
    target_password: Annotated[
        Path | None, typer.Option("--to-password-file", help="File with the password of the database to fill.")
    ] = None,
    output: OutputOption = OutputFormat.text,
) -> None:
    """Copy all that an exporter remembers to another store: from a state file to a database, or back.

    The exporter must be stopped. An error or Ctrl-C leaves both stores as they were.
    """
    from exporter.cli import store_copy as command

    sides = command.read_side("--from", source, source_password), command.read_side("--to", target, target_password)
    runner.run(command.run(*sides, as_json=output is OutputFormat.json), runner.INTERRUPTED)


@cli.command()
def schema(
    of: Annotated[SchemaKind, typer.Argument(help="Of the configuration, or of a mapping file.")],
) -> None:
    """Print the JSON Schema with which an editor completes and checks a file."""
    from exporter.config import json_schema
    from exporter.mapping.syntax.schema import mapping_schema

    print(json.dumps(json_schema() if of is SchemaKind.config else mapping_schema(), indent=2, ensure_ascii=False))


@cli.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the exporter; 0 takes any free one.")] = 10186,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after this many seconds; 0 runs until Ctrl-C.")] = 0,
    speed: SpeedOption = 1.0,
    troubles: Annotated[
        bool, typer.Option(help="Refuse a source now and then, and write a text without a rule.")
    ] = True,
) -> None:
    """Show the exporter at work on two simulated clouds."""
    from exporter.cli import demo as show

    runner.run(show.run(show.DemoOptions(port, seconds, speed, troubles)))


@cli.command()
def simulate(
    listen: Annotated[str, typer.Option(help="Address and port; port 0 takes any free one.")] = "127.0.0.1:10187",
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    speed: SpeedOption = 1.0,
    scenario: Annotated[bool, typer.Option(help="Whether events happen by themselves.")] = True,
) -> None:
    """Run both simulated clouds on loopback.

    They have the APIs' own signatures, paging and faults.
    """
    from exporter.simulator import Cloud, Scenario, configuration, serve

    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or host not in ("127.0.0.1", "localhost", "[::1]", ""):
        raise ConfigError(f"--listen {listen}: not an address of this machine; write 127.0.0.1:10187")
    cloud = Cloud(seed=seed)
    if scenario:
        Scenario(cloud, seed=seed, speed=speed)

    def ready(bound: int) -> None:
        base = f"http://{host or '127.0.0.1'}:{bound}"
        print(
            f"simulator: {base}  (faults: POST {base}/simulator/faults, state: GET {base}/simulator/state)", flush=True
        )
        print(json.dumps(configuration(base, store="state.db")), flush=True)

    try:
        runner.run(serve(cloud, (host or "127.0.0.1").strip("[]"), int(port), ready))
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else error
        raise ConfigError(f"--listen {listen}: {what}; choose another port") from error


@cli.command()
def top(
    url: Annotated[str, typer.Option(help="Base URL of a running exporter.")] = "http://127.0.0.1:10186",
    user: Annotated[str, typer.Option(help="User name, if the port asks for a password.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="CA of the exporter's certificate, in PEM.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept any certificate.")] = False,
    output: OutputOption = OutputFormat.text,
) -> None:
    """Show sources, lag and the newest warnings of a running exporter, live.

    With --output json, print them once.
    """
    from exporter.cli import top as show

    password = Secret(path=password_file).reveal() if password_file else ""
    address, console = show.ExporterAddress(url, user, password, ca_file, insecure), Console(highlight=False)
    if output is OutputFormat.json or not console.is_terminal:
        body = asyncio.run(show.once(address))
        if output is OutputFormat.json:
            print(body.decode())
        else:
            console.print(show.render(show.read_overview(body, url)))
        return
    runner.run(show.watch(address, console))


@cli.command()
def healthcheck(
    url: Annotated[str, typer.Option(help="Base URL of a running exporter.")] = "http://127.0.0.1:10186",
    ready: Annotated[bool, typer.Option(help="Ask for readiness instead of health.")] = False,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds to wait.")] = 3.0,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Accept any certificate; nothing secret is sent.")
    ] = False,
) -> None:
    """Ask a running exporter whether it is healthy; exit code 0 or 1."""
    import httpx2

    from exporter.common.tls import make_tls_context, make_unverified_tls_context

    try:
        page = f"{url.rstrip('/')}/-/{'ready' if ready else 'healthy'}"
        tls = make_unverified_tls_context() if insecure else make_tls_context()
        response = httpx2.get(page, timeout=timeout, trust_env=False, verify=tls)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        print(f"{url}: no answer ({error}); is the exporter running there?", file=sys.stderr)
        raise typer.Exit(1) from None
    print(response.text.strip())
    if response.status_code != 200:
        raise typer.Exit(1)


@cli.command()
def version() -> None:
    """Print the version."""
    print(__version__)
