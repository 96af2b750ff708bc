"""As much of JSON Schema 2020-12 as the contract of `/api/v1` uses; more is an error."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

Json = dict[str, Any]

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}
# They say nothing of what a value may be.
_WORDS: Final = {"default", "description", "examples", "title"}


def resolved(contract: Json, part: Json) -> Json:
    """Return what a reference in `contract` leads to; anything else as it is."""
    if "$ref" not in part:
        return part
    found: Any = contract
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    result: Json = found
    return result


def faults(contract: Json, schema: Json, value: Any, at: str = "") -> Iterator[str]:
    """Yield what in `value` is not as `schema`, a part of `contract`, has it."""
    if "type" in schema and not _holds(("type", schema["type"]), value):
        yield f"{at} is {value!r}, no {schema['type']}"
        return
    for keyword, wanted in schema.items():
        if keyword not in _WORDS:
            yield from _faults(contract, (keyword, wanted), value, at)
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        for name in value.keys() - schema.get("properties", {}).keys():
            yield f"{at}.{name} is not documented"


def _faults(contract: Json, rule: tuple[str, Any], value: Any, at: str) -> Iterator[str]:
    match rule:
        case ("anyOf", schemas):
            if all(any(faults(contract, schema, value, at)) for schema in schemas):
                yield f"{at} is none of what it may be: {value!r}"
        case ("required", names):
            yield from (f"{at}.{name} is missing" for name in names if name not in value)
        case ("$ref" | "allOf" | "properties" | "additionalProperties" | "items", _):
            for schema, part, place in _parts(contract, rule, value):
                yield from faults(contract, schema, part, at + place)
        case ("const", only):
            yield from _faults(contract, ("enum", [only]), value, at)
        case _ if not _holds(rule, value):
            yield f"{at} is {value!r} against {rule}"


def _parts(contract: Json, rule: tuple[str, Any], value: Any) -> Iterator[tuple[Json, Any, str]]:
    """Yield the schemas that a rule applies, each with the part of `value` that it is about."""
    match rule:
        case ("$ref", path):
            yield resolved(contract, {"$ref": path}), value, ""
        case ("allOf", schemas):
            yield from ((schema, value, "") for schema in schemas)
        case ("properties", schemas):
            yield from ((schemas[n], value[n], f".{n}") for n in schemas.keys() & value.keys())
        case ("additionalProperties", schema):
            yield from ((schema, each, f".{name}") for name, each in value.items())
        case ("items", schema):
            yield from ((schema, each, f"[{index}]") for index, each in enumerate(value))


def _holds(rule: tuple[str, Any], value: Any) -> bool:
    match rule:
        case ("type", name):
            is_number_in_disguise = isinstance(value, bool) and name != "boolean"
            return isinstance(value, _TYPES[name]) and not is_number_in_disguise
        case ("enum", values):
            return value in values
        case ("pattern", pattern):
            return re.search(pattern, value) is not None
        case ("format", "date-time"):
            return datetime.fromisoformat(value).utcoffset() is not None
    return _is_within(rule, value)


def _is_within(rule: tuple[str, Any], value: Any) -> bool:
    match rule:
        case ("minLength" | "minItems", least):
            return bool(len(value) >= least)
        case ("maxLength" | "maxItems", most):
            return bool(len(value) <= most)
        case ("minimum", least):
            return bool(value >= least)
        case ("maximum", most):
            return bool(value <= most)
    raise ValueError(f"this is not understood yet: {rule}")
