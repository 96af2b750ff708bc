"""The contract of `/api/v1` as an OpenAPI 3.1 document: one for lot and cloud.

`python -m parkgraph.front.openapi` prints it; `config/openapi.json` holds it.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from parkgraph.front.examples import ANSWERS, LOT, REQUESTS, SESSION
from parkgraph.front.operations import (
    AT_THE_LOT,
    ERRORS_OF_ALL,
    IN_THE_CLOUD,
    LONGEST_BODY,
    LONGEST_END_USER_ID,
    LONGEST_IDEMPOTENCY_KEY,
    Operation,
)
from parkgraph.front.problems import PROBLEM
from parkgraph.model.api import ErrorAnswer, Problem
from parkgraph.model.errors import HTTP_STATUS, ErrorCode

Json = dict[str, Any]

PATH: Final = "/api/v1/openapi.json"
SIDES: Final[Mapping[str, tuple[Operation[Any], ...]]] = {"lot": AT_THE_LOT, "cloud": IN_THE_CLOUD}
OPERATIONS: Final = tuple(dict.fromkeys(row for rows in SIDES.values() for row in rows))

MEANINGS: Final[Mapping[str, str]] = {
    "BAD_REQUEST": "Something is missing or out of range; `field` names it.",
    "UNAUTHORIZED": "There is no key, or it is not one that this side takes.",
    "FORBIDDEN": "The key belongs to one fleet, and the request is about another.",
    "NOT_FOUND": "There is no such path, lot or session, or none that this key may see.",
    "METHOD_NOT_ALLOWED": "The path does not take this method; `Allow` names those it takes.",
    "CONFLICT": (
        "The vehicle has an open session at the lot, the session cannot be ended now, or the"
        " `Idempotency-Key` was used for another vehicle."
    ),
    "LOT_FULL": "No space for this vehicle is free; from the cloud, none that it may sell.",
    "PAYLOAD_TOO_LARGE": f"The body is longer than {LONGEST_BODY:,} bytes.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not sent as `application/json`.",
    "RATE_LIMITED": (
        "The budget of the key, of the end user or, without a valid key, of the address is used up;"
        " ask again after `Retry-After` seconds."
    ),
    "INTERNAL": "Something is broken on this side; it was logged under `request_id`.",
    "UNAVAILABLE": "Not possible now; ask again after `Retry-After` seconds.",
    "LOT_OFFLINE": (
        "Only from the cloud: it cannot reach the lot and has nothing left to sell for it, or must"
        " hear from it first. The lot itself still answers."
    ),
}

_PATH_PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "session": ("id of the stay", SESSION),
    "lot": ("id of the lot", LOT),
}
_ABOUT: Final = (
    "Book parking for vehicles. A lot's gateway and the cloud answer alike; what only one of them"
    " serves says so. The lot goes on when the internet is down. Unknown fields of a request are"
    " ignored, and answers may get more fields: ignore what you do not know."
)


def _count(description: str) -> Json:
    return {
        "description": description,
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }


_ON_ALL: Final = (
    "X-Request-Id",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
_HEADERS: Final[Json] = {
    "X-Request-Id": {
        "description": "id of this request; name it when you ask for help",
        "required": True,
        "schema": {"type": "string", "pattern": "^req_[0-9A-Z]{26}$"},
    },
    "X-RateLimit-Limit": _count("calls a minute of the budget with the least left"),
    "X-RateLimit-Remaining": _count("calls that are left of it now"),
    "X-RateLimit-Reset": _count("seconds until all of it is back"),
    "Retry-After": _count("seconds after which to ask again"),
}
_PARAMETERS: Final[Json] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "any text of your own for this one request: sent again with it, the request is not"
            " carried out twice, and a booking is answered with the same stay"
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_IDEMPOTENCY_KEY},
    },
    "X-End-User-Id": {
        "name": "X-End-User-Id",
        "in": "header",
        "description": (
            "your own id of whom you call for, in printable ASCII: the call then counts against a"
            " budget of theirs too"
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_END_USER_ID},
    },
}


class _Schemas(GenerateJsonSchema):
    """JSON Schema without titles that only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document() -> Json:
    """Return the document as JSON objects."""
    responses: Json = {}
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        described = _operation(operation, responses)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Park Graph API", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/", "description": "the lot or the cloud that served this document"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key: `Authorization: Bearer pk_live_…`",
                }
            },
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
            "responses": dict(sorted(responses.items())),
            "schemas": _schemas(),
        },
    }


def text() -> str:
    """Return the document as `config/openapi.json` holds it and `/api/v1/openapi.json` serves."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def about(operation: Operation[Any]) -> tuple[str, str]:
    """Return what an operation does, in a few words and at length."""
    summary, _, more = (inspect.getdoc(operation.handle) or "").partition("\n")
    return summary.rstrip("."), " ".join(more.split())


def errors_of(operation: Operation[Any]) -> dict[int, list[ErrorCode]]:
    """Return the codes that an operation may answer with, by status."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in HTTP_STATUS:
        if code in {*ERRORS_OF_ALL, *operation.errors}:
            by_status.setdefault(HTTP_STATUS[code], []).append(code)
    return by_status


def _operation(operation: Operation[Any], responses: Json) -> Json:
    """Describe an operation; what it needs of shared `responses` is added to them."""
    summary, description = about(operation)
    answers: Json = {str(operation.status): _success(operation)}
    for status, codes in errors_of(operation).items():
        name = ".".join(codes)
        responses[name] = _refusal(status, codes)
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    described: Json = {
        "operationId": operation.handle.__name__,
        "summary": summary,
        "description": description,
        "x-served-by": [side for side, rows in SIDES.items() if operation in rows],
        "x-rate-class": operation.rate_class.value,
        "parameters": _parameters(operation),
    }
    if operation.request:
        described["requestBody"] = {
            "required": True,
            "content": _content(operation.request, REQUESTS[operation.request]),
        }
    return described | {"responses": answers}


def _parameters(operation: Operation[Any]) -> list[Json]:
    parameters: list[Json] = []
    for name in re.findall(r"{(\w+)}", operation.path):
        description, example = _PATH_PARAMETERS[name]
        parameters.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
                "example": example,
            }
        )
    if operation.query:
        for name, field in operation.query.model_fields.items():
            parameters.append(
                {
                    "name": name,
                    "in": "query",
                    "required": field.is_required(),
                    "description": field.description,
                    "schema": {"type": "string"},
                    "example": (field.examples or [None])[0],
                }
            )
    headers = ["X-End-User-Id"] if operation.method == "GET" else list(_PARAMETERS)
    return [*parameters, *({"$ref": f"#/components/parameters/{name}"} for name in headers)]


def _success(operation: Operation[Any]) -> Json:
    example = ANSWERS[operation.answer].model_dump(mode="json")
    return {
        "description": (operation.answer.__doc__ or "").strip(),
        "headers": _headers(*_ON_ALL),
        "content": _content(operation.answer, example),
    }


def _refusal(status: int, codes: Iterable[ErrorCode]) -> Json:
    code = {"properties": {"code": {"enum": [code.value for code in codes]}}}
    bodies = {
        "application/json": [_reference(ErrorAnswer), {"properties": {"error": code}}],
        PROBLEM: [_reference(Problem), code],
    }
    return {
        "description": "\n\n".join(f"`{code}`: {MEANINGS[code]}" for code in codes),
        "headers": _headers(*_ON_ALL, *(["Retry-After"] if status in {429, 503} else [])),
        "content": {kind: {"schema": {"allOf": parts}} for kind, parts in bodies.items()},
    }


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(model: type[BaseModel], example: Any) -> Json:
    return {"application/json": {"schema": _reference(model), "example": example}}


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas() -> Json:
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (ErrorAnswer, "validation"): None,
        (Problem, "validation"): None,
    }
    for operation in OPERATIONS:
        models[operation.answer, "serialization"] = None
        if operation.request:
            models[operation.request, "validation"] = None
    _, schemas = models_json_schema(
        list(models), ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    defined: Json = schemas["$defs"]
    return defined


if __name__ == "__main__":
    sys.stdout.write(text())
