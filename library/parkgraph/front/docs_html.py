"""Parts of the contract as HTML. All that comes from the contract is escaped here."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from parkgraph.front.parameters import Json

# What has a place of its own on the page: others lead there.
_APART: Final[Mapping[str, tuple[str, str]]] = {
    "SessionBody": ("session", "stay"),
    "SessionState": ("states", "state"),
    "LotBody": ("lot", "lot"),
    "Availability": ("lot_availability", "availability"),
    "KeyBody": ("api-key", "API key"),
    "Plan": ("plans", "plan"),
    "Scope": ("plans", "scope"),
}


def prose(words: str) -> str:
    """Return words as HTML; what stands between backticks is code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(words))


def paragraphs(words: str) -> str:
    """Return words with an empty line between paragraphs as HTML."""
    return "".join(f"<p>{prose(each)}</p>" for each in words.split("\n\n"))


def shown(value: Any) -> str:
    """Return JSON, or a text as it is, to be put where space counts."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return escape(text)


def route(method: str, path: str) -> str:
    """Return method and path of an operation."""
    return f'<code class="route">{verb(method)} {escape(path)}</code>'


def verb(method: str) -> str:
    """Return the method of an operation."""
    return f'<b class="{escape(method)}">{escape(method.upper())}</b>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], *, marks: Iterable[str] = ()) -> str:
    """Return a table of HTML cells, the first of each row its name; `marks` are ids of the rows.

    One whose rows have ids is stacked where the screen is narrow.
    """
    names = list(heads)
    identities = [f' id="{escape(mark)}"' for mark in marks]
    body = []
    for index, (first, *rest) in enumerate(rows):
        cells = "".join(
            f'<td data-of="{escape(name)}">{cell}</td>'
            for name, cell in zip(names[1:], rest, strict=True)
        )
        identity = identities[index] if identities else ""
        body.append(f'<tr{identity}><th scope="row">{first}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    stack = ' class="stack"' if identities else ""
    return f"<table{stack}><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def field(name: str, kind: str, meaning: str) -> str:
    """Return a field with its type, which is HTML, and its meaning."""
    broken = escape(name).replace(".", ".<wbr>")
    term = f'<dt><code>{broken}</code> <span class="muted">{kind}</span></dt>'
    return f"<div>{term}<dd>{prose(meaning)}</dd></div>"


def fields(contract: Json, schema: Json) -> str:
    """Return all fields of an object, those of objects in it too unless they stand apart."""
    rows = [field(*each) for each in _flat(contract, schema)]
    return f'<dl class="fields">{"".join(rows)}</dl>'


def parameter(described: Json) -> str:
    """Return a parameter as a field."""
    schema = described["schema"]
    words = [kind_of({}, schema), f"in {escape(described['in'])}"]
    if described.get("required"):
        words.append("required")
    if "default" in schema:
        words.append(f"default {escape(json.dumps(schema['default']))}")
    return field(described["name"], ", ".join(words), described["description"])


def resolved(contract: Json, part: Json) -> Json:
    """Return what a reference leads to; anything else as it is."""
    if "$ref" not in part:
        return part
    found: Any = contract
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    result: Json = found
    return result


def kind_of(contract: Json, schema: Json) -> str:
    """Return the type of a value, for people, as HTML."""
    match schema:
        case {"$ref": str(name)} if apart := _APART.get(_name(name)):
            return f'<a href="#{apart[0]}">{apart[1]}</a>'
        case {"$ref": str()}:
            return kind_of(contract, resolved(contract, schema))
        case {"anyOf": list(kinds)}:
            return " or ".join(kind_of(contract, kind) for kind in kinds)
        case {"items": dict(item)}:
            return f"list of {kind_of(contract, item)}"
        case {"additionalProperties": dict(item)}:
            return f"object of {kind_of(contract, item)}"
    return _plain(schema)


def _plain(schema: Json) -> str:
    """Return the type of a value in which there are no others."""
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    if values:
        return " or ".join(escape(json.dumps(value), quote=False) for value in values)
    if schema.get("format") == "date-time":
        return "time"
    return escape(schema["type"]) + _bounds(schema)


def _flat(contract: Json, schema: Json, inside: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, type (as HTML) and meaning of each field; what is inside others has dots."""
    for name, described in schema["properties"].items():
        words = [kind_of(contract, described)]
        if name not in schema.get("required", ()):
            words.append("optional")
        if isinstance(described.get("default"), (str, int, float)) and "const" not in described:
            words.append(f"default {escape(json.dumps(described['default']), quote=False)}")
        yield inside + name, ", ".join(words), described.get("description", "")
        path, within = _within(contract, described)
        if "properties" in within:
            yield from _flat(contract, within, f"{inside}{name}{path}.")


def _within(contract: Json, described: Json) -> tuple[str, Json]:
    """Return what is inside a field, and what is written between their names."""
    match described:
        case {"$ref": str(name)}:
            return "", {} if _name(name) in _APART else resolved(contract, described)
        case {"items": dict(item)}:
            return "[]", _within(contract, item)[1]
        case {"anyOf": [first, {"type": "null"}]}:
            return _within(contract, first)
    return "", {}


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _bounds(schema: Json) -> str:
    for least, most in (("minimum", "maximum"), ("minLength", "maxLength")):
        if least in schema and most in schema:
            of = " of" if least == "minLength" else ""
            return f"{of} {schema[least]:,} to {schema[most]:,}"
    return ""
