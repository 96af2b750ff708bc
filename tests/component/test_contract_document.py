"""The OpenAPI document is whole, valid, and says of each operation what its row of the table says.

That it is true too is what `test_contract_answers.py` is about.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from parkgraph.front.audit_csv import COLUMNS
from parkgraph.front.contract import Operation
from parkgraph.front.examples import ANSWERS, QUERIES, REQUESTS
from parkgraph.front.meanings import MEANINGS
from parkgraph.front.openapi import GROUPS, OPERATIONS, PATH, SIDES, document, errors_of, text
from parkgraph.model.api import SessionRequest
from parkgraph.model.errors import ErrorCode
from parkgraph.model.scopes import SCOPES_OF
from tests.front_doors import calling
from tests.json_schema import Json, faults, resolved
from tests.sides import Away, door_of

CONFIG: Final = Path(__file__).parents[2] / "config"
CONTRACT: Final = document()
# The request of the public API document, without its indentation.
PUBLIC_REQUEST: Final = """\
{
"lot_id": "uuid-of-lot",
"plate": "AV-1234",
"vehicle": {
"autonomous": true,
"fleet_id": "fleet_waymo_sf",
"vin": "1HGCM826X4A004352"
}
}"""
# What OpenAPI 3.1 lets each kind of object have, as far as the document uses it.
OPERATION: Final = {
    "tags", "operationId", "summary", "description", "parameters", "requestBody", "responses",
    "security",
}  # fmt: skip
PARAMETER: Final = {"name", "in", "required", "description", "schema", "example"}
MEDIA: Final = {"schema", "example"}
HEADER: Final = {"description", "required", "schema"}
NAME_OF_A_PART: Final = "[a-zA-Z0-9._-]+"

each_operation = pytest.mark.parametrize(
    "operation", OPERATIONS, ids=lambda row: row.handle.__name__
)


def described(operation: Operation[Any]) -> Json:
    """Return what the document has of an operation."""
    found: Json = CONTRACT["paths"][operation.path][operation.method.lower()]
    return found


def parameters_of(operation: Operation[Any]) -> list[Json]:
    return [resolved(CONTRACT, each) for each in described(operation)["parameters"]]


def parts_of(value: Any) -> Iterator[Json]:
    """Yield every object in a document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from parts_of(each)


def own(keys: Mapping[str, Any]) -> set[str]:
    """Return the keys that are no extensions."""
    return {key for key in keys if not key.startswith("x-")}


def test_the_document_in_the_repository_is_the_one_that_is_served() -> None:
    assert (CONFIG / "openapi.json").read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("side", sorted(SIDES))
async def test_anybody_gets_the_document_at_either_side(side: str) -> None:
    async with calling(door_of(side, Away()), key=None) as caller:
        answer = await caller.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == text()


def test_the_document_is_json_whose_keys_are_strings() -> None:
    assert json.loads(text()) == CONTRACT


def test_every_reference_leads_to_something() -> None:
    references = [part for part in parts_of(CONTRACT) if "$ref" in part]

    assert references
    assert all(isinstance(resolved(CONTRACT, part), dict) for part in references)


def test_nothing_is_described_that_nothing_uses() -> None:
    used = {part["$ref"] for part in parts_of(CONTRACT) if "$ref" in part}

    kinds = ("headers", "parameters", "responses", "schemas")
    there = {
        f"#/components/{kind}/{name}" for kind in kinds for name in CONTRACT["components"][kind]
    }
    assert there - used == set()
    assert all(re.fullmatch(NAME_OF_A_PART, name.rpartition("/")[2]) for name in there)


def test_the_document_as_a_whole_is_as_openapi_has_it() -> None:
    assert re.fullmatch(r"3\.1\.\d", CONTRACT["openapi"])
    assert {"title", "version"} <= CONTRACT["info"].keys()
    assert {tag["name"] for tag in CONTRACT["tags"]} == {group.name for group in GROUPS.values()}
    assert CONTRACT["security"] == [{"key": []}]
    assert CONTRACT["components"]["securitySchemes"].keys() == {"key"}
    assert all(own(each) == HEADER for each in CONTRACT["components"]["headers"].values())
    assert sum(len(methods) for methods in CONTRACT["paths"].values()) == len(OPERATIONS)


@each_operation
def test_an_operation_is_as_openapi_has_it(operation: Operation[Any]) -> None:
    row, parameters = described(operation), parameters_of(operation)

    assert row["operationId"] == operation.handle.__name__
    assert own(row) <= OPERATION
    assert own(row) >= {"tags", "operationId", "summary", "description", "responses"}
    assert all(own(each) <= PARAMETER for each in parameters)
    assert all(each["description"] and each["schema"]["type"] for each in parameters)
    in_path = {each["name"] for each in parameters if each["in"] == "path"}
    assert in_path == set(re.findall("{([^}]*)}", operation.path))
    assert all(each["required"] for each in parameters if each["in"] == "path")
    places = [(each["in"], each["name"]) for each in parameters]
    assert len(set(places)) == len(places)
    for status, answer in row["responses"].items():
        response = resolved(CONTRACT, answer)
        assert re.fullmatch("[1-5][0-9]{2}", status)
        assert own(response) == {"description", "headers", "content"}
        assert response["description"]
        assert all(own(media) <= MEDIA for media in response["content"].values())


@each_operation
def test_an_operation_says_who_serves_it_and_who_may_call_it(operation: Operation[Any]) -> None:
    row = described(operation)

    assert row["x-served-by"] == [side for side, rows in SIDES.items() if operation in rows]
    assert row["x-scope"] == operation.scope
    assert f"`{operation.scope}`" in row["description"]
    including = [plan for plan, scopes in SCOPES_OF.items() if operation.scope in scopes]
    assert all(plan in row["description"] for plan in including)
    assert row.get("security") == ([{}, {"key": []}] if operation.is_public else None)
    assert ("REQUIRES_CLOUD" in row["description"]) == (row["x-served-by"] == ["cloud"])


@each_operation
def test_an_operation_has_the_headers_that_its_method_and_media_need(
    operation: Operation[Any],
) -> None:
    sent = {each["name"] for each in parameters_of(operation) if each["in"] == "header"}
    answered = described(operation)["responses"][str(operation.status)]["headers"].keys()

    is_write = operation.method != "GET"
    is_followed = operation.media == "text/event-stream"
    assert ("Idempotency-Key" in sent) == ("Idempotent-Replayed" in answered) == is_write
    assert ("Last-Event-ID" in sent) == is_followed
    assert {"X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Reset"} <= answered


@each_operation
def test_a_query_is_described_as_its_model_reads_it(operation: Operation[Any]) -> None:
    asked = {each["name"]: each for each in parameters_of(operation) if each["in"] == "query"}
    schemas = {name: each["schema"] for name, each in asked.items()}

    read = operation.query.model_fields if operation.query else {}
    assert asked.keys() == read.keys()
    for name, field in read.items():
        assert asked[name]["required"] == field.is_required()
        assert field.is_required() or schemas[name].get("default") == field.default
    numbers = [each for each in schemas.values() if each["type"] in {"integer", "number"}]
    assert all(each["minimum"] < each["maximum"] for each in numbers)
    assert not any("anyOf" in each for each in schemas.values())


@each_operation
def test_an_operation_has_examples_of_what_it_takes_and_gives(operation: Operation[Any]) -> None:
    row = described(operation)

    taken = row.get("requestBody", {"content": {}})["content"].values()
    asked = [each for each in parameters_of(operation) if each["in"] == "query"]
    (given,) = row["responses"][str(operation.status)]["content"].values()
    assert len(taken) == (operation.request is not None)
    assert all(each["example"] for each in taken)
    assert any("example" in each for each in asked) == (operation.query is not None)
    assert given["example"]


def test_there_are_no_examples_of_what_nobody_serves() -> None:
    assert ANSWERS.keys() == {row.handle.__name__ for row in OPERATIONS}
    assert REQUESTS.keys() == {row.request for row in OPERATIONS if row.request}
    assert QUERIES.keys() == {row.query for row in OPERATIONS if row.query}


def test_every_example_is_as_its_schema_has_it() -> None:
    examples = [part for part in parts_of(CONTRACT) if {"schema", "example"} <= part.keys()]

    wrong = [
        fault for part in examples for fault in faults(CONTRACT, part["schema"], part["example"])
    ]

    assert len(examples) > 2 * len(OPERATIONS)
    assert wrong == []


def test_a_schema_without_the_field_of_an_example_is_noticed() -> None:
    (content,) = described(OPERATIONS[0])["requestBody"]["content"].values()

    assert list(faults(CONTRACT, content["schema"], content["example"] | {"colour": "red"}))


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
def test_the_example_of_a_request_is_taken(model: type[BaseModel]) -> None:
    taken = model.model_validate_json(json.dumps(REQUESTS[model]))

    assert taken.model_fields_set == REQUESTS[model].keys()


def test_a_booking_is_shown_as_in_the_public_document() -> None:
    posted = CONTRACT["paths"]["/api/v1/sessions"]["post"]["requestBody"]["content"]

    assert json.dumps(posted["application/json"]["example"], indent=0) == PUBLIC_REQUEST
    assert json.dumps(REQUESTS[SessionRequest], indent=0) == PUBLIC_REQUEST


@each_operation
def test_every_error_of_an_operation_is_explained(operation: Operation[Any]) -> None:
    for status, codes in errors_of(operation).items():
        response = resolved(CONTRACT, described(operation)["responses"][str(status)])
        assert all(f"`{code}`: {MEANINGS[code].what}" in response["description"] for code in codes)
        assert all(MEANINGS[code].remedy in response["description"] for code in codes)
        assert ("Retry-After" in response["headers"]) == (status in {429, 503})


def test_every_code_and_no_other_is_explained() -> None:
    assert MEANINGS.keys() == {code.value for code in ErrorCode}


def test_every_field_is_explained() -> None:
    unexplained = {
        f"{name}.{key}"
        for name, schema in CONTRACT["components"]["schemas"].items()
        for key, value in schema.get("properties", {}).items()
        if not value.get("description")
    }

    assert unexplained == set()


def test_a_field_that_is_sent_under_another_name_is_described_under_that() -> None:
    item = CONTRACT["components"]["schemas"]["ActivityItem"]["properties"]

    assert "_lot_id" in item
    assert "lot_id" not in item


def test_the_columns_of_the_export_are_named() -> None:
    export = CONTRACT["paths"]["/api/v1/lots/{lot}/audit.csv"]["get"]["responses"]["200"]
    (content,) = export["content"].values()

    assert all(f"`{name}`" in content["schema"]["description"] for name in COLUMNS)
    assert content["example"].startswith(",".join(f'"{name}"' for name in COLUMNS) + "\r\n")


def test_the_events_of_a_stay_say_what_their_data_is() -> None:
    stream = CONTRACT["paths"]["/api/v1/sessions/{session}/events"]["get"]["responses"]["200"]
    content = stream["content"]["text/event-stream"]
    (data,) = re.findall("(?m)^data: (.*)$", content["example"])

    assert list(faults(CONTRACT, content["x-event-data"], json.loads(data))) == []
