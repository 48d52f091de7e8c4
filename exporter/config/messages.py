"""Messages for what pydantic found wrong; a value is shown only where it helps and is no secret."""

from typing import Any

from pydantic import ValidationError

from exporter.config.problems import Problem
from exporter.config.values import quote

_EXAMPLES = {
    "name": "research",
    "platform": "huaweicloud",
    "region": "cn-north-4",
    "directory": "/var/lib/platform-events-exporter/recorded",
    "endpoint": "http://collector:4318",
}


def problems_of(error: ValidationError) -> list[Problem]:
    """Return one problem for each refused value, without those that another check describes better."""
    found = error.errors(include_url=False)
    return [Problem(each["loc"], _text(each)) for each in found if each["type"] not in _TOLD_ELSEWHERE]


def _text(found: Any) -> str:
    kind, given = found["type"], found.get("input")
    if kind == "value_error":
        return str(found["ctx"]["error"])
    if kind == "missing":
        key = found["loc"][-1]
        return f"is missing; write for example {key}: {_EXAMPLES.get(key, 'VALUE')}"
    if kind == "literal_error":
        return f"{quote(given)} is not known here; write {found['ctx']['expected']}"
    if kind == "bool_type":
        return f"{quote(given)} is not a switch; write true or false"
    return _SHAPES.get(kind, "cannot be used; see the schema of the configuration")


_TOLD_ELSEWHERE = (
    "extra_forbidden",  # the schema finds these too, and knows what was meant
    "default_factory_not_called",  # only follows from another problem
)
_SHAPES = {
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list; write [a, b], or begin each entry with '- '",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
}
