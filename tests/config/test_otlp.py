"""The section ``otlp`` and OpenTelemetry's own variables become one lane a signal: the configuration first, then a signal's own
variable, then the general one.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.config import Config, load, masked

TARGET = {
    "name": "t",
    "platform": "huaweicloud",
    "region": "r-1",
    "credentials": {"metadata": True},
    "sources": {"dws": {}},
}
GENERAL = "OTEL_EXPORTER_OTLP_"


def loaded(folder: Path, environ: dict[str, str] | None = None, **otlp: Any) -> Config:
    path = folder / "exporter.yaml"
    path.write_text(json.dumps({"targets": [TARGET], "otlp": otlp}))
    return load(path, environ=environ or {}, sets=[])


def test_without_the_section_nothing_is_sent_whatever_the_variables_say(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yaml"
    path.write_text(json.dumps({"targets": [TARGET]}))
    config = load(path, environ={f"{GENERAL}ENDPOINT": "nonsense", f"{GENERAL}PROTOCOL": "grpc"}, sets=[])
    assert (dict(config.otlp_endpoints), config.warnings) == ({}, ())


@pytest.mark.parametrize(
    ("environ", "otlp", "traces", "logs"),
    [
        ({}, {"endpoint": "http://a:1/"}, "http://a:1/v1/traces", "http://a:1/v1/logs"),
        ({"ENDPOINT": "http://b:1/x/"}, {}, "http://b:1/x/v1/traces", "http://b:1/x/v1/logs"),
        ({"ENDPOINT": "http://b:1"}, {"endpoint": "http://a:1"}, "http://a:1/v1/traces", "http://a:1/v1/logs"),
        (
            {"ENDPOINT": "http://b:1", "LOGS_ENDPOINT": "http://c:1/logs"},
            {},
            "http://b:1/v1/traces",
            "http://c:1/logs",
        ),
    ],
    ids=["configured", "general", "configured before general", "a signal's own, as it is"],
)
def test_the_path_of_a_signal_is_added_except_to_its_own_variable(
    tmp_path: Path, environ: dict[str, str], otlp: dict[str, Any], traces: str, logs: str
) -> None:
    found = loaded(
        tmp_path, {GENERAL + name: value for name, value in environ.items()}, logs=True, **otlp
    ).otlp_endpoints
    assert {signal: lane.url for signal, lane in found.items()} == {"traces": traces, "logs": logs}


def test_every_other_setting_has_its_variable_too(tmp_path: Path) -> None:
    environ = {
        "PROTOCOL": "http/json",
        "COMPRESSION": "none",
        "TIMEOUT": "2500",
        "HEADERS": "Authorization=Bearer%20abc,x-one=general",
        "TRACES_HEADERS": "x-one=own",
    }
    config = loaded(
        tmp_path, {GENERAL + name: value for name, value in environ.items()}, endpoint="http://a:1", logs=True
    )
    traces, logs = config.otlp_endpoints["traces"], config.otlp_endpoints["logs"]

    assert (traces.protocol, traces.gzip, traces.timeout) == ("http/json", False, 2.5)
    assert {name: secret.reveal() for name, secret in traces.headers.items()} == {"x-one": "own"}
    assert {name: secret.reveal() for name, secret in logs.headers.items()} == {
        "authorization": "Bearer abc",
        "x-one": "general",
    }
    assert "abc" not in repr(config)


def test_the_configuration_wins_over_every_variable_and_shows_no_header(tmp_path: Path) -> None:
    environ = {"PROTOCOL": "http/json", "COMPRESSION": "none", "TIMEOUT": "1", "HEADERS": "X-One=general,x-two=two"}
    config = loaded(
        tmp_path,
        {GENERAL + name: value for name, value in environ.items()},
        endpoint="http://a:1",
        protocol="http/protobuf",
        compression="gzip",
        timeout="3s",
        headers={"X-One": "s3cret"},
    )
    lane = config.otlp_endpoints["traces"]

    assert (lane.protocol, lane.gzip, lane.timeout) == ("http/protobuf", True, 3.0)
    assert {name: secret.reveal() for name, secret in lane.headers.items()} == {"x-one": "s3cret", "x-two": "two"}
    assert "s3cret" not in f"{config!r} {masked(config)} {config.origins}"


def test_attributes_of_the_environment_are_kept_for_what_is_sent(tmp_path: Path) -> None:
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod,service.name=a",
        "OTEL_SERVICE_NAME": "b c",
    }
    config = loaded(tmp_path, environ, endpoint="http://a:1")
    assert dict(config.otlp_attributes) == {"deployment.environment.name": "prod", "service.name": "b c"}


@pytest.mark.parametrize(
    ("environ", "otlp", "url", "warnings"),
    [
        ({}, {"endpoint": "http://a:1", "self": True}, "http://a:1/v1/traces", []),
        ({}, {"endpoint": "http://a:1", "traces": False, "self": True}, "http://a:1/v1/traces", []),
        ({f"{GENERAL}TRACES_ENDPOINT": "http://b:1/spans"}, {"self": True}, "http://b:1/spans", []),
        ({}, {"endpoint": "http://a:1"}, None, []),
        (
            {"OTEL_SDK_DISABLED": "true"},
            {"endpoint": "http://a:1", "self": True},
            None,
            ["otlp.self: is not obeyed, for the environment has OTEL_SDK_DISABLED=true; remove one of the two"],
        ),
    ],
    ids=["beside traces", "alone", "by its variable", "off", "disabled"],
)
def test_the_exporter_traces_itself_where_it_is_asked_to(
    tmp_path: Path, environ: dict[str, str], otlp: dict[str, Any], url: str | None, warnings: list[str]
) -> None:
    config = loaded(tmp_path, environ, **otlp)
    assert (config.otlp_self.url if config.otlp_self else None) == url
    assert [warning.partition(": ")[2] for warning in config.warnings] == warnings
    assert ("traces" in config.otlp_endpoints) == otlp.get("traces", True), "the runs' spans go as before"


def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path) -> None:
    def warnings(**otlp: Any) -> list[str]:
        return [line.removeprefix(str(tmp_path / "exporter.yaml")) for line in loaded(tmp_path, **otlp).warnings]

    assert warnings(endpoint="http://a:4317") == [
        ":1: otlp.endpoint: 4317 is usually the port of gRPC; HTTP, which is spoken here, has 4318"
    ]
    assert warnings(endpoint="http://a:1", traces=False) == [
        ":1: otlp: sends nothing; write traces: true or logs: true, or remove it"
    ]
