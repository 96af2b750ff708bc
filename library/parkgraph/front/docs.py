"""`/docs`: the contract as a page for people, made from the OpenAPI document."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from parkgraph.front import docs_tables
from parkgraph.front.docs_html import (
    fields,
    paragraphs,
    parameter,
    prose,
    resolved,
    route,
    shown,
    verb,
)
from parkgraph.front.examples import ANSWERS, ERROR, REQUESTS
from parkgraph.front.openapi import PATH, document, text
from parkgraph.front.parameters import Json
from parkgraph.front.session_calls import EVENT_STREAM
from parkgraph.journal.answers import KEPT_FOR
from parkgraph.model.api import SessionRequest

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
_SIDES: Final = {"lot": "at the lot", "cloud": "in the cloud"}
# Sections by anchor and title.
_GUIDE: Final = (
    ("start", "Your first stay"),
    ("sides", "At the lot, in the cloud"),
    ("plans", "Keys, plans and scopes"),
    ("idempotency", "Sending it again"),
    ("events", "Following a stay"),
)
# After the operations of a group; the last is the schema that is shown, if it is one.
_BESIDE: Final[Mapping[str, tuple[tuple[str, str, str | None], ...]]] = {
    "Stays": (("session", "The stay", "SessionBody"), ("states", "State and status", None)),
    "Lots": (("lot", "The lot", "LotBody"),),
    "Account": (("api-key", "The API key", "KeyBody"),),
}
_ENOUGH_OF_AN_EVENT: Final = 140
_REST: Final = (("errors", "Errors"), ("limits", "Limits"))


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
    return _PAGE.substitute(
        style=_STYLE,
        about=paragraphs(contract["info"]["description"]),
        document=PATH,
        contents=_contents(contract),
        first=escape(json.dumps(REQUESTS[SessionRequest])),
        plans=docs_tables.plans(),
        kept=docs_tables.lasting(KEPT_FOR),
        event=shown(f"{ANSWERS['session_events']}"[:_ENOUGH_OF_AN_EVENT] + "…"),
        groups="".join(_group(contract, each) for each in contract["tags"]),
        errors=docs_tables.errors(),
        error=shown(ERROR.model_dump(mode="json", exclude_none=True)),
        envelope=_schema(contract, "ErrorAnswer"),
        problem=_schema(contract, "Problem"),
        budgets=docs_tables.budgets(),
        sizes=docs_tables.sizes(),
        headers=docs_tables.headers(),
    )


def _operations(contract: Json, group: str) -> list[tuple[str, str, Json]]:
    return [
        (path, method, operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
        if group in operation["tags"]
    ]


def _contents(contract: Json) -> str:
    parts = [_list("Guide", [_link(*each) for each in _GUIDE])]
    for tag in contract["tags"]:
        group = tag["name"]
        links = [
            _link(operation["operationId"], operation["summary"], verb(method))
            for _, method, operation in _operations(contract, group)
        ]
        links += [_link(anchor, title) for anchor, title, _ in _BESIDE.get(group, ())]
        parts.append(_list(group, links))
    return "".join([*parts, _list("Answers", [_link(*each) for each in _REST])])


def _list(title: str, links: list[str]) -> str:
    items = "".join(f"<li>{link}</li>" for link in links)
    return f"<p>{prose(title)}</p><ul>{items}</ul>"


def _link(anchor: str, title: str, before: str = "") -> str:
    return f'<a href="#{escape(anchor)}">{before}<span>{prose(title)}</span></a>'


def _group(contract: Json, tag: Json) -> str:
    name = tag["name"]
    sections = [_operation(contract, *each) for each in _operations(contract, name)]
    for anchor, title, schema in _BESIDE.get(name, ()):
        shown_apart = _schema(contract, schema) if schema else _states()
        sections.append(_section(anchor, title, shown_apart))
    return f"<h2>{prose(name)}</h2>{paragraphs(tag['description'])}{''.join(sections)}"


def _section(anchor: str, title: str, content: str) -> str:
    return f'<section id="{escape(anchor)}"><h3>{prose(title)}</h3>{content}</section>'


def _states() -> str:
    explained = "<p>The gate code is told while the status is <code>active</code>.</p>"
    return explained + docs_tables.states()


def _schema(contract: Json, name: str) -> str:
    schema = contract["components"]["schemas"][name]
    return paragraphs(" ".join(schema["description"].split())) + fields(contract, schema)


def _operation(contract: Json, path: str, method: str, operation: Json) -> str:
    parameters = [resolved(contract, each) for each in operation["parameters"]]
    parts = [
        f"<p>{route(method, path)}</p>",
        f'<p class="badges">{"".join(_badges(operation))}</p>',
        paragraphs(operation["description"]),
        f"<pre>{escape(_curl(path, method, operation, parameters))}</pre>",
    ]
    if "requestBody" in operation:
        schema = _body(operation["requestBody"])["schema"]
        parts.append(f"<h4>Request</h4>{fields(contract, resolved(contract, schema))}")
    listed = "".join(parameter(each) for each in parameters)
    parts.append(f'<h4>Parameters</h4><dl class="fields">{listed}</dl>')
    for status, answer in operation["responses"].items():
        if "$ref" not in answer:
            parts.append(_answer(contract, status, answer))
    codes = [
        code for answer in operation["responses"].values() for code in _codes(contract, answer)
    ]
    links = " ".join(
        f'<a href="#error-{escape(code)}"><code>{escape(code)}</code></a>' for code in codes
    )
    parts.append(f'<h4>Errors</h4><p class="codes">{links}</p>')
    return _section(operation["operationId"], operation["summary"], "".join(parts))


def _badges(operation: Json) -> list[str]:
    badges = [
        f'<span class="badge {escape(side)}">{escape(_SIDES[side])}</span>'
        for side in operation["x-served-by"]
    ]
    badges.append(f'<a class="badge" href="#plans">{escape(operation["x-scope"])}</a>')
    if {} in operation.get("security", ()):
        badges.append('<span class="badge">no key needed</span>')
    return badges


def _answer(contract: Json, status: str, answer: Json) -> str:
    ((media, body),) = answer["content"].items()
    schema = resolved(contract, body["schema"])
    if media == "application/json":
        kind, told = "", fields(contract, schema)
    else:
        kind, told = f" <code>{escape(media)}</code>", paragraphs(schema["description"])
    if "x-event-data" in body:
        told += fields(contract, resolved(contract, body["x-event-data"]))
    example = f"<pre>{shown(body['example'])}</pre>"
    return (
        f"<h4>Answer {escape(status)}{kind}</h4>{told}"
        f"<details><summary>An answer</summary>{example}</details>"
    )


def _codes(contract: Json, answer: Json) -> list[str]:
    """Return the error codes of an answer; none of a success."""
    if "$ref" not in answer:
        return []
    _, narrowed = _body(resolved(contract, answer))["schema"]["allOf"]
    codes: list[str] = narrowed["properties"]["error"]["properties"]["code"]["enum"]
    return codes


def _curl(path: str, method: str, operation: Json, parameters: list[Json]) -> str:
    asked = []
    for each in parameters:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", each["example"])
        if each["in"] == "query" and "example" in each:
            asked.append(f"{each['name']}={quote(_in_address(each['example']), safe=':')}")
    options = "" if method == "get" else f" -X {method.upper()}"
    if EVENT_STREAM in operation["responses"].get("200", {}).get("content", ()):
        options = " -N"
    lines = [f'curl{options} "$BASE{"?".join([path, *filter(None, ["&".join(asked)])])}"']
    if {} not in operation.get("security", ()):
        lines.append('-H "Authorization: Bearer $KEY"')
    if "requestBody" in operation:
        example = json.dumps(_body(operation["requestBody"])["example"], indent=2)
        lines += ['-H "Content-Type: application/json"', f"-d '{example}'"]
    return " \\\n  ".join(lines)


def _in_address(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(part: Json) -> Json:
    body: Json = part["content"]["application/json"]
    return body
