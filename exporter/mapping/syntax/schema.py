"""The form of a mapping file: strict models of its keys, and faults as sentences.

What the keys mean is checked elsewhere. The docstrings of the models stand in ``mappings/mapping.schema.json``.
"""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from exporter.common.yaml_document import Document, KeyPath
from exporter.model.metrics import Severity

Outcome = Literal["success", "failure", "cancelled", "unknown"]
AddFault = Callable[[KeyPath, str], None]
"""Adds a fault: where it stands, what is wrong and what to write instead."""


def _many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _text_or_number(value: Any) -> Any:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("text_or_number", "must be a name or a number")


Texts = Annotated[list[str], BeforeValidator(_many, json_schema_input_type=str | list[str]), Field(min_length=1)]
TextOrNumber = Annotated[Any, PlainValidator(_text_or_number, json_schema_input_type=str | int | float)]


class _Part(BaseModel):
    """Refuses unknown keys and silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_P = TypeVar("_P", bound=_Part)


class MetricPart(_Part):
    """A metric of the file's own."""

    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: list[str] = []
    buckets: list[float] = []


class AsPart(_Part):
    """The severity and reason that a rule sets.

    It sets them where the vendor sends none, or wrong ones. ``listed`` names the hole or field that holds a reason of
    the file's lists, which gives both.
    """

    severity: Severity | None = None
    reason: str | None = None
    listed: str | None = None


class ReasonPart(_Part):
    """A reason of a list: how bad it is, and what it means."""

    severity: Severity
    means: str


class ActionPart(_Part):
    """One thing to do; exactly one of the first ten keys is its verb."""

    count: str | None = None
    set: str | None = None
    state: str | None = None
    observe: str | None = None
    run: Outcome | None = None
    begin: str | None = None
    end: str | None = None
    fail: str | None = None
    span_event: str | None = None
    drop: Literal[True] | None = None
    of: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    value: TextOrNumber = None
    each: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    domain: dict[str, TextOrNumber] = Field(default_factory=dict)


class RulePart(_Part):
    """A rule: which events it takes, and what they mean."""

    id: str
    when: dict[str, Texts] = Field(default_factory=dict)
    shape: Texts | None = None
    re2: str | None = None
    split: dict[str, str] = Field(default_factory=dict)
    as_: Annotated[AsPart | None, Field(alias="as")] = None
    do: list[ActionPart] = Field(default_factory=list)


class PhasePart(_Part):
    """A phase of a process.

    ``timeout`` is how long it may take; ``begun_by`` names the phase whose end begins it, where no text tells of its
    begin.
    """

    timeout: str | None = None
    begun_by: str | None = None


class ProcessPart(_Part):
    """What the runs of a resource are.

    One at a time (``run``), operations in parallel (``runs``), or phases that stand alone.
    """

    run: str | None = None
    runs: str | None = None
    starts: Literal["created"] | None = None
    phases: dict[str, PhasePart] = {}
    closes_on: dict[str, Outcome] = {}
    give_up_after: str | None = None


class ExamplePart(_Part):
    """One raw record (or several, in order) and what must come out."""

    name: str
    event: Any = None
    sequence: list[Any] = []
    rule: str | None = None
    expect: list[str] = []
    expect_phases: dict[str, TextOrNumber] = {}


class UnmappedPart(_Part):
    """Helps people with the texts that no rule took.

    ``severity`` is what such a text has at least if it has a hint word.
    """

    hint_words: list[str] = []
    severity: Severity | None = None


class MappingFile(_Part):
    """A whole mapping file."""

    mapping: Literal[1]
    source: str
    include: Texts = []
    reasons: dict[str, ReasonPart] = {}
    vocab: dict[str, list[str]] = {}
    severity: dict[str, Severity] = {}
    metrics: dict[str, MetricPart] = {}
    process: ProcessPart | None = None
    rules: list[RulePart] = []
    disable: list[str] = []
    unmapped: UnmappedPart = UnmappedPart()
    tests: list[ExamplePart] = []


class SharedFile(_Part):
    """A list of reasons that mapping files include; it is of no source."""

    mapping: Literal[1]
    reasons: dict[str, ReasonPart]


def mapping_schema() -> dict[str, Any]:
    """Build the JSON Schema of a mapping file."""
    plain = MappingFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **plain,
        "title": "platform-events-exporter mapping",
    }


_MODELS: dict[tuple[str, ...], type[_Part]] = {
    (): MappingFile,
    ("metrics", "*"): MetricPart,
    ("process",): ProcessPart,
    ("process", "phases", "*"): PhasePart,
    ("reasons", "*"): ReasonPart,
    ("rules", "*"): RulePart,
    ("rules", "*", "as"): AsPart,
    ("rules", "*", "do", "*"): ActionPart,
    ("tests", "*"): ExamplePart,
    ("unmapped",): UnmappedPart,
}
_NOUNS = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number; write it without quotes",
    "float_type": "must be a number; write it without quotes",
    "list_type": "must be a list; write it with dashes or in square brackets",
    "dict_type": "must be a table; write it as 'key: value'",
    "model_type": "must be a table; write it as 'key: value'",
    "model_attributes_type": "must be a table; write it as 'key: value'",
    "text_or_number": "must be a name or a number; write one of them",
    "too_short": "is empty; write at least one value",
}


def read_mapping(document: Document, add_fault: AddFault) -> MappingFile | None:
    """Read a document into the models; report every fault and then give ``None``."""
    if document.data is None:
        add_fault((), "the file is empty; begin with 'mapping: 1' and 'source: …'")
        return None
    return _read(MappingFile, document, add_fault)


def read_shared(document: Document, add_fault: AddFault) -> SharedFile | None:
    """Read a list of reasons into the models, as ``read_mapping`` reads a mapping file."""
    return _read(SharedFile, document, add_fault)


def is_shared(document: Document) -> bool:
    """Decide whether a document is a list of reasons for other files: it has neither source nor rules."""
    data = document.data
    return isinstance(data, dict) and "reasons" in data and not data.keys() & {"source", "rules"}


def _read(model: type[_P], document: Document, add_fault: AddFault) -> _P | None:
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        for fault in error.errors():
            add_fault(_place(fault["loc"], document), _sentence(fault))
        return None


def _place(loc: Sequence[str | int], document: Document) -> KeyPath:
    """Cut the location of a fault to a part that the file has.

    A single text stands for a list of one, and a missing key stands nowhere.
    """
    path = tuple(loc)
    while path and path not in document.lines:
        path = path[:-1]
    return path


def _sentence(fault: ErrorDetails) -> str:
    kind, last = fault["type"], fault["loc"][-1] if fault["loc"] else ""
    if kind == "extra_forbidden":
        return f"unknown key; {_instead(fault['loc'])}"
    if kind == "missing":
        return f"the key '{last}' is missing; add it"
    if kind == "literal_error":
        expected = str(fault.get("ctx", {}).get("expected", "")).replace("True", "true")
        return f"'{fault['input']}' is not allowed here; write {expected}"
    return _NOUNS.get(kind, f"{fault['msg'][:1].lower()}{fault['msg'][1:]}; correct the value")


def _instead(loc: Sequence[str | int]) -> str:
    *above, key = loc
    parts = tuple(
        "*" if isinstance(part, int) or (n and above[n - 1] in ("metrics", "phases", "reasons")) else part
        for n, part in enumerate(above)
    )
    known = [field.alias or name for name, field in _MODELS[parts].model_fields.items()]
    near = get_close_matches(str(key), known, n=1)
    return f"write '{near[0]}' instead" if near else f"remove it, or use one of {', '.join(known)}"
