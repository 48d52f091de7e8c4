"""Completes the section ``otlp`` from OpenTelemetry's own variables: one endpoint for each signal that is sent.

The configuration wins over a signal's own variable, which wins over the variable for all signals. Without the section
nothing is sent, whatever the variables say: many clusters set them for every pod.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from exporter.common.secret import Secret
from exporter.config.models import Otlp
from exporter.config.problems import Problem, ValueOrigin
from exporter.config.values import quote, read_url
from exporter.model.errors import ConfigError, KeysRefused
from exporter.otlp.endpoint import OtlpEndpoint, Protocol, is_header, read_headers, receiver_tls_context

GRPC_PORT = 4317
_PROTOCOLS: dict[str, Protocol] = {"http/protobuf": "http/protobuf", "http/json": "http/json"}
_EXAMPLE = "http://collector:4318"


class Delivery(NamedTuple):
    """Endpoints by signal, resource attributes of the environment, problems, and warnings.

    ``self_traces`` is where spans of the exporter's own work go, if they are sent.
    """

    endpoints: dict[str, OtlpEndpoint]
    attributes: dict[str, str]
    problems: list[Problem]
    warnings: list[Problem]
    self_traces: OtlpEndpoint | None = None


class _Unusable(Exception):
    """A value that cannot be used; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Variables:
    """OpenTelemetry's environment variables for one signal."""

    def __init__(self, environ: Mapping[str, str], signal: str) -> None:
        self._environ, self._own, self._all = environ, f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"

    def find(self, name: str) -> tuple[str, str]:
        """Return the variable that applies and its value, or two empty texts. An empty variable counts as not set."""
        for variable in (self._own + name, self._all + name):
            if value := self._environ.get(variable, "").strip():
                return variable, value
        return "", ""

    def is_own(self, variable: str) -> bool:
        """Return whether a variable is for this signal alone."""
        return variable.startswith(self._own)


def complete(otlp: Otlp | None, environ: Mapping[str, str]) -> Delivery:
    """Complete the section: what is sent, how, and every problem at once."""
    done = Delivery({}, {}, [], [])
    if otlp is None:
        return done
    signals = [name for name, on in (("traces", otlp.traces), ("logs", otlp.logs), ("metrics", otlp.metrics)) if on]
    own = _sends_self_traces(otlp, environ, done.warnings)
    if not signals and not otlp.self:
        done.warnings.append(Problem(("otlp",), "sends nothing; write traces: true or logs: true, or remove it"))
    done.problems.extend(_own_faults(otlp))
    try:
        done.attributes.update(_stated(environ))
        for signal in signals if not done.problems else ():
            done.endpoints[signal] = _endpoint(otlp, signal, _Variables(environ, signal))
        if own and not done.problems:
            traces = done.endpoints.get("traces") or _endpoint(otlp, "traces", _Variables(environ, "traces"))
            done = done._replace(self_traces=traces)
    except _Unusable as error:
        done.problems.append(error.problem)
    for endpoint in done.endpoints.values():
        done.warnings.extend(_doubts(endpoint))
    return done


def _sends_self_traces(otlp: Otlp, environ: Mapping[str, str], warnings: list[Problem]) -> bool:
    """Return whether the exporter traces its own work; OTEL_SDK_DISABLED forbids it, and nothing else that is sent."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if otlp.self and disabled:
        words = "is not obeyed, for the environment has OTEL_SDK_DISABLED=true; remove one of the two"
        warnings.append(Problem(("otlp", "self"), words))
    return otlp.self and not disabled


def headers_on_command_line(origins: Mapping[tuple[str | int, ...], ValueOrigin]) -> Iterator[Problem]:
    """Refuse headers on the command line: they may hold a password, and every process can read it."""
    for path, origin in origins.items():
        if path[:2] == ("otlp", "headers") and origin.kind == "--set":
            words = "does not belong on a command line, which every process can read; use headers_file"
            yield Problem(origin.path, words, origin)
            return


def _own_faults(otlp: Otlp) -> Iterator[Problem]:
    if otlp.endpoint is not None and urlsplit(otlp.endpoint).path.endswith(("/v1/traces", "/v1/logs", "/v1/metrics")):
        yield Problem(("otlp", "endpoint"), f"must not end with the path of a signal, which is added; write {_EXAMPLE}")
    if otlp.client_key is not None and otlp.client_certificate is None:
        yield Problem(("otlp", "client_key"), "is of no use alone; write client_certificate too")
    for name, value in otlp.headers.items():
        if not is_header(name, value.get_secret_value()):
            yield Problem(("otlp", "headers"), "holds what is no header; write {Name: value}, without line breaks")
            break
    if otlp.headers_file is not None:
        try:
            read_headers(Secret(path=otlp.headers_file).reveal())
        except (ValueError, KeysRefused) as error:
            words = (
                str(error) if type(error) is ValueError else "cannot be read as text; write one 'Name: value' a line"
            )
            yield Problem(("otlp", "headers_file"), words)


def _endpoint(otlp: Otlp, signal: str, variables: _Variables) -> OtlpEndpoint:
    endpoint = OtlpEndpoint(
        signal=signal,
        url=_url(otlp, signal, variables),
        protocol=otlp.protocol or _protocol(variables),
        headers={**_headers(variables), **{k.lower(): Secret(v.get_secret_value()) for k, v in otlp.headers.items()}},
        headers_file=otlp.headers_file,
        gzip=_is_packed(otlp, variables),
        timeout=otlp.timeout if otlp.timeout is not None else _timeout(variables),
        certificate=otlp.certificate or _file(variables, "CERTIFICATE"),
        client_certificate=otlp.client_certificate or _file(variables, "CLIENT_CERTIFICATE"),
        client_key=otlp.client_key or _file(variables, "CLIENT_KEY"),
    )
    try:
        receiver_tls_context(endpoint)
    except ConfigError as error:
        path, _, words = error.problems[0].partition(": ")
        raise _Unusable(Problem(tuple(path.split(".")), words)) from None
    return endpoint


def _url(otlp: Otlp, signal: str, variables: _Variables) -> str:
    if otlp.endpoint is not None:
        return f"{otlp.endpoint}/v1/{signal}"
    variable, value = variables.find("ENDPOINT")
    if not variable:
        raise _Unusable(Problem(("otlp", "endpoint"), f"is missing; write for example endpoint: {_EXAMPLE}"))
    try:
        url = read_url(value)
    except ValueError as error:
        raise _unusable(variable, str(error)) from None
    return url if variables.is_own(variable) else f"{url}/v1/{signal}"


def _protocol(variables: _Variables) -> Protocol:
    variable, value = variables.find("PROTOCOL")
    if variable and value not in _PROTOCOLS:
        raise _unusable(variable, f"{quote(value)} is not spoken here; write http/protobuf or http/json")
    return _PROTOCOLS.get(value, "http/protobuf")


def _headers(variables: _Variables) -> dict[str, Secret]:
    variable, value = variables.find("HEADERS")
    return {key.lower(): Secret(text) for key, text in _pairs(variable, value)}


def _is_packed(otlp: Otlp, variables: _Variables) -> bool:
    if otlp.compression is not None:
        return otlp.compression == "gzip"
    variable, value = variables.find("COMPRESSION")
    if value not in ("", "gzip", "none"):
        raise _unusable(variable, f"{quote(value)} is not known here; write gzip or none")
    return value != "none"


def _timeout(variables: _Variables) -> float:
    """Read the timeout variable; the specification counts it in milliseconds."""
    variable, value = variables.find("TIMEOUT")
    if not variable:
        return 10.0
    if not (value.isascii() and value.isdecimal() and int(value) > 0):
        raise _unusable(variable, f"{quote(value)} is no number of milliseconds; write 10000")
    return int(value) / 1000


def _file(variables: _Variables, name: str) -> Path | None:
    variable, value = variables.find(name)
    if not variable:
        return None
    try:
        with Path(value).open("rb"):
            return Path(value)
    except (OSError, ValueError):
        raise _unusable(variable, "names a file that cannot be read; check the path and its permissions") from None


def _stated(environ: Mapping[str, str]) -> dict[str, str]:
    """Read the resource attributes for everything that is sent."""
    variable = "OTEL_RESOURCE_ATTRIBUTES"
    stated = dict(_pairs(variable, environ.get(variable, "").strip()))
    if name := environ.get("OTEL_SERVICE_NAME", "").strip():
        stated["service.name"] = name
    return stated


def _pairs(variable: str, value: str) -> Iterator[tuple[str, str]]:
    """Read ``key=value,key=value``; the values are percent-encoded."""
    for part in filter(None, (part.strip() for part in value.split(","))):
        key, equals, text = part.partition("=")
        found = unquote(text.strip())
        if not equals or not key.strip() or not found.isprintable():
            raise _unusable(variable, "must be key=value,key=value, with special signs in values as %20")
        yield key.strip(), found


def _doubts(endpoint: OtlpEndpoint) -> Iterator[Problem]:
    if urlsplit(endpoint.url).port == GRPC_PORT:
        yield Problem(("otlp", "endpoint"), "4317 is usually the port of gRPC; HTTP, which is spoken here, has 4318")


def _unusable(variable: str, words: str) -> _Unusable:
    return _Unusable(Problem((), words, ValueOrigin("environment", variable)))
