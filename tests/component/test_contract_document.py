"""The OpenAPI document says of lot and cloud what they do, and nothing else."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from parkgraph.front.app import ApiKey
from parkgraph.front.openapi import MEANINGS, PATH, SIDES, document, text
from parkgraph.front.operations import (
    AT_THE_LOT,
    LONGEST_BODY,
)
from parkgraph.front.problems import PROBLEM
from parkgraph.journal.apply import apply
from parkgraph.journal.epochs import begin_recovery
from parkgraph.journal.messages import LotState
from parkgraph.model.errors import ErrorCode
from parkgraph.model.records import AllotmentGranted, AnyRecord, Personal
from parkgraph_cloud.fleet import FleetView
from parkgraph_cloud.links import _SQL as LINKS
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, NOON, a_crossing, a_grant, a_lot
from tests.fake_link import DOWN, OpenCloud, open_cloud
from tests.fakes import Recording, open_ledger
from tests.front_doors import KEY, PLENTY, SESSIONS, a_door, a_request, calling
from tests.json_schema import Json, faults, resolved
from tests.lending import LOAN
from tests.sides import Away, door_of

CONFIG: Final = Path(__file__).parents[2] / "config"
CONTRACT: Final = document()
FLEET: Final = {"fleet_id": "fleet-1"}
UNKNOWN: Final = f"{SESSIONS}/sess_unknown"
ASKED: Final = {
    "create_session": ("POST", SESSIONS),
    "list_sessions": ("GET", f"{SESSIONS}?fleet_id=fleet-1"),
    "get_session": ("GET", UNKNOWN),
    "end_session": ("POST", f"{UNKNOWN}/end"),
    "lot_availability": ("GET", f"/api/v1/lots/{LOT}/availability"),
}
"""A call of each operation, and what it is sent."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of an operation and its answer."""

    side: str
    operation: str
    described: Json
    answer: httpx.Response

    @property
    def code(self) -> str | None:
        """The error's code, in either form."""
        body = self.answer.json()
        code: str | None = body.get("error", body).get("code")
        return code

    def faults(self) -> Iterator[str]:
        """Yield where the answer is not as the document has it."""
        status = str(self.answer.status_code)
        if status not in self.described["responses"]:
            yield f"{status} is not documented"
            return
        response = resolved(CONTRACT, self.described["responses"][status])
        for name, header in response["headers"].items():
            schema = resolved(CONTRACT, header)["schema"]
            value: Any = self.answer.headers.get(name)
            if schema["type"] == "integer" and value is not None:
                value = int(value)
            yield from faults(CONTRACT, schema, value, name)
        if ("retry-after" in self.answer.headers) != ("Retry-After" in response["headers"]):
            yield "Retry-After is documented or sent, and not the other"
        content = response["content"][self.answer.headers["content-type"]]
        yield from faults(CONTRACT, content["schema"], self.answer.json())


@dataclass
class Observed:
    """Calls of one side, and what was answered."""

    side: str
    accept: str
    exchanges: list[Exchange] = field(default_factory=list)

    async def call(
        self, door: Any, method: str, url: str, *, key: str | None = KEY, **sent: Any
    ) -> Any:
        """Call and note an operation; return the body of the answer."""
        headers = {"Accept": self.accept, **sent.pop("headers", {})}
        async with calling(door, key=key) as caller:
            answer = await caller.request(method, url, headers=headers, **sent)
        name, described = operation_at(method, answer.request.url.path)
        self.exchanges.append(Exchange(self.side, name, described, answer))
        return answer.json()

    async def call_all(self, door: Any, **sent: Any) -> None:
        """Call every operation of the side."""
        for operation in SIDES[self.side]:
            method, url = ASKED[operation.handle.__name__]
            body: dict[str, Any] = {"json": a_request()} if operation.request else {}
            await self.call(door, method, url, **{**({} if "content" in sent else body), **sent})


def operation_at(method: str, path: str) -> tuple[str, Json]:
    """Return the operation that the document has there."""
    for template, methods in CONTRACT["paths"].items():
        if re.fullmatch(re.sub("{[^}]*}", "[^/]+", template), path) and method.lower() in methods:
            described = methods[method.lower()]
            return described["operationId"], described
    raise AssertionError(f"{method} {path} is not documented")


async def refuse_all(seen: Observed, door: Any) -> None:
    """Call every operation in each way in which all refuse; `door` is one that works."""
    await seen.call_all(door, headers={"Idempotency-Key": ""})
    await seen.call_all(door, content=b" " * (LONGEST_BODY + 1))
    await seen.call_all(door_of(seen.side, Away()))
    await seen.call_all(door_of(seen.side, object()))
    for operation in SIDES[seen.side]:
        method, url = ASKED[operation.handle.__name__]
        # A bucket begins with one token.
        limited = door_of(seen.side, Away(), ApiKey(KEY))
        for key in (None, None, KEY, KEY):
            await seen.call(limited, method, url, key=key, json=a_request())


async def ask_as_a_fleet(seen: Observed, door: Any) -> None:
    """Call what a key of `fleet-1` may not."""
    await seen.call(door, "POST", SESSIONS, json=a_request(vehicle={"fleet_id": "fleet-2"}))
    await seen.call(door, "GET", f"{SESSIONS}?fleet_id=fleet-2")


async def book_and_end(seen: Observed, door: Any) -> str:
    """Fill the two spaces, ask for a third, and read, list and end a stay; return the other."""
    booked = (await seen.call(door, "POST", SESSIONS, json=a_request()))["session"]["id"]
    await seen.call(door, "POST", SESSIONS, json=a_request())
    other = await seen.call(door, "POST", SESSIONS, json=a_request(plate="CAR 2"))
    await seen.call(door, "POST", SESSIONS, json=a_request(plate="CAR 3"))
    await seen.call(door, "POST", SESSIONS, json=a_request(lot_id="oak-street", plate="CAR 4"))
    await seen.call(door, "POST", SESSIONS, content="{}", headers={"Content-Type": "text/plain"})
    await seen.call(door, "POST", SESSIONS, json=a_request(plate=7, vehicle={"vin": "SHORT"}))
    await seen.call(door, "GET", SESSIONS, params=FLEET)
    await seen.call(door, "GET", SESSIONS)
    for url in (f"{SESSIONS}/{booked}", UNKNOWN):
        await seen.call(door, "GET", url)
    for url in (f"{SESSIONS}/{booked}", f"{SESSIONS}/{booked}", UNKNOWN):
        await seen.call(door, "POST", f"{url}/end")
    left: str = other["session"]["id"]
    return left


async def at_the_lot(folder: Path, accept: str) -> list[Exchange]:
    """Drive a lot in every way that the document tells of."""
    seen = Observed("lot", accept)
    async with open_ledger(folder) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        door = a_door(ledger, ledger.reader)
        left = await book_and_end(seen, door)
        await ledger.submit(Recording([a_grant(left), a_crossing(left)]))
        await seen.call(door, "POST", f"{SESSIONS}/{left}/end")
        await seen.call(door, "GET", f"{SESSIONS}/{left}")
        await seen.call(door, "GET", f"/api/v1/lots/{LOT}/availability")
        await seen.call(door, "GET", "/api/v1/lots/oak-street/availability")
        fleet = ApiKey(KEY, fleet="fleet-1", requests_per_minute=PLENTY)
        await ask_as_a_fleet(seen, a_door(ledger, ledger.reader, key=fleet))
        await refuse_all(seen, door)
    return seen.exchanges


async def lend_two_spaces(cloud: OpenCloud) -> None:
    records: list[AnyRecord] = [a_lot()]
    records += [
        AllotmentGranted(
            session=f"sess_{number}",
            space=f"S-0{number}",
            entry_lane="north-in",
            currency="USD",
            rate_minor_per_hour=350,
            asked_at=NOON,
            lasts_seconds=int(LOAN.total_seconds()),
            personal=Personal(gate_code=f"12345678{number}"),
        )
        for number in (1, 2)
    ]
    for record in records:
        await cloud.writer.submit(functools.partial(apply, LOT, NOON.isoformat(), record))


async def in_the_cloud(folder: Path, accept: str) -> list[Exchange]:
    """Drive the cloud in every way that the document tells of."""
    seen = Observed("cloud", accept)
    async with open_cloud(folder) as cloud:
        await lend_two_spaces(cloud)
        view = FleetView(cloud.reader, cloud.allotments.ledger)
        door = door_of("cloud", view)
        left = await book_and_end(seen, door)
        state = {
            "lot": LOT,
            "body": LotState(link="up").model_dump_json(),
            "received_at": str(NOON),
        }
        await cloud.writer.submit(lambda c: c.execute(LINKS["put_state"], state))
        await seen.call(door, "POST", SESSIONS, json=a_request(plate="CAR 3"))
        await cloud.writer.submit(lambda c: begin_recovery(c, DOWN))
        await seen.call(door, "POST", SESSIONS, json=a_request(plate="CAR 3"))
        await seen.call(door, "POST", f"{SESSIONS}/{left}/end")
        fleet = ApiKey(KEY, fleet="fleet-1", requests_per_minute=PLENTY)
        await ask_as_a_fleet(seen, door_of("cloud", view, fleet))
        await refuse_all(seen, door)
    return seen.exchanges


@pytest.fixture(params=["*/*", PROBLEM])
async def exchanges(request: pytest.FixtureRequest, tmp_path: Path) -> list[Exchange]:
    """Give what lot and cloud answered; refusals in both forms."""
    (tmp_path / "cloud").mkdir()
    cloud = await in_the_cloud(tmp_path / "cloud", request.param)
    return await at_the_lot(tmp_path, request.param) + cloud


async def test_every_answer_of_both_sides_is_as_the_document_has_it(
    exchanges: list[Exchange],
) -> None:
    wrong = {
        (each.side, each.operation, each.answer.status_code, fault)
        for each in exchanges
        for fault in each.faults()
    }

    assert wrong == set()


async def test_an_operation_gives_each_error_that_the_document_has_for_it(
    exchanges: list[Exchange],
) -> None:
    given = {(each.operation, each.code) for each in exchanges if each.code}

    documented = {(name, code) for _, _, name, row in operations() for code in codes_of(row)}
    assert given - documented == set()
    assert documented - given == set()


async def test_an_operation_is_served_where_the_document_says(exchanges: list[Exchange]) -> None:
    served = {(each.operation, each.side) for each in exchanges if each.answer.is_success}

    assert served == {
        (name, side) for _, _, name, row in operations() for side in row["x-served-by"]
    }


def operations() -> list[tuple[str, str, str, Json]]:
    """Return path, method, id and description of each operation in the document."""
    return [
        (path, method, described["operationId"], described)
        for path, methods in CONTRACT["paths"].items()
        for method, described in methods.items()
    ]


def codes_of(described: Json) -> set[str]:
    """Return the error codes that an operation has in the document."""
    schemas = [
        resolved(CONTRACT, response)["content"]["application/json"]["schema"]
        for status, response in described["responses"].items()
        if int(status) >= 400
    ]
    return {
        code
        for schema in schemas
        for code in schema["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"]
    }


def parts_of(value: Any) -> Iterator[Json]:
    """Yield every object in a document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from parts_of(each)


def test_the_document_in_the_repository_is_the_one_that_is_served() -> None:
    assert (CONFIG / "openapi.json").read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("side", ["lot", "cloud"])
async def test_anybody_gets_the_document_at_either_side(side: str) -> None:
    async with calling(door_of(side, Away()), key=None) as caller:
        answer = await caller.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == text()


def test_every_reference_leads_to_something() -> None:
    references = [part for part in parts_of(CONTRACT) if "$ref" in part]

    assert references
    assert all(isinstance(resolved(CONTRACT, part), dict) for part in references)


def test_every_operation_has_what_openapi_asks_for() -> None:
    names = [name for _, _, name, _ in operations()]

    assert re.fullmatch(r"3\.1\.\d", CONTRACT["openapi"])
    assert {"title", "version"} <= CONTRACT["info"].keys()
    assert len(set(names)) == len(names) == len({row.handle for row in AT_THE_LOT})
    for path, _, _, described in operations():
        parameters = [resolved(CONTRACT, each) for each in described["parameters"]]
        in_path = {each["name"] for each in parameters if each["in"] == "path"}
        assert in_path == set(re.findall("{([^}]*)}", path))
        assert all(each["description"] and each["schema"] for each in parameters)
        assert all(each["required"] for each in parameters if each["in"] == "path")
        assert described["summary"]
        assert all(
            resolved(CONTRACT, response)["description"]
            for response in described["responses"].values()
        )


def test_every_field_and_every_code_is_explained() -> None:
    unexplained = {
        f"{name}.{key}"
        for name, schema in CONTRACT["components"]["schemas"].items()
        for key, value in schema.get("properties", {}).items()
        if not value.get("description")
    }

    assert unexplained == set()
    assert MEANINGS.keys() == {code.value for code in ErrorCode}


def test_every_example_is_as_its_schema_has_it() -> None:
    examples = [part for part in parts_of(CONTRACT) if {"schema", "example"} <= part.keys()]

    wrong = [
        fault for part in examples for fault in faults(CONTRACT, part["schema"], part["example"])
    ]

    assert examples
    assert wrong == []


def test_the_document_is_json_whose_keys_are_strings() -> None:
    assert json.loads(text()) == CONTRACT
