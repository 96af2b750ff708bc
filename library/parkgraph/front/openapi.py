"""The contract of `/api/v1` as an OpenAPI 3.1 document: one for lot and cloud.

`python -m parkgraph.front.openapi` prints it; `config/openapi.json` holds it.
"""

import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from parkgraph.front.audit_csv import COLUMNS
from parkgraph.front.contract import Operation
from parkgraph.front.examples import ANSWERS, REQUESTS
from parkgraph.front.feed_calls import CSV
from parkgraph.front.meanings import MEANINGS
from parkgraph.front.operations import ERRORS_OF_ALL, OF_THE_CLOUD, SHARED
from parkgraph.front.parameters import (
    HEADERS,
    HEADERS_OF,
    HEADERS_OF_ALL,
    PARAMETERS,
    Json,
    parameters_of,
)
from parkgraph.front.problems import PROBLEM
from parkgraph.front.session_calls import EVENT_STREAM
from parkgraph.model.api import ErrorAnswer, Problem
from parkgraph.model.errors import HTTP_STATUS, ErrorCode
from parkgraph.model.scopes import SCOPES_OF, Scope

PATH: Final = "/api/v1/openapi.json"
OPERATIONS: Final[tuple[Operation[Any], ...]] = (*SHARED, *OF_THE_CLOUD)
SIDES: Final[Mapping[str, tuple[Operation[Any], ...]]] = {"lot": SHARED, "cloud": OPERATIONS}


class Group(NamedTuple):
    """Operations that a reader looks for in one place."""

    name: str
    description: str


# By the module of the operations; in the order in which they are shown.
GROUPS: Final[Mapping[str, Group]] = {
    "session_calls": Group("Stays", "Book a space, follow the stay, extend, cancel or end it."),
    "lot_calls": Group("Lots", "Find lots, see what is free and what it costs."),
    "feed_calls": Group("Feeds", "What was decided, what happened last, and what works now."),
    "account_calls": Group("Account", "API keys and agents. The cloud alone decides on them."),
}

_ABOUT: Final = (
    "Book parking for vehicles, with a driver or without. A lot's gateway and the cloud answer"
    " alike; what only one of them serves says so. The lot goes on when the internet is down.\n\n"
    "Unknown fields of a request are ignored, and answers may get more fields: ignore what you do"
    ' not know. Types are taken as they are: neither `"5"` nor `5.0` is the integer 5.\n\n'
    "Outside the machine that serves it, the API is reached by TLS 1.3 only. Answers then carry"
    " `Strict-Transport-Security`; plaintext is answered `426` with the code `UPGRADE_REQUIRED`."
)
_STREAMED: Final[Mapping[str, str]] = {
    EVENT_STREAM: "Server-sent events: `id`, `event` and `data`, ended by an empty line. The data"
    " of each is a `SessionEvent` as JSON, on one line. Lines that begin with `:` say that the"
    " stream lives.",
    CSV: "A line of names, then one line a row, all cells in double quotes, lines ended by CRLF."
    f" Columns: {', '.join(f'`{name}`' for name in COLUMNS)}. `actor` is `actor_type:actor_id`,"
    " and `body` is `diff` of the JSON form.",
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
        "tags": [group._asdict() for group in GROUPS.values()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key: `Authorization: Bearer pk_live_…`",
                }
            },
            "headers": HEADERS,
            "parameters": PARAMETERS,
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


def plans_with(scope: Scope) -> list[str]:
    """Return the plans that include a scope."""
    return [plan.value for plan, scopes in SCOPES_OF.items() if scope in scopes]


def _operation(operation: Operation[Any], responses: Json) -> Json:
    """Describe an operation; what it needs of shared `responses` is added to them."""
    answers: Json = {str(operation.status): _success(operation)}
    for status, codes in errors_of(operation).items():
        name = ".".join(codes)
        responses[name] = _refusal(status, codes)
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    described: Json = {
        "tags": [GROUPS[operation.handle.__module__.rpartition(".")[2]].name],
        "operationId": operation.handle.__name__,
        "summary": about(operation)[0],
        "description": _description(operation),
        "x-served-by": [side for side, rows in SIDES.items() if operation in rows],
        "x-scope": operation.scope.value,
        "x-rate-class": operation.rate_class.value,
        "parameters": parameters_of(operation),
    }
    if operation.is_public:
        described["security"] = [{}, {"key": []}]
    if operation.request:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _reference(operation.request),
                    "example": REQUESTS[operation.request],
                }
            },
        }
    return described | {"responses": answers}


def _description(operation: Operation[Any]) -> str:
    """Return what an operation does and who may call it, in paragraphs."""
    plans = plans_with(operation.scope)
    allowed = f"A key needs the scope `{operation.scope}`, which is in the {_listed(plans)}."
    if operation.is_public:
        allowed = f"Anybody may call it, without a key too. {allowed}"
    paragraphs = [about(operation)[1], allowed]
    if operation in OF_THE_CLOUD:
        paragraphs.append("The cloud alone does it; a lot answers `REQUIRES_CLOUD`.")
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _listed(plans: list[str]) -> str:
    *most, last = plans
    return f"plans {', '.join(most)} and {last}" if most else f"plan {last}"


def _success(operation: Operation[Any]) -> Json:
    replayed = [] if operation.method == "GET" else ["Idempotent-Replayed"]
    return {
        "description": " ".join((operation.answer.__doc__ or "").split()),
        "headers": _headers(*HEADERS_OF_ALL, *replayed),
        "content": {operation.media: _answer(operation)},
    }


def _answer(operation: Operation[Any]) -> Json:
    example = ANSWERS[operation.handle.__name__]
    if isinstance(example, BaseModel):
        sent = json.loads(example.model_dump_json(by_alias=True))
        return {"schema": _reference(operation.answer), "example": sent}
    schema = {"type": "string", "description": _STREAMED[operation.media]}
    described: Json = {"schema": schema, "example": example}
    if operation.media == EVENT_STREAM:
        described["x-event-data"] = _reference(operation.answer)
    return described


def _refusal(status: int, codes: Iterable[ErrorCode]) -> Json:
    code = {"properties": {"code": {"enum": [code.value for code in codes]}}}
    bodies = {
        "application/json": [_reference(ErrorAnswer), {"properties": {"error": code}}],
        PROBLEM: [_reference(Problem), code],
    }
    return {
        "description": "\n\n".join(f"`{code}`: {' '.join(MEANINGS[code])}" for code in codes),
        "headers": _headers(*HEADERS_OF_ALL, *HEADERS_OF.get(status, ())),
        "content": {kind: {"schema": {"allOf": parts}} for kind, parts in bodies.items()},
    }


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


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
