"""The body of a request: JSON without traps, then a model."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from parkgraph.model.api import FieldFault
from parkgraph.model.errors import CallRefusedError, ErrorCode

DEEPEST: Final = 32
MOST_VALUES: Final = 10_000
MOST_FAULTS: Final = 20
LONGEST_FIELD: Final = 128

# Longer than any integer that is allowed, sign included.
_DIGITS_THAT_TELL: Final = 21
# NUL, the characters with Unicode's property Bidi_Control, and halves of surrogate pairs.
_TRAP: Final = re.compile("[\0\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

B = TypeVar("B", bound=BaseModel)

Place = tuple[str | int, ...]
"""The keys and indices that lead to a value."""


def parse(model: type[B], content_type: str | None, body: bytes) -> B:
    """Read `body` as `model`.

    Raises:
        CallRefusedError: it is not sent as JSON, is none, holds what readers of JSON understand
            in different ways, or is not what the model asks for; the latter with all faults, up
            to `MOST_FAULTS`.
    """
    if not body:
        raise CallRefusedError(ErrorCode.BAD_REQUEST, "the body is empty; send JSON", field="body")
    _check_type(content_type or "")
    # Each value but the first has one of these before it. A mebibyte of values would hold up the
    # loop, on which lanes wait too, for a second.
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        _refuse((), f"holds more than {MOST_VALUES} values")
    _check(_read(body), ())
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from error


def parse_query(model: type[B], query: Mapping[str, str]) -> B:
    """Read what follows the `?` of an address as `model`; what it does not know is ignored.

    Raises:
        CallRefusedError: it is not what the model asks for; with all faults.
    """
    for name, text in query.items():
        _check_text(text, (name,))
    try:
        return model.model_validate_strings(dict(query))
    except ValidationError as error:
        raise _refusal(error) from error


def _check_type(content_type: str) -> None:
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = {part[8:].strip('"') for part in parameters if part.startswith("charset=")}
    if name != "application/json" or not charsets <= {"utf-8"}:
        raise CallRefusedError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "send the body as `Content-Type: application/json`, in UTF-8",
            field="Content-Type",
        )


def _read(body: bytes) -> Any:
    """Return what the JSON says, an object as the tuple of its pairs, so that none is lost."""
    try:
        return json.loads(
            body.decode(), object_pairs_hook=tuple, parse_int=lambda n: int(n[:_DIGITS_THAT_TELL])
        )
    except UnicodeDecodeError as error:
        _refuse((), f"is not UTF-8 at byte {error.start}", error)
    except json.JSONDecodeError as error:
        _refuse((), f"is not JSON: {error}", error)
    except RecursionError as error:
        _refuse((), f"is nested deeper than {DEEPEST}", error)


def _check(value: Any, place: Place) -> None:
    """Refuse what readers of JSON understand in different ways, or what hides what it is."""
    if isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            _refuse(place, "is an integer beyond 2**63")
    elif isinstance(value, float):
        if not math.isfinite(value):
            _refuse(place, "is NaN, Infinity or a number too large")
    elif value is not None:
        if len(place) >= DEEPEST:
            _refuse(place, f"is nested deeper than {DEEPEST}")
        _check_items(value, place)


def _check_items(values: list[Any] | tuple[tuple[str, Any], ...], place: Place) -> None:
    if isinstance(values, list):
        for index, item in enumerate(values):
            _check(item, (*place, index))
        return
    keys = set()
    for key, item in values:
        _check_text(key, (*place, key))
        if key in keys:
            _refuse((*place, key), "is a key that stands twice in one object")
        keys.add(key)
        _check(item, (*place, key))


def _check_text(text: str, place: Place) -> None:
    trap = _TRAP.search(text)
    if trap is None:
        return
    character = trap[0]
    if character == "\0":
        what = "NUL"
    elif "\ud800" <= character <= "\udfff":
        what = "a lone surrogate"
    else:
        what = "a bidirectional control character"
    _refuse(place, f"holds {what} (U+{ord(character):04X}); leave it out")


def _refuse(place: Place, what: str, cause: Exception | None = None) -> NoReturn:
    field = _field(place)
    raise CallRefusedError(ErrorCode.BAD_REQUEST, f"{field}: {what}", field=field) from cause


def _refusal(error: ValidationError) -> CallRefusedError:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    faults = tuple(
        FieldFault(field=_field(each["loc"]), message=each["msg"].removeprefix("Value error, "))
        for each in details[:MOST_FAULTS]
    )
    return CallRefusedError(
        ErrorCode.BAD_REQUEST,
        f"{faults[0].field}: {faults[0].message}",
        field=faults[0].field,
        fields=faults if len(faults) > 1 else (),
    )


def _field(place: Place) -> str:
    """Return `place` in plain ASCII, whatever keys the caller made up."""
    field = ".".join(json.dumps(str(part))[1:-1] for part in place)
    return field[:LONGEST_FIELD] or "body"
