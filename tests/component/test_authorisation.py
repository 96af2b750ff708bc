"""Who may not, at lot and cloud: each operation of the contract against each way to be nobody.

`pytest -s` shows the matrix. A new operation is in it by itself, and fails until it is said here
what it has to do with fleets.
"""

import contextlib
import functools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import BaseModel
from starlette.routing import Router

from parkgraph.front.app import FrontDoor
from parkgraph.front.contract import Operation
from parkgraph.front.examples import QUERIES, REQUESTS
from parkgraph.front.key_facts import LedgerKeys
from parkgraph.front.keys import (
    RANDOM_BYTES,
    FixedKeys,
    configured_key,
    digest_of,
    id_of,
    new_key,
    recognise,
)
from parkgraph.front.openapi import OPERATIONS
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.journal.apply import apply
from parkgraph.journal.chain import CLOUD
from parkgraph.journal.changes import Changes
from parkgraph.model.api import LotStatus
from parkgraph.model.errors import HTTP_STATUS, CallRefusedError, ErrorCode
from parkgraph.model.records import (
    AnyRecord,
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    KeyTerms,
    LotDescribed,
)
from parkgraph.model.scopes import Scope
from parkgraph_edge.http.lot import LotFront
from parkgraph_edge.store.opening import OpenLot
from tests.builders import KEY_TERMS, NOON, TERMS, a_booking, a_lot, a_reservation
from tests.cloud_doors import open_door
from tests.fake_link import open_cloud
from tests.fakes import FakeClock, Recording, open_ledger, randomness
from tests.front_doors import PLENTY, calling, error_of

pytestmark = pytest.mark.hurried

OWN: Final = "fleet-1"
OTHER: Final = "fleet-2"
NOWHERE: Final = "nowhere"
UNKNOWN_STAY: Final = "sess_01KB3YNQ80D4E5F6G7H8J9KMNP"
LOTS: Final[Mapping[str, LotDescribed]] = {
    "live": a_lot(),
    "simulated": a_lot().model_copy(update={"is_synthetic": True, "takes_live_keys": False}),
}

# What it has to do with fleets, where neither its path nor its request names one.
OF_EVERY_FLEET: Final = {"lot_audit", "lot_audit_csv", "activity"}
OF_NO_FLEET: Final = {
    "change_rates",
    "get_lot",
    "lot_availability",
    "lot_quote",
    "lot_rates",
    "register_agent",
    "search_lots",
    "status",
    "upload_observations",
}
# A lot that is named there is no more than a filter.
ONLY_FILTERS_BY_LOT: Final = {"list_sessions"}
PUBLIC: Final = {"search_lots"}


def a_key(number: int, *, is_test: bool = False) -> str:
    return new_key(randomness(number).randbytes(RANDOM_BYTES), is_test=is_test)


OPERATOR: Final = a_key(1)
TEST: Final = a_key(2, is_test=True)
OWNER: Final = a_key(3)
SPARE: Final = a_key(8)
STRANGER: Final = a_key(4)
REVOKED: Final = a_key(5)
EXPIRED: Final = a_key(6)
UNKNOWN: Final = a_key(7)
WITHOUT: Final = {scope: a_key(100 + number) for number, scope in enumerate(Scope)}


def terms_of(key: str, **changes: Any) -> KeyTerms:
    """Return what a key may do: everything, unless `changes` say otherwise."""
    everything = {
        "digest": digest_of(key).hex(),
        "is_test": key.startswith("pk_test_"),
        "plan": "operator",
        "scopes": tuple(Scope),
        "fleet": None,
        "requests_per_minute": PLENTY,
    }
    return KEY_TERMS.model_copy(update=everything | changes)


KEYS: Final[Mapping[str, KeyTerms]] = {
    **{key: terms_of(key) for key in (OPERATOR, TEST, REVOKED)},
    **{key: terms_of(key, scopes=tuple(set(Scope) - {s})) for s, key in WITHOUT.items()},
    **{key: terms_of(key, fleet=OWN) for key in (OWNER, SPARE)},
    STRANGER: terms_of(STRANGER, fleet=OTHER),
    EXPIRED: terms_of(EXPIRED, expires_at=NOON - timedelta(seconds=1)),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A lot with a stay of `OWN`, a side that answers for it, and what that side has written."""

    side: str
    lot: str
    stay: str
    app: Router
    path: Path
    clock: FakeClock

    async def call(self, method: str, sent: "Sent", key: str | None) -> httpx.Response:
        """Call, long after the call before: limits are not what this is about."""
        self.clock.advance(60)
        authorization = {} if key is None else {"Authorization": key}
        # Without a limit of its own: a hurried loop would be there before another thread is.
        async with calling(self.app, key=None) as caller:
            return await caller.request(
                method, sent.url, params=sent.query, json=sent.body, headers=authorization
            )

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table, the journal too."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)
                for (name,) in tables.fetchall()
            }


@dataclass(frozen=True, slots=True)
class Sent:
    """What is called."""

    url: str
    query: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which a call may not be: whose key, where, about which lot; and which calls."""

    code: ErrorCode
    key: Callable[[Operation[Any]], str | None]
    is_of: Callable[[Operation[Any]], bool] = lambda _: True
    place: str = "live"
    lot: str | None = None


def name_of(operation: Operation[Any]) -> str:
    return operation.handle.__name__


def has(operation: Operation[Any], field: str) -> bool:
    """Say whether the path or the request of an operation names such a thing."""
    models = [model for model in (operation.query, operation.request) if model]
    return f"{{{field.removesuffix('_id')}}}" in operation.path or any(
        field in _fields(model) for model in models
    )


def _fields(model: type[BaseModel]) -> set[str]:
    found = set(model.model_fields)
    for each in [field.annotation for field in model.model_fields.values()]:
        if isinstance(each, type) and issubclass(each, BaseModel):
            found |= _fields(each)
    return found


def names_a_fleet(operation: Operation[Any]) -> bool:
    return has(operation, "fleet_id")


def is_about_a_lot(operation: Operation[Any]) -> bool:
    return has(operation, "lot_id") and name_of(operation) not in ONLY_FILTERS_BY_LOT


def is_about_a_stay(operation: Operation[Any]) -> bool:
    return has(operation, "session")


def is_at_a_lot(operation: Operation[Any]) -> bool:
    return is_about_a_lot(operation) or is_about_a_stay(operation)


def with_key(key: str) -> Callable[[Operation[Any]], str]:
    return lambda _: f"Bearer {key}"


WAYS: Final[Mapping[str, Way]] = {
    "no key": Way(ErrorCode.UNAUTHORIZED, lambda _: None, lambda each: not each.is_public),
    "no scheme": Way(ErrorCode.UNAUTHORIZED, lambda _: OPERATOR),
    "other scheme": Way(ErrorCode.UNAUTHORIZED, lambda _: f"Basic {OPERATOR}"),
    "malformed": Way(ErrorCode.UNAUTHORIZED, lambda _: f"Bearer {OPERATOR} {OPERATOR}"),
    "unknown": Way(ErrorCode.UNAUTHORIZED, with_key(UNKNOWN)),
    "wrong secret": Way(ErrorCode.UNAUTHORIZED, with_key(OPERATOR[:-1] + "-")),
    "other's secret": Way(ErrorCode.UNAUTHORIZED, with_key(OPERATOR[:20] + UNKNOWN[20:])),
    "other kind": Way(ErrorCode.UNAUTHORIZED, with_key(OPERATOR.replace("live", "test"))),
    "revoked": Way(ErrorCode.UNAUTHORIZED, with_key(REVOKED)),
    "expired": Way(ErrorCode.UNAUTHORIZED, with_key(EXPIRED)),
    "no scope": Way(ErrorCode.FORBIDDEN, lambda each: f"Bearer {WITHOUT[each.scope]}"),
    "other's stay": Way(ErrorCode.NOT_FOUND, with_key(STRANGER), is_about_a_stay),
    "other's fleet": Way(ErrorCode.FORBIDDEN, with_key(STRANGER), names_a_fleet),
    "other's key": Way(ErrorCode.NOT_FOUND, with_key(STRANGER), lambda each: "{key}" in each.path),
    "all fleets": Way(
        ErrorCode.FORBIDDEN, with_key(OWNER), lambda each: name_of(each) in OF_EVERY_FLEET
    ),
    "other lot": Way(ErrorCode.NOT_FOUND, with_key(OPERATOR), is_about_a_lot, lot=NOWHERE),
    "test at live": Way(ErrorCode.FORBIDDEN, with_key(TEST), is_at_a_lot),
    "live at test": Way(ErrorCode.FORBIDDEN, with_key(OPERATOR), is_at_a_lot, place="simulated"),
}


def code_of(way: Way, operation: Operation[Any], side: str) -> ErrorCode:
    """Return why such a call is refused; a lot does not look at what only the cloud does."""
    is_elsewhere = side == "lot" and operation in OF_THE_CLOUD
    is_of_the_door = way.code is ErrorCode.UNAUTHORIZED or way is WAYS["no scope"]
    return ErrorCode.REQUIRES_CLOUD if is_elsewhere and not is_of_the_door else way.code


def sent_to(
    operation: Operation[Any], place: Place, *, lot: str | None = None, stay: str | None = None
) -> Sent:
    """Return a call as the contract's example has it, about the stay and a key of `OWN`."""
    names = {"lot_id": lot or place.lot, "fleet_id": OWN}
    query = dict(QUERIES[operation.query]) if operation.query else {}
    query |= {name: names[name] for name in names if operation.query and name in query}
    body = dict(REQUESTS[operation.request]) if operation.request else None
    if body is not None:
        body |= {name: names[name] for name in names if name in body}
    if body is not None and "vehicle" in body:
        body["vehicle"] = body["vehicle"] | {"fleet_id": OWN}
    url = operation.path.format(lot=names["lot_id"], session=stay or place.stay, key=id_of(SPARE))
    return Sent(url, query, body)


def faults_of(answer: httpx.Response, code: ErrorCode) -> list[str]:
    """Return what is wrong with a refusal that has to have `code`."""
    if answer.status_code != HTTP_STATUS[code]:
        return [f"{answer.status_code} {answer.text[:100]}, not {code}"]
    said = error_of(answer)["code"]
    faults = [] if said == code else [f"{said}, not {code}"]
    limits = [f"x-ratelimit-{name}" for name in ("limit", "remaining", "reset")]
    faults += [f"no {name}" for name in limits if not answer.headers.get(name, "").isdigit()]
    return faults


# The two sides


@contextlib.asynccontextmanager
async def the_lot(folder: Path, name: str) -> AsyncIterator[Place]:
    """Open a lot's front door over a ledger that has a stay and keys."""
    (folder / name).mkdir()
    async with open_ledger(folder / name, name) as ledger:
        await ledger.submit(OpenLot(name, LOTS[name]))
        terms = replace(TERMS, lot=name)
        stay = await ledger.submit(a_booking(terms=terms, fleet=OWN))
        known: list[AnyRecord] = [KeyAccepted(key=id_of(k), terms=KEYS[k]) for k in KEYS]
        await ledger.submit(Recording([*known, KeyBarred(key=id_of(REVOKED))]))
        keys, clock = LedgerKeys(FixedKeys({}), name), FakeClock()
        await keys.refresh(ledger.reader)
        front = LotFront(
            terms,
            LOTS[name],
            ledger,
            ledger.reader,
            changes=Changes(ledger.reader, clock),
            occupied=frozenset,
            status=lambda: LotStatus(lot_id=name, link="up", as_of=clock.now(), away={}),
            clock=clock,
        )
        door = FrontDoor(keys, clock=clock, random=randomness().randbytes)
        app = door.app(front, SHARED, elsewhere=OF_THE_CLOUD)
        yield Place("lot", name, stay.session, app, ledger.path, clock)


@contextlib.asynccontextmanager
async def the_lots(folder: Path) -> AsyncIterator[dict[str, Place]]:
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(the_lot(folder, name)) for name in LOTS}


@contextlib.asynccontextmanager
async def the_cloud(folder: Path) -> AsyncIterator[dict[str, Place]]:
    """Open the cloud's front door; it has copies of what both lots told."""
    async with open_cloud(folder) as cloud, open_door(cloud) as door:
        for number, (name, description) in enumerate(LOTS.items()):
            for record in (description, a_reservation(f"sess_{number}")):
                tell = functools.partial(apply, name, NOON.isoformat(), record)
                await cloud.writer.submit(tell)
        known: list[AnyRecord] = [KeyIssued(key=id_of(k), terms=KEYS[k]) for k in KEYS]
        ledger = cloud.allotments.ledger(CLOUD)
        await ledger.submit(Recording([*known, KeyRevoked(key=id_of(REVOKED), known=None)]))
        await door.core.keys.refresh(cloud.reader)
        clock = FakeClock()
        front = FrontDoor(door.core.keys, clock=clock, random=randomness().randbytes)
        app = front.app(door.core.fleet, (*SHARED, *OF_THE_CLOUD))
        yield {
            name: Place("cloud", name, f"sess_{number}", app, cloud.path, clock)
            for number, name in enumerate(LOTS)
        }


@pytest.fixture(params=["lot", "cloud"])
async def places(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Place]]:
    """Give a live lot and a simulated one, at themselves or in the cloud."""
    opened = the_lots(tmp_path) if request.param == "lot" else the_cloud(tmp_path)
    async with opened as places:
        yield places


def show(side: str, answers: Mapping[tuple[str, str], int]) -> None:
    print(f"\n{side:<48}" + "".join(f"{way:>15}" for way in WAYS))
    for each in OPERATIONS:
        cells = (answers.get((name_of(each), way), "") for way in WAYS)
        print(f"{each.method:<7}{each.path:<41}" + "".join(f"{cell:>15}" for cell in cells))


async def test_whoever_may_not_is_refused_and_nothing_is_written(places: dict[str, Place]) -> None:
    side = places["live"].side
    cells = [(op, name, way) for op in OPERATIONS for name, way in WAYS.items() if way.is_of(op)]
    before = {name: place.rows() for name, place in places.items()}
    answers: dict[tuple[str, str], int] = {}
    wrong: list[tuple[str, str, str]] = []

    for operation, name, way in cells:
        place = places[way.place]
        sent = sent_to(operation, place, lot=way.lot)
        answer = await place.call(operation.method, sent, way.key(operation))
        answers[name_of(operation), name] = answer.status_code
        faults = faults_of(answer, code_of(way, operation, side))
        if place.rows() != before[way.place]:
            faults.append("something was written")
        wrong += [(name_of(operation), name, fault) for fault in faults]

    show(side, answers)
    assert wrong == []


@pytest.mark.parametrize(
    ("key", "beyond"), [(OPERATOR, set()), (OWNER, OF_EVERY_FLEET)], ids=["operator", "owner"]
)
async def test_who_may_is_not_refused_what_the_others_are(
    places: dict[str, Place], key: str, beyond: set[str]
) -> None:
    place = places["live"]
    refused: set[str] = set()

    for operation in SHARED if place.side == "lot" else OPERATIONS:
        method = "HEAD" if operation.method == "GET" else operation.method
        answer = await place.call(method, sent_to(operation, place), f"Bearer {key}")
        if answer.status_code in {401, 403, 404}:
            refused.add(name_of(operation))

    assert refused == beyond


async def test_a_head_is_refused_as_what_it_is_the_head_of(places: dict[str, Place]) -> None:
    place = places["live"]
    readings = [each for each in OPERATIONS if each.method == "GET" and not each.is_public]

    heads = [await place.call("HEAD", sent_to(each, place), None) for each in readings]

    assert {head.status_code for head in heads} == {401}


async def test_who_is_not_known_is_told_how_to_say_who_he_is(places: dict[str, Place]) -> None:
    place = places["live"]

    for operation in OPERATIONS:
        answer = await place.call(operation.method, sent_to(operation, place), "Bearer nobody")

        # RFC 9110, 15.5.2: a 401 has at least one challenge.
        assert answer.status_code == 401
        assert answer.headers.get("www-authenticate", "").startswith("Bearer")


async def test_what_is_another_s_is_answered_as_what_is_not_there(
    places: dict[str, Place],
) -> None:
    place, key = places["live"], f"Bearer {STRANGER}"
    about_stays = [each for each in OPERATIONS if is_about_a_stay(each)]

    for operation in about_stays:
        foreign = await place.call(operation.method, sent_to(operation, place), key)
        nobody = sent_to(operation, place, stay=UNKNOWN_STAY)
        missing = await place.call(operation.method, nobody, key)

        assert without_id(foreign) == without_id(missing)


async def test_a_key_of_another_fleet_is_answered_as_one_that_is_not_there(tmp_path: Path) -> None:
    async with the_cloud(tmp_path) as places:
        place, key = places["live"], f"Bearer {STRANGER}"

        foreign, missing = [
            await place.call("DELETE", Sent(f"/api/v1/api-keys/{id_of(each)}", {}, None), key)
            for each in (OWNER, UNKNOWN)
        ]

        assert without_id(foreign) == without_id(missing)


def without_id(answer: httpx.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return an answer without what differs from call to call."""
    error = error_of(answer)
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, error | {"request_id": ""}, headers


async def test_lists_tell_a_key_nothing_of_lots_that_it_does_not_reach(
    places: dict[str, Place],
) -> None:
    place = places["live"]
    lists = [each for each in SHARED if each.method == "GET" and not is_about_a_stay(each)]
    unfiltered = [each for each in lists if "{lot}" not in each.path]

    for operation in unfiltered:
        sent = sent_to(operation, place)
        query = {name: value for name, value in sent.query.items() if name != "lot_id"}
        answer = await place.call("GET", replace(sent, query=query), f"Bearer {TEST}")

        assert answer.status_code == 200
        assert place.lot not in answer.text
        assert place.stay not in answer.text


def test_what_anybody_may_call_is_this_and_no_more() -> None:
    assert {name_of(each) for each in OPERATIONS if each.is_public} == PUBLIC


def test_each_operation_has_its_part_in_what_fleets_may_not_see_of_each_other() -> None:
    named = {
        name_of(each)
        for each in OPERATIONS
        if is_about_a_stay(each) or names_a_fleet(each) or "{key}" in each.path
    }

    assert named | OF_EVERY_FLEET | OF_NO_FLEET == {name_of(each) for each in OPERATIONS}
    assert not (named | OF_EVERY_FLEET) & OF_NO_FLEET


def test_an_unknown_id_is_looked_up_and_compared_as_a_wrong_secret_is() -> None:
    ring = configured_key(OPERATOR)

    unknown = calls_of(lambda: recognise(ring, f"Bearer {UNKNOWN}", NOON))
    wrong_secret = calls_of(lambda: recognise(ring, f"Bearer {OPERATOR[:-1]}-", NOON))

    assert unknown == wrong_secret
    assert unknown.count("digest") == unknown.count("compare_digest") == 1


def calls_of(refuse: Callable[[], object]) -> list[str]:
    """Return the functions that `refuse` calls, in their order, those written in C too."""
    called: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)
        elif event == "c_call":
            called.append(argument.__name__)

    sys.setprofile(note)
    try:
        with contextlib.suppress(CallRefusedError):
            refuse()
    finally:
        sys.setprofile(None)
    return called
