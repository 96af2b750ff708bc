"""What a call has beside its body, and an answer beside its own, as OpenAPI describes it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from parkgraph.front.contract import LONGEST_END_USER_ID, LONGEST_IDEMPOTENCY_KEY, Operation
from parkgraph.front.examples import EVENT, KEY_ID, LOT, QUERIES, SESSION

Json = dict[str, Any]

_IN_PATH: Final[Mapping[str, tuple[str, str]]] = {
    "session": ("id of the stay", SESSION),
    "lot": ("id of the lot", LOT),
    "key": ("id of the key", KEY_ID),
}
# They stand beside a parameter's schema, or tell nobody anything.
_NOT_OF_A_SCHEMA: Final = {"description", "examples", "title"}


def _header(name: str, description: str, **schema: Any) -> Json:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string", **schema},
    }


PARAMETERS: Final[Json] = {
    "Idempotency-Key": _header(
        "Idempotency-Key",
        "any text of your own for this one request: sent again with it, the request is answered"
        " as before and not carried out twice",
        minLength=1,
        maxLength=LONGEST_IDEMPOTENCY_KEY,
    ),
    "Last-Event-ID": _header(
        "Last-Event-ID",
        "`id` of the last event that you have: the stream goes on after it. What reads event"
        " streams sends it of itself when it connects again",
        examples=[EVENT],
    ),
    "X-End-User-Id": _header(
        "X-End-User-Id",
        "your own id of whom you call for, in printable ASCII: the call then counts against a"
        " budget of theirs too",
        minLength=1,
        maxLength=LONGEST_END_USER_ID,
        pattern="^[ -~]*$",
    ),
}


def _count(description: str) -> Json:
    return {
        "description": description,
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }


HEADERS: Final[Json] = {
    "X-Request-Id": {
        "description": "id of this request; name it when you ask for help",
        "required": True,
        "schema": {"type": "string", "pattern": "^req_[0-9A-Z]{26}$"},
    },
    "X-RateLimit-Limit": _count("calls a minute of the budget with the least left"),
    "X-RateLimit-Remaining": _count("calls that are left of it now"),
    "X-RateLimit-Reset": _count("seconds until all of it is back"),
    "WWW-Authenticate": {
        "description": "how to say who calls: by a bearer's key",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Retry-After": _count("seconds after which to ask again"),
    "Idempotent-Replayed": {
        "description": "sent where this is the answer that the same request had before",
        "required": False,
        "schema": {"type": "string", "enum": ["true"]},
    },
}
HEADERS_OF_ALL: Final = (
    "X-Request-Id",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
HEADERS_OF: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def parameters_of(operation: Operation[Any]) -> list[Json]:
    """Return the parameters of an operation: of its path, its query and its headers."""
    headers = ["X-End-User-Id"]
    if operation.method != "GET":
        headers.append("Idempotency-Key")
    if operation.media == "text/event-stream":
        headers.append("Last-Event-ID")
    return [
        *(_in_path(name) for name in re.findall(r"{(\w+)}", operation.path)),
        *_in_query(operation),
        *({"$ref": f"#/components/parameters/{name}"} for name in headers),
    ]


def _in_path(name: str) -> Json:
    description, example = _IN_PATH[name]
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


def _in_query(operation: Operation[Any]) -> list[Json]:
    model = operation.query
    if model is None:
        return []
    schema = model.model_json_schema()
    example = model.model_validate_strings(dict(QUERIES[model]))
    shown = example.model_dump(mode="json", exclude_unset=True)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field["description"],
            "schema": _without_null(field),
        }
        | ({"example": shown[name]} if name in shown else {})
        for name, field in schema["properties"].items()
    ]


def _without_null(field: Json) -> Json:
    """Return the schema of what may be sent: an address has no null, one leaves it out."""
    kept = {name: value for name, value in field.items() if name not in _NOT_OF_A_SCHEMA}
    if "anyOf" not in kept:
        return kept
    (only,) = (kind for kind in kept["anyOf"] if kind != {"type": "null"})
    return dict(only)
