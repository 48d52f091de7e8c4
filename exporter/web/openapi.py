"""The OpenAPI 3.1 document of the JSON API, made of endpoints and types of views."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from exporter.web.activity import OUTCOME_FILTERS, SEVERITY_FILTERS
from exporter.web.params import SINCE

REFERENCE = "#/components/schemas/{name}"
JSON = "application/json"
KINDS: dict[str, dict[str, Any]] = {
    "severity": {"type": "string", "enum": ["", *SEVERITY_FILTERS]},
    "outcome": {"type": "string", "enum": ["", *OUTCOME_FILTERS]},
    "since": {"type": "string", "enum": ["", *SINCE]},
    "unmapped": {"type": "string", "enum": ["", "true", "false"]},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10**9, "default": 0},
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}
TEXT: dict[str, Any] = {"type": "string", "maxLength": 1000, "pattern": "^[^\\u0000]*$"}
REFUSALS = {400: "asked wrongly", 404: "not there", 503: "too many at once"}
REFUSED_BODIES = {408: "too slow", 413: "too large", 415: "not JSON", 422: "cannot be explained"}


class Endpoint(NamedTuple):
    """An endpoint: its path below the base, the types of its response and its body.

    ``response`` None is a stream of events, ``body`` None a GET. ``query`` names the parameters.
    """

    path: str
    response: Any
    summary: str
    query: tuple[str, ...] = ()
    body: Any = None


def make_document(base: str, version: str, endpoints: Iterable[Endpoint], error: Any) -> dict[str, Any]:
    """Make the document; ``error`` is the type of a refusal."""
    listed = list(endpoints)
    types = [error, *(kind for one in listed for kind in (one.response, one.body) if kind is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    known = {str(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "platform-events-exporter",
            "version": version,
            "description": "What the exporter's pages show, as JSON. Times are Unix seconds, durations seconds.",
        },
        "servers": [{"url": base}],
        "paths": {one.path: dict(_operations(one, known, known[str(error)])) for one in listed},
        "components": {"schemas": components},
    }


def _operations(one: Endpoint, known: dict[str, Any], error: Any) -> Iterator[tuple[str, Any]]:
    """Yield the operation of an endpoint: POST where it takes a body, else GET."""
    parameters = [*map(_in_path, _names(one.path)), *map(_in_query, one.query)]
    good = {"description": one.summary, "content": _content(one, known)}
    refusals = {**REFUSALS, **(REFUSED_BODIES if one.body is not None else {})}
    refused = {
        str(code): {"description": text, "content": {JSON: {"schema": error}}} for code, text in refusals.items()
    }
    operation: dict[str, Any] = {
        "operationId": one.path.strip("/").replace("/", "_").translate(str.maketrans("", "", "{}")),
        "summary": one.summary,
        "parameters": parameters,
        "responses": {"200": good, **refused},
    }
    if one.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": known[str(one.body)]}}}
    yield "post" if one.body is not None else "get", operation


def _content(one: Endpoint, known: dict[str, Any]) -> dict[str, Any]:
    if one.response is None:
        return {"text/event-stream": {"schema": {"type": "string"}}}
    return {JSON: {"schema": known[str(one.response)]}}


def _names(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _in_query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": KINDS.get(name, TEXT)}
