"""`/docs`: the contract as a page for people, made from the OpenAPI document."""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from parkgraph.front.bodies import DEEPEST
from parkgraph.front.examples import ANSWERS
from parkgraph.front.limits import END_USER, STRANGER, Budget, budgets_of_key
from parkgraph.front.openapi import MEANINGS, OPERATIONS, PATH, Json, about, document, text
from parkgraph.front.operations import LONGEST_BODY, MOST_LISTED, RateClass
from parkgraph.model.api import ErrorAnswer
from parkgraph.model.errors import HTTP_STATUS
from parkgraph.model.loans import HOLD

# The one part of answers that has a section of its own.
_MINUTE: Final = timedelta(minutes=1)
_SESSION: Final = "#/components/schemas/SessionBody"
_PAGE: Final = Template((files(__package__) / "docs.html").read_text(encoding="utf-8"))
_STYLE: Final = (files(__package__) / "docs.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@functools.cache
def routes() -> tuple[Route, ...]:
    """Return what both sides serve to anybody: the document and the page."""
    contract, html = text(), page(document())

    async def show_contract(_: Request) -> Response:
        return Response(contract, media_type="application/json", headers=_HEADERS)

    async def show_page(_: Request) -> Response:
        return HTMLResponse(html, headers=_HEADERS)

    return Route(PATH, show_contract), Route("/docs", show_page)


def page(contract: Json) -> str:
    """Return the whole page about `contract`."""
    operations = [
        (path, method, operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = contract["components"]["schemas"]
    return _PAGE.substitute(
        style=_STYLE,
        about=_prose(contract["info"]["description"]),
        document=PATH,
        contents="".join(
            f'<li><a href="#{escape(operation["operationId"])}">{_route(method, path)}'
            f"<span>{_prose(operation['summary'])}</span></a></li>"
            for path, method, operation in operations
        ),
        operations="".join(_operation(contract, *each) for each in operations),
        session=f"<p>{_prose(schemas['SessionBody']['description'])}</p>"
        f"{_fields(contract, schemas['SessionBody'])}",
        envelope=_fields(contract, schemas["ErrorAnswer"]),
        problem=_fields(contract, schemas["Problem"]),
        error=_shown(ANSWERS[ErrorAnswer].model_dump(mode="json", exclude_none=True)),
        codes="".join(
            _field(code, str(status), MEANINGS[code], mark=f"error-{code}")
            for code, status in HTTP_STATUS.items()
        ),
        limits="".join(_field(name, "", what) for name, what in _limits(contract)),
    )


def _operation(contract: Json, path: str, method: str, operation: Json) -> str:
    parts = [
        f"<h2>{_prose(operation['summary'])}</h2>",
        f"<p>{_route(method, path)}</p>",
        f'<p class="muted">Served by: {" and ".join(operation["x-served-by"])}</p>',
        f"<p>{_prose(operation['description'])}</p>",
    ]
    parameters = [_resolved(contract, each) for each in operation.get("parameters", ())]
    if parameters:
        listed = "".join(_parameter(each) for each in parameters)
        parts.append(f'<h3>Parameters</h3><dl class="fields">{listed}</dl>')
    if "requestBody" in operation:
        schema = _body(operation["requestBody"])["schema"]
        parts.append(f"<h3>Request</h3>{_fields(contract, _resolved(contract, schema))}")
    parts.append(f"<h3>Example</h3><pre>{escape(_curl(path, method, operation, parameters))}</pre>")
    for status, answer in operation["responses"].items():
        if "$ref" not in answer:
            body = _body(answer)
            schema, example = _resolved(contract, body["schema"]), _shown(body["example"])
            parts += [
                f"<h3>Answer {status}</h3>{_fields(contract, schema)}",
                f"<details><summary>An answer</summary><pre>{example}</pre></details>",
            ]
    codes = [
        code for answer in operation["responses"].values() for code in _codes(contract, answer)
    ]
    links = ", ".join(f'<a href="#error-{code}">{code}</a>' for code in codes)
    parts.append(f"<h3>Errors</h3><p>{links}</p>")
    return f'<section id="{escape(operation["operationId"])}">{"".join(parts)}</section>'


def _parameter(parameter: Json) -> str:
    required = ", required" if parameter.get("required") else ""
    schema = parameter["schema"]
    kind = f"{schema['type']}{_bounds(schema)}, in {parameter['in']}{required}"
    return _field(parameter["name"], kind, parameter["description"])


def _codes(contract: Json, answer: Json) -> list[str]:
    """Return the error codes of an answer; none of a success."""
    if "$ref" not in answer:
        return []
    _, narrowed = _body(_resolved(contract, answer))["schema"]["allOf"]
    codes: list[str] = narrowed["properties"]["error"]["properties"]["code"]["enum"]
    return codes


def _curl(path: str, method: str, operation: Json, parameters: list[Json]) -> str:
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        if parameter["in"] == "query":
            path += f"?{parameter['name']}={parameter['example']}"
    lines = [
        f'curl{"" if method == "get" else " -X " + method.upper()} "$BASE{path}"',
        '-H "Authorization: Bearer $KEY"',
    ]
    if "requestBody" in operation:
        example = json.dumps(_body(operation["requestBody"])["example"], indent=2)
        lines += ['-H "Content-Type: application/json"', f"-d '{example}'"]
    return " \\\n".join(lines)


def _fields(contract: Json, schema: Json) -> str:
    rows = [_field(*each) for each in _flat(contract, schema)]
    return f'<dl class="fields">{"".join(rows)}</dl>'


def _flat(contract: Json, schema: Json, inside: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, type (as HTML) and meaning of each field; what is inside others has dots."""
    for name, field in schema["properties"].items():
        required = name in schema.get("required", ())
        kind = _kind(contract, field) + ("" if required else ", optional")
        yield inside + name, kind, field.get("description", "")
        within = _resolved(contract, field)
        if "properties" in within and field["$ref"] != _SESSION:
            yield from _flat(contract, within, f"{inside}{name}.")


def _kind(contract: Json, field: Json) -> str:
    """Return the type of a field, for people, as HTML."""
    match field:
        case {"$ref": str(name)}:
            link = '<a href="#session">session</a>'
            return link if name == _SESSION else _kind(contract, _resolved(contract, field))
        case {"anyOf": list(kinds)}:
            return " | ".join(_kind(contract, kind) for kind in kinds)
        case {"enum": list(values)}:
            return " | ".join(escape(json.dumps(value), quote=False) for value in values)
        case {"items": dict(item)}:
            return f"list of {_kind(contract, item)}"
        case {"format": "date-time"}:
            return "time"
    return escape(field["type"]) + _bounds(field)


def _bounds(field: Json) -> str:
    if "minimum" in field:
        return f" {field['minimum']:,} to {field['maximum']:,}"
    if "minLength" in field:
        return f" of {field['minLength']} to {field['maxLength']}"
    return ""


def _limits(contract: Json) -> Iterator[tuple[str, str]]:
    """Yield each limit and what it is about."""
    calls: dict[str, list[str]] = {}
    for operation in OPERATIONS:
        calls.setdefault(operation.rate_class, []).append(about(operation)[0].lower())
    for rate_class, budget in budgets_of_key(is_sandbox=False, requests_per_minute=None).items():
        yield _a_minute(budget), f"of each key, together: {'; '.join(calls[rate_class])}."
    sandbox = budgets_of_key(is_sandbox=True, requests_per_minute=None)
    yield _a_minute(sandbox[RateClass.OTHER]), "of each key `pk_test_…`, all calls together."
    yield _a_minute(END_USER), "for each end user that `X-End-User-Id` tells of."
    yield _a_minute(STRANGER), "from each address without a valid key."
    yield f"{DEEPEST} levels", "of nesting in a body."
    yield f"{LONGEST_BODY:,} bytes", "in a body."
    yield f"{MOST_LISTED} stays", "in a list."
    yield f"{HOLD // _MINUTE} minutes", "for which a space is held for a vehicle on its way."
    for name, header in contract["components"]["headers"].items():
        yield name, f"header: {header['description']}."


def _a_minute(budget: Budget) -> str:
    return f"{budget.per_minute} calls a minute"


def _field(name: str, kind: str, meaning: str, *, mark: str = "") -> str:
    identity = f' id="{escape(mark)}"' if mark else ""
    small = f' <span class="muted">{kind}</span>' if kind else ""
    term = f"<dt><code>{escape(name)}</code>{small}</dt>"
    return f"<div{identity}>{term}<dd>{_prose(meaning)}</dd></div>"


def _route(method: str, path: str) -> str:
    return f'<code class="route"><b class="{method}">{method.upper()}</b> {escape(path)}</code>'


def _prose(words: str) -> str:
    """Return words as HTML; what stands between backticks is code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(words))


def _shown(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))


def _body(part: Json) -> Json:
    body: Json = part["content"]["application/json"]
    return body


def _resolved(contract: Json, part: Json) -> Json:
    """Return what a reference leads to; anything else as it is."""
    if "$ref" not in part:
        return part
    found: Any = contract
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    resolved: Json = found
    return resolved
