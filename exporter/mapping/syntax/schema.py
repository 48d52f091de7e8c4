"""The form of a mapping file: strict models of its keys, and faults as sentences; knows nothing of their meaning."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from exporter.common.yaml_document import Document, Path_

Severity = Literal["info", "warning", "error", "unclassified"]
Outcome = Literal["success", "failure", "cancelled", "unknown"]
Say = Callable[[Path_, str], None]
"""Notes a fault: where it stands, what is wrong and what to write instead."""


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
    """What a rule says of severity and reason, where the vendor says nothing or something wrong."""

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
    attributes: dict[str, str] = {}
    value: TextOrNumber = None
    each: dict[str, str] = {}
    labels: dict[str, str] = {}
    domain: dict[str, TextOrNumber] = {}


class RulePart(_Part):
    """A rule: which events it takes, and what they mean."""

    id: str
    when: dict[str, Texts] = {}
    shape: Texts | None = None
    re2: str | None = None
    split: dict[str, str] = {}
    as_: Annotated[AsPart | None, Field(alias="as")] = None
    do: list[ActionPart] = []


class PhasePart(_Part):
    """A phase: how long it may take, and the phase whose end begins it where no text tells of its begin."""

    timeout: str | None = None
    begun_by: str | None = None


class ProcessPart(_Part):
    """What runs of a resource are: one at a time (``run``), operations side by side (``runs``), or lone phases."""

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
    """Helps people with the texts that no rule took, and says how bad those are at least that have a hint word."""

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
    """The JSON Schema of a mapping file."""
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


def read_mapping(document: Document, say: Say) -> MappingFile | None:
    """Brings a document into form; notes every fault and then returns ``None``."""
    if document.data is None:
        say((), "the file is empty; begin with 'mapping: 1' and 'source: …'")
        return None
    return _read(MappingFile, document, say)


def read_shared(document: Document, say: Say) -> SharedFile | None:
    """Brings a list of reasons into form, as ``read_mapping``."""
    return _read(SharedFile, document, say)


def is_shared(document: Document) -> bool:
    """Whether a document is a list of reasons for other files: it has one, and is of no source."""
    return isinstance(document.data, dict) and "reasons" in document.data and "source" not in document.data


def _read(model: type[_P], document: Document, say: Say) -> _P | None:
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        for fault in error.errors():
            say(_place(fault["loc"], document), _sentence(fault))
        return None


def _place(loc: Sequence[str | int], document: Document) -> Path_:
    """The part of a location that the file has: a single text stands for a list of one, a missing key nowhere."""
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
