"""What the document tells of `/api/v1` is what its front doors answer."""

import functools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlencode

import httpx
import pytest
from starlette.routing import Router
from structlog.testing import capture_logs

from parkgraph.front import examples
from parkgraph.front.contract import (
    LONGEST_BODY,
    LONGEST_END_USER_ID,
    Audited,
    Happened,
    Principal,
)
from parkgraph.front.keys import FixedKeys, KnownKey, configured_key, digest_of, id_of
from parkgraph.front.limits import budgets_of_key
from parkgraph.front.openapi import SIDES, document
from parkgraph.front.problems import PROBLEM
from parkgraph.journal.answers import Outcome, Seal, Told
from parkgraph.journal.apply import apply
from parkgraph.model.api import (
    ActivityFeed,
    ActivityItem,
    AgentAnswer,
    AgentBody,
    Availability,
    KeyBody,
    LotBody,
    StatusAnswer,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.rates import RateCard
from parkgraph.model.records import AllotmentGranted, AnyRecord, Personal
from parkgraph.model.sessions import Session
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, NOON, RATES, a_crossing, a_grant, a_lot
from tests.cloud_doors import OPERATOR, open_door
from tests.fake_link import OpenCloud
from tests.fakes import Recording, open_ledger
from tests.front_doors import KEY, PLENTY, SESSIONS, a_door, a_request, calling
from tests.json_schema import Json, faults, resolved
from tests.lending import LOAN
from tests.sides import Away, door_of

CONTRACT: Final = document()
NOBODYS: Final = "pk_live_nobody0123456789abcdef"
OF_THE_DOOR: Final = {ErrorCode.UNSUPPORTED_MEDIA_TYPE, ErrorCode.REQUIRES_CLOUD}

A = TypeVar("A")


class Telling:
    """A port that tells the story of the examples."""

    def __init__(self, side: Literal["lot", "cloud"]) -> None:
        self.scope = side

    async def lot(self, principal: Principal, lot: str) -> LotBody:
        return examples._LOT

    async def lots(self, principal: Principal) -> Sequence[LotBody]:
        return [examples._LOT]

    async def availability(self, lot: str) -> Availability:
        return examples._SPACES

    async def rates(self, lot: str) -> RateCard:
        return examples._CARD

    async def session(self, session: str) -> Session:
        return examples._PARKED

    async def sessions(self, fleet: str, query: Any) -> Sequence[Session]:
        return [examples._PARKED]

    async def events(self, session: Session, after: str | None) -> AsyncIterator[Happened]:
        yield Happened(examples.EVENT, "snapshot", examples._ENTERED, session)

    async def audit(
        self, lot: str, *, after: str | None, limit: int
    ) -> tuple[Sequence[Audited], str | None]:
        return [examples._audited()], None

    async def activity(self, lots: Any, *, limit: int, before: Any) -> Sequence[ActivityItem]:
        return told_of("activity", ActivityFeed).items

    async def status(self, lots: Sequence[str]) -> StatusAnswer:
        return told_of("status", StatusAnswer)

    async def keys(self, fleet: str | None) -> Sequence[KeyBody]:
        return [examples._API_KEY]

    async def reserve(self, principal: Any, request: Any, seal: Seal[Session]) -> Told:
        return sealed(seal, examples._BOOKED)

    async def end(self, principal: Any, session: Any, seal: Seal[Session]) -> Told:
        return sealed(seal, examples._LEAVING)

    async def cancel(self, principal: Any, session: Any, seal: Seal[Session]) -> Told:
        return sealed(seal, examples._CANCELLED)

    async def extend(self, principal: Any, session: Any, minutes: int, seal: Any) -> Told:
        return sealed(seal, examples._EXTENDED)

    async def observe(self, principal: Any, lot: str, seen: Any, seal: Seal[int]) -> Told:
        return sealed(seal, len(seen))

    async def change_rates(
        self, principal: Any, lot: str, request: Any, seal: Seal[RateCard]
    ) -> Told:
        return sealed(seal, examples._CARD)

    async def create_key(
        self, principal: Any, request: Any, seal: Seal[tuple[KeyBody, str]]
    ) -> Told:
        return sealed(seal, (examples._API_KEY, examples._KEY))

    async def delete_key(self, principal: Any, key: str, seal: Seal[KeyBody]) -> Told:
        return sealed(seal, examples._API_KEY)

    async def register_agent(self, principal: Any, request: Any, seal: Seal[AgentBody]) -> Told:
        return sealed(seal, told_of("register_agent", AgentAnswer).agent)


class Refusing:
    """A port that refuses everything with one code."""

    def __init__(self, code: ErrorCode) -> None:
        self._code = code

    def __getattr__(self, name: str) -> Any:
        raise CallRefusedError(self._code, "no")


def told_of(operation: str, model: type[A]) -> A:
    """Return the example of what an operation answers."""
    example = examples.ANSWERS[operation]
    assert isinstance(example, model)
    return example


def sealed(seal: Seal[Outcome], outcome: Outcome) -> Told:
    """Return what is answered, as if it had been answered before where it may be sent again."""
    return Told(seal.show(outcome), is_replayed=seal.request is not None)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of an operation and its answer."""

    side: str
    described: Json
    answer: httpx.Response

    @property
    def operation(self) -> str:
        """What was called."""
        name: str = self.described["operationId"]
        return name

    @property
    def code(self) -> str | None:
        """The error's code, in either form."""
        if self.answer.is_success:
            return None
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
        yield from self._faults_of_headers(response["headers"])
        kind = self.answer.headers["content-type"].partition(";")[0]
        content = {name.partition(";")[0]: each for name, each in response["content"].items()}[kind]
        is_json = kind.endswith("json")
        body = self.answer.json() if is_json else self.answer.text
        yield from faults(CONTRACT, content["schema"], body)
        for line in () if is_json else self.answer.text.splitlines():
            if line.startswith("data: "):
                yield from faults(CONTRACT, content["x-event-data"], json.loads(line[6:]))

    def _faults_of_headers(self, documented: Json) -> Iterator[str]:
        for name, reference in documented.items():
            header = resolved(CONTRACT, reference)
            value: Any = self.answer.headers.get(name)
            if value is None and not header["required"]:
                continue
            if header["schema"]["type"] == "integer" and value is not None:
                value = int(value)
            yield from faults(CONTRACT, header["schema"], value, name)
        for name in ("Retry-After", "Idempotent-Replayed"):
            if name in self.answer.headers and name not in documented:
                yield f"{name} is sent and not documented"


@dataclass
class Observed:
    """Calls of one side as the document's examples have them, and what was answered."""

    side: str
    accept: str = "*/*"
    exchanges: list[Exchange] = field(default_factory=list)

    async def call(
        self, door: Router, operation: str, *, key: str | None = KEY, **sent: Any
    ) -> httpx.Response:
        """Call and note an operation; `sent` is instead of what the example sends."""
        path, method, described = operation_of(operation)
        url, body = sent.pop("url", None) or address(path, described), body_of(described)
        headers = {"Accept": self.accept, **sent.pop("headers", {})}
        if body is not None and not sent.keys() & {"content", "json"}:
            sent["json"] = body
        async with calling(door, key=key) as caller:
            answer = await caller.request(method, url, headers=headers, **sent)
        self.exchanges.append(Exchange(self.side, described, answer))
        return answer

    async def call_all(self, door: Router, **sent: Any) -> None:
        """Call every operation."""
        for name in NAMES:
            await self.call(door, name, **sent)


def operation_of(operation: str) -> tuple[str, str, Json]:
    """Return path, method and description of an operation."""
    return next(
        (path, method.upper(), described)
        for path, methods in CONTRACT["paths"].items()
        for method, described in methods.items()
        if described["operationId"] == operation
    )


def address(path: str, described: Json) -> str:
    """Return where the document's example of an operation is sent to."""
    parameters = [resolved(CONTRACT, each) for each in described["parameters"]]
    for each in parameters:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", each["example"])
    query = {
        each["name"]: written(each["example"])
        for each in parameters
        if each["in"] == "query" and "example" in each
    }
    return f"{path}?{urlencode(query)}"


def written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def body_of(described: Json) -> Any:
    if "requestBody" not in described:
        return None
    return described["requestBody"]["content"]["application/json"]["example"]


NAMES: Final = [
    described["operationId"]
    for methods in CONTRACT["paths"].values()
    for described in methods.values()
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


def a_key_without_scopes() -> FixedKeys:
    """Return the ring of a key that may do nothing."""
    budgets = budgets_of_key(is_sandbox=False, requests_per_minute=PLENTY)
    known = KnownKey(digest_of(KEY), Principal(id_of(KEY), None, frozenset()), budgets)
    return FixedKeys({id_of(KEY): known})


async def drive(side: Literal["lot", "cloud"], accept: str) -> list[Exchange]:
    """Call every operation of a side in each way in which it answers."""
    seen, door = Observed(side, accept), door_of(side, Telling(side))
    await seen.call_all(door)
    await seen.call_all(door, headers={"Idempotency-Key": "one"})
    for number, name in enumerate(NAMES):  # each end user has a budget of his own
        nobody = "x" * (LONGEST_END_USER_ID + 1 + number)
        await seen.call(door, name, headers={"X-End-User-Id": nobody})
    await seen.call_all(door, content=b" " * (LONGEST_BODY + 1))
    await seen.call_all(door_of(side, Telling(side), a_key_without_scopes()))
    await seen.call_all(door_of(side, Away()))
    await seen.call_all(door_of(side, object()))
    for name in NAMES:
        limited = door_of(side, Telling(side), configured_key(KEY))  # it begins with one token
        await seen.call(limited, name)
        await seen.call(limited, name)
        await seen.call(limited, name, key=NOBODYS)
        if body_of(operation_of(name)[2]) is not None:
            await seen.call(door, name, content=b"{}", headers={"Content-Type": "text/plain"})
    for operation in SIDES[side]:
        for code in set(operation.errors) - OF_THE_DOOR:
            await seen.call(door_of(side, Refusing(code)), operation.handle.__name__)
    return seen.exchanges


@pytest.fixture(params=["*/*", PROBLEM])
async def exchanges(request: pytest.FixtureRequest) -> list[Exchange]:
    """Give what lot and cloud answered; refusals in both forms."""
    with capture_logs():  # to write a hundred tracebacks takes long
        return await drive("lot", request.param) + await drive("cloud", request.param)


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

    documented = {(name, code) for name in NAMES for code in codes_of(operation_of(name)[2])}
    assert given - documented == set()
    assert documented - given == set()


async def test_an_operation_is_served_where_the_document_says(exchanges: list[Exchange]) -> None:
    served = {(each.operation, each.side) for each in exchanges if each.answer.is_success}

    documented = {(name, side) for name in NAMES for side in operation_of(name)[2]["x-served-by"]}
    assert served == documented


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_answered_to_an_example_is_the_example_of_the_answer(name: str) -> None:
    answer = await Observed("cloud").call(door_of("cloud", Telling("cloud")), name)

    (content,) = operation_of(name)[2]["responses"][str(answer.status_code)]["content"].values()
    is_json = answer.headers["content-type"] == "application/json"
    assert (answer.json() if is_json else answer.text) == content["example"]


@pytest.mark.parametrize("name", NAMES)
async def test_who_needs_no_key_is_as_the_document_says(name: str) -> None:
    answer = await Observed("cloud").call(door_of("cloud", Telling("cloud")), name, key=None)

    is_public = {} in operation_of(name)[2].get("security", ())
    assert answer.status_code == (200 if is_public else 401)


async def book(seen: Observed, door: Router, key: str) -> list[str]:
    """Fill two spaces, and ask for what is refused; return where the two stays are."""
    stays = [
        (await seen.call(door, "create_session", key=key, json=a_request(plate=plate))).json()
        for plate in ("CAR 1", "CAR 2")
    ]
    for refused in (
        a_request(plate="CAR 1"),
        a_request(plate="CAR 3"),
        a_request(lot_id="oak-street"),
        a_request(plate=7, vehicle={"vin": "SHORT"}),
    ):
        await seen.call(door, "create_session", key=key, json=refused)
    return [f"{SESSIONS}/{stay['session']['id']}" for stay in stays]


async def ask_all(seen: Observed, door: Router, key: str) -> None:
    """Ask everything that may be asked of a lot with stays."""
    lot = f"/api/v1/lots/{LOT}"
    for name, url in {
        "get_lot": lot,
        "lot_availability": f"{lot}/availability",
        "lot_rates": f"{lot}/rates",
        "lot_quote": f"{lot}/quote",
        "lot_audit": f"{lot}/audit",
        "lot_audit_csv": f"{lot}/audit.csv",
        "search_lots": None,
        "activity": "/api/v1/activity",
        "status": None,
        "list_sessions": f"{SESSIONS}?fleet_id=fleet-1",
        "get_session": f"{SESSIONS}/sess_unknown",
        "list_keys": None,
        "create_key": None,
        "register_agent": None,
        "delete_key": None,
    }.items():
        await seen.call(door, name, url=url, key=key)
    for name in ("upload_observations", "change_rates"):
        part = name.partition("_")[2]
        await seen.call(door, name, url=f"{lot}/{part}", key=key)
    await seen.call(door, "list_sessions", url=SESSIONS, key=key)


def wrong(exchanges: Sequence[Exchange]) -> set[tuple[str, int, str]]:
    """Return where answers are not as the document has them."""
    return {
        (each.operation, each.answer.status_code, fault)
        for each in exchanges
        for fault in each.faults()
    }


async def test_what_a_lot_with_a_ledger_answers_is_as_the_document_has_it(tmp_path: Path) -> None:
    seen = Observed("lot")
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        door = a_door(ledger, ledger.reader)
        first, second = await book(seen, door, KEY)
        for name in ("extend", "cancel", "end"):
            await seen.call(door, f"{name}_session", url=f"{first}/{name}")
        left = second.rpartition("/")[2]
        await ledger.submit(Recording([a_grant(left), a_crossing(left)]))
        for name in ("cancel", "extend", "end"):
            await seen.call(door, f"{name}_session", url=f"{second}/{name}")
        await seen.call(door, "session_events", url=f"{first}/events")
        await seen.call(door, "get_session", url=second)
        await ask_all(seen, door, KEY)

    assert wrong(seen.exchanges) == set()
    assert {each.answer.status_code for each in seen.exchanges} == {200, 201, 400, 404, 409, 503}


@pytest.mark.hurried
async def test_what_a_cloud_with_a_lot_answers_is_as_the_document_has_it(cloud: OpenCloud) -> None:
    seen = Observed("cloud")
    async with open_door(cloud) as opened:
        door = opened.client._transport.app  # type: ignore[attr-defined]
        told: list[AnyRecord] = [a_lot(), a_loan(1), a_loan(2)]
        for record in told:
            at = cloud.clock.now().isoformat()
            await cloud.writer.submit(functools.partial(apply, LOT, at, record))
        first, second = await book(seen, door, OPERATOR)
        await opened.hears('{"link": "up"}', lot=LOT)
        await seen.call(door, "create_session", key=OPERATOR, json=a_request(plate="CAR 4"))
        for name in ("cancel", "end"):
            await seen.call(door, f"{name}_session", url=f"{first}/{name}", key=OPERATOR)
        await seen.call(door, "session_events", url=f"{first}/events", key=OPERATOR)
        await seen.call(door, "get_session", url=second, key=OPERATOR)
        await ask_all(seen, door, OPERATOR)

    assert wrong(seen.exchanges) == set()
    assert {each.answer.status_code for each in seen.exchanges} == {200, 201, 400, 404, 409, 503}


def a_loan(number: int) -> AllotmentGranted:
    return AllotmentGranted(
        session=f"sess_{number}",
        space=f"S-0{number}",
        entry_lane="north-in",
        rates=RATES,
        asked_at=NOON,
        lasts_seconds=int(LOAN.total_seconds()),
        personal=Personal(gate_code=f"12345678{number}"),
    )
