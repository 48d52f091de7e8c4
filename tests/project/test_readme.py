"""The README and the reference pages: every block works, every table says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from exporter.auth.login import FORMS, OIDC
from exporter.cli.main import cli
from exporter.common.yaml_document import parse_document, read_document
from exporter.config import Config, SourceOptions, load
from exporter.config.build import DEFAULT_BUDGET
from exporter.config.models import LogOptions, Record, Web, WrittenConfig, WrittenTarget
from exporter.config.values import read_duration, read_rate, read_size
from exporter.mapping import loader
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.events import Request, Resource, Window
from exporter.observability.self_metrics import CAUSES, declared
from exporter.simulator.state.accounts import PROJECT_ID
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.clouds import NOW, RESOURCE, at_rest, get
from tests.support.processes import Clouds, Exporter, closing, configured, until
from tests.support.readings import drive

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("configuration", "metrics", "commands")))
PAGES = "\n\n".join(path.read_text("utf-8") for path in FILES)
PROSE = re.sub(r"^```.*?^```$", "", PAGES, flags=re.MULTILINE | re.DOTALL)
MAX_LINES = 150
KINDS = {"stateset": "gauge 0/1", "info": "gauge"}
WRITTEN = WrittenConfig(targets=())
NO_DEFAULT = {"include": "all", "exclude": "none", "workspaces": "the API's default"}


def blocks(language: str) -> list[str]:
    """The fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES, re.MULTILINE | re.DOTALL)


def table(first: str) -> list[list[str]]:
    """The cells of the table whose first heading this is, without its head; code marks taken off single words."""
    _, _, rest = PAGES.partition(f"| {first} |")
    rows = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def codes(cell: str) -> list[str]:
    """What stands in code marks."""
    return re.findall(r"`([^`]+)`", cell)


# --- blocks

CONFIGURATIONS = [block for block in blocks("yaml") if block.startswith("targets:")]
MAPPINGS = [block for block in blocks("yaml") if block.startswith("mapping:")]


def test_every_yaml_block_is_a_configuration_or_a_mapping() -> None:
    assert len(CONFIGURATIONS) >= 2
    assert len(MAPPINGS) >= 1
    assert len(CONFIGURATIONS) + len(MAPPINGS) == len(blocks("yaml"))


def loaded(block: str, folder: Path) -> Config:
    """A configuration of the pages, with made-up secrets where it looks for them."""
    text = block.replace("/run/secrets", str(folder / "secrets"))
    for name in re.findall(rf"{folder}/secrets/\S+", text):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("EXAMPLE\n")
    path = folder / "exporter.yaml"
    path.write_text(text)
    return load(path, environ={}, sets=())


@pytest.mark.parametrize("block", CONFIGURATIONS)
def test_a_configuration_of_the_readme_loads_without_a_warning(block: str, tmp_path: Path) -> None:
    config = loaded(block, tmp_path)
    assert config.warnings == ()
    assert config.store == WRITTEN.store


def test_the_configurations_of_the_readme_show_every_source(tmp_path: Path) -> None:
    shown = {name for block in CONFIGURATIONS for target in loaded(block, tmp_path).targets for name in target.sources}
    assert shown == set(SOURCES)


@pytest.mark.parametrize("block", MAPPINGS)
def test_a_mapping_of_the_readme_loads_and_passes_its_own_tests(block: str) -> None:
    documents = [parse_document(block, "README.md"), *(read_document(path) for path in loader.built_in())]
    fields = {name: kind.fields for name, kind in SOURCES.items()}
    records = {name: kind.record for name, kind in SOURCES.items()}
    assert {
        pack.source
        for pack in loader.load(documents, fields, records, {name: kind.statuses for name, kind in SOURCES.items()})
    } == set(SOURCES)


def test_the_same_value_by_environment_and_on_the_command_line(tmp_path: Path) -> None:
    (variable,) = (code for code in codes(PROSE) if code.startswith("PLATFORM_EXPORTER__"))
    (argument,) = (code for code in codes(PROSE) if code.startswith("--set "))
    config = loaded(CONFIGURATIONS[0], tmp_path)
    by_environment = load(tmp_path / "exporter.yaml", environ=dict([variable.split("=")]), sets=())
    by_argument = load(tmp_path / "exporter.yaml", environ={}, sets=[argument.removeprefix("--set ")])
    assert by_environment.web == by_argument.web != config.web


def test_every_command_in_a_console_block_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = {command: {name for param in params(one) for name in param.opts} for command, one in verbs().items()}
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    assert {name for line in lines if line.startswith("make ") for name in line.split()[1:]} <= targets
    for line in (line for line in lines if "platform-events-exporter " in line):
        command, *options = line.split("platform-events-exporter ")[1].split()
        assert {option for option in options if option.startswith("-")} <= commands[command]


def test_the_readme_is_short_and_begins_with_a_picture() -> None:
    lines = FILES[0].read_text("utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    assert any(line.startswith("![") for line in lines[:12])


# --- commands


def verbs() -> dict[str, Any]:
    """The commands that there are."""
    return dict(get_command(cli).commands)  # type: ignore[attr-defined]


def params(command: Any) -> list[Any]:
    """The options and arguments of a command, or of all commands of a group."""
    commands = getattr(command, "commands", {"": command}).values()
    return [param for one in commands for param in one.params]


def test_the_list_of_commands_is_that_of_the_command_line() -> None:
    rows = {codes(row[0])[0].split()[0]: " ".join(codes(row[0] + row[1])) for row in table("command")}
    assert list(rows) == list(verbs())
    for command, said in rows.items():
        options = {name for param in params(verbs()[command]) for name in (*param.opts, *param.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", said)) <= options


# --- sources, permissions, credentials


def permissions(name: str) -> set[str]:
    """What a source says is missing where its listing, a request of a read or its record of stages is denied."""
    vendor, cloud = SOURCES[name].make(SourceScope("cn-north-4", (), "auto")), at_rest()
    job = Resource(RESOURCE[name], created=NOW)
    stages = SOURCES[name].stages

    def answer(request: Request) -> bytes:
        return get(cloud, request.path.replace("{project_id}", PROJECT_ID), **dict(request.query)).content

    asks = [next(vendor.discover((), 0)), *drive(vendor.read(job, Window(NOW - 60_000, NOW)), answer).asks]
    asks += [next(stages(vendor)(job, Window(None, 1)))] if stages else []
    return {ask.permission.split(" (")[0] for ask in asks if isinstance(ask, Request)}


def test_the_table_of_sources_names_each_with_the_permissions_that_it_needs() -> None:
    rows = {codes(row[0])[0]: set(codes(row[2])) - {"pai:…"} for row in table("source")}
    assert rows == {name: permissions(name) for name in SOURCES}


def test_the_table_of_credentials_names_every_form_with_its_keys() -> None:
    found = {
        (
            row[0],
            frozenset(key.strip("{} ") for key in re.split(r"[:,] ?", " , ".join(codes(row[2]))) if key.strip("{} ")),
        )
        for row in table("platform")
    }
    assert found == {
        (platform, frozenset(_written_keys(platform, form, (*keys.required, *keys.optional))))
        for platform, forms in FORMS.items()
        for form, keys in forms.items()
    }


def _written_keys(platform: str, form: str, keys: tuple[str, ...]) -> Iterator[str]:
    yield from keys
    if form == "oidc":
        yield from OIDC[platform].required
    elif form == "metadata":
        yield "true"
    elif form == "ecs_role":
        yield "NAME"


# --- options


def test_the_table_of_source_options_has_every_option_with_its_default() -> None:
    shown: set[str] = set()
    for names, default, _ in table("option of a source"):
        shown |= set(codes(names))
        for name in codes(names):
            value = getattr(SourceOptions(), name)
            if name in NO_DEFAULT:
                assert NO_DEFAULT[name] in default
                assert not any(value.model_dump().values()) if name in ("include", "exclude") else value == ()
            else:
                (text,) = codes(default)
                assert value == (
                    read_duration(text) if isinstance(value, float) else {"false": False}.get(text, text)
                ), name
    assert shown == set(SourceOptions.model_fields)


def test_options_of_one_source_alone_are_said_to_be_of_it() -> None:
    meanings = {codes(row[0])[0]: row[2] for row in table("option of a source")}
    with_workspaces = {name for name, kind in SOURCES.items() if "workspaces" in kind.options}
    without = [name for name in SOURCES if name not in with_workspaces]
    assert f"not {', '.join(f'`{name}`' for name in without)}" in meanings["workspaces"]
    with_zone = {name for name, kind in SOURCES.items() if "event_timezone" in kind.options}
    assert set(codes(meanings["event_timezone"])) == with_zone
    for name in ("pod_events", "sanity_checks"):
        assert "`pai_dlc` only" in meanings[name]


def test_each_detail_of_a_job_names_its_permission() -> None:
    rows = {codes(row[0])[0]: codes(row[1])[0] for row in table("option")}
    assert rows.keys() == SOURCES["pai_dlc"].details
    for name, permission in rows.items():
        scope = SourceScope(pod_events=name == "pod_events", sanity_checks=name == "sanity_checks")
        (ask,) = SOURCES["pai_dlc"].probes(Resource("x"), scope, 1).values()
        assert permission == ask.permission.split(" (")[0]


def test_the_other_options_have_the_defaults_of_the_code() -> None:
    rows = {name: default for names, default, _ in table("elsewhere") for name in [", ".join(codes(names))]}
    huawei, alibaba = codes(rows.pop("targets[].budget"))
    assert {"huaweicloud": read_rate(huawei), "alibabacloud": read_rate(alibaba)} == DEFAULT_BUDGET
    assert rows.pop("targets[].endpoints") == "the public ones"
    assert (rows.pop("targets[].ca_file"), WrittenTarget.model_fields["ca_file"].default) == ("none", None)
    assert read_size(codes(rows.pop("targets[].max_answer"))[0]) == WrittenTarget.model_fields["max_answer"].default
    assert read_duration(codes(rows.pop("targets[].timeout"))[0]) == WrittenTarget.model_fields["timeout"].default
    assert (rows.pop("otlp"), WRITTEN.otlp) == ("none", None)
    assert (rows.pop("secrets_dir"), WRITTEN.secrets_dir) == ("none", None)
    assert (rows.pop("mappings"), WRITTEN.mappings) == ("none", ())
    assert codes(rows.pop("log.level, log.format")) == [LogOptions().level, LogOptions().format]
    assert (codes(rows.pop("log.events")), LogOptions().events) == (["false"], False)
    assert WRITTEN.store in codes(rows.pop("store"))
    assert (rows.pop("store_password_file"), WRITTEN.store_password_file) == ("none", None)
    assert read_duration(codes(rows.pop("lease"))[0]) == WRITTEN.lease
    assert codes(rows.pop("web.listen")) == [Web().listen]
    assert read_duration(codes(rows.pop("web.zero_hold"))[0]) == Web().zero_hold
    assert (rows.pop("external_url"), WRITTEN.external_url) == ("none", None)
    assert (rows.pop("web.config_file"), Web().config_file) == ("none", None)
    assert (rows.pop("web.enable_reload"), Web().enable_reload) == ("`false`", False)
    assert (rows.pop("web.route_prefix"), Web().route_prefix) == ("none", "")
    assert (rows.pop("web.hosts"), Web().hosts) == ("any", ())
    share = float(codes(rows.pop("targets[].budget_share"))[0])
    assert share == WrittenTarget.model_fields["budget_share"].default
    assert read_duration(codes(rows.pop("series_ttl"))[0]) == WRITTEN.series_ttl
    assert codes(rows.pop("max_series")) == [str(WRITTEN.max_series)]
    assert read_size(codes(rows.pop("record.directory, record.limit"))[0]) == Record.model_fields["limit"].default
    assert WRITTEN.record is None
    assert rows == {}


# --- metrics


def test_the_table_of_metrics_has_types_and_labels_of_the_catalogue() -> None:
    rows = {codes(name)[0]: (kind, labels) for name, kind, labels in (row for row in table("metric") if len(row) == 3)}
    assert len(rows) >= 12
    for name, (kind, labels) in rows.items():
        metric = BUILTIN[name]
        assert (kind, labels) == (KINDS.get(metric.kind, metric.kind), ", ".join(metric.labels)), name


def own_metrics() -> set[str]:
    """The exporter's own metrics that the pages describe; ``…_x`` stands for the prefix."""
    rest = PAGES.partition("The exporter's own metrics begin with")[2].partition("\n## ")[0]
    names = [code for line in rest.splitlines() if line.startswith("| `") for code in codes(line.split("|")[1])]
    return {name.replace("…_", "platform_exporter_") for name in names}


def test_the_own_metrics_of_the_readme_exist_and_so_do_their_causes() -> None:
    assert len(own_metrics()) >= 10
    assert own_metrics() <= {metric.name for metric in declared().values()}
    line = next(line for line in PAGES.splitlines() if line.startswith("| `platform_exporter_poll_failures_total`"))
    assert set(codes(line)[1:]) | {"error"} == set(CAUSES)


def test_a_living_exporter_exposes_just_the_metrics_of_the_readme(tmp_path: Path) -> None:
    wanted = {codes(row[0])[0] for row in table("metric") if len(row) == 3}
    with (
        closing(Clouds(tmp_path, "--speed", "20")) as clouds,
        closing(Exporter(tmp_path, configured(clouds, tmp_path))) as exporter,
    ):

        def shown() -> set[str]:
            return set(re.findall(r"^# TYPE (platform_\S+)", exporter.get("/metrics").text, re.MULTILINE))

        until(lambda: wanted | own_metrics() <= shown(), "every metric of the README")
        assert {name for name in shown() if not name.startswith("platform_exporter_")} == wanted
        assert shown() - wanted <= {metric.name for metric in declared().values()}
