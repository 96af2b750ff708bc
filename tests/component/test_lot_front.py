"""The lot's side of `/api/v1`, without HTTP around it."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from parkgraph.front.contract import Call, LivePrincipal, Port, Principal, SandboxPrincipal
from parkgraph.front.feed_calls import status
from parkgraph.front.lot_calls import upload_observations
from parkgraph.front.session_calls import (
    cancel_session,
    create_session,
    end_session,
    extend_session,
    get_session,
    list_sessions,
    session_events,
)
from parkgraph.journal.answers import Seal, Told
from parkgraph.journal.changes import Changes
from parkgraph.model.api import LotStatus, Observation, SessionsQuery
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import Direction, LaneDescription, LotDescribed, RatesSet, SpaceClass
from parkgraph.model.scopes import Scope
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.mqtt import Channel
from parkgraph_edge.gateway import Books, Gateway, Surroundings
from parkgraph_edge.http.lot import LotFront
from parkgraph_edge.store.bookings import Cancel
from parkgraph_edge.store.opening import OpenLot
from tests.builders import ENTRY, LOT, NOON, RATES, TERMS, a_booking, a_lot, a_session
from tests.fake_link import BrokerChannel, FakeBroker
from tests.fakes import FakeClock, OpenLedger, Recording
from tests.ledgers import let_through
from tests.lending import LENDING, a_lender, a_mixed_lot

OPERATOR = LivePrincipal("operator", None, frozenset(Scope))
TESTER = SandboxPrincipal("tester", None, frozenset(Scope))
FLEET = LivePrincipal("fleet", "fleet-1", frozenset(Scope))


class NearlyFull:
    """A disk on which nothing new is promised."""

    may_promise = False
    is_short = True


def all_is_well() -> LotStatus:
    return LotStatus(lot_id=LOT, link="up", as_of=NOON, away={})


def a_front(
    ledger: OpenLedger, clock: FakeClock, description: LotDescribed | None = None, **changes: Any
) -> LotFront:
    """Return the front of an open lot."""
    around: dict[str, Any] = {"occupied": frozenset, "status": all_is_well, "clock": clock}
    return LotFront(
        TERMS,
        description or a_lot(),
        ledger,
        ledger.reader,
        changes=Changes(ledger.reader, clock),
        **around | changes,
    )


@pytest.fixture
async def front(ledger: OpenLedger, clock: FakeClock) -> LotFront:
    await ledger.submit(OpenLot(LOT, a_lot()))
    return a_front(ledger, clock)


def a_call(
    body: Any = None,
    *,
    principal: Principal = FLEET,
    idempotency: str | None = None,
    query: dict[str, str] | None = None,
    **path: str,
) -> Call:
    """Return a call; its body says how it differs from another."""
    sent = b"" if body is None else json.dumps(body).encode()
    target = f"/{path}"
    return Call(principal, "POST", target, path, query or {}, "application/json", sent, idempotency)


def a_wish(**changes: Any) -> dict[str, Any]:
    return {"lot_id": LOT, "plate": "ABC1234"} | changes


def shown(told: Told) -> dict[str, Any]:
    session: dict[str, Any] = json.loads(told.text)["session"]
    return session


async def book(front: Port, plate: str = "ABC1234", **changes: Any) -> dict[str, Any]:
    return shown(await create_session(front, a_call(a_wish(plate=plate, **changes))))


def refused(code: ErrorCode, field: str | None = None) -> Any:
    """Expect a refusal with `code` and `field`."""

    @contextlib.contextmanager
    def expected() -> Any:
        with pytest.raises(CallRefusedError) as caught:
            yield
        assert (caught.value.code, caught.value.field) == (code, field)

    return expected()


# Stays


async def test_a_stay_is_booked_extended_and_cancelled(front: LotFront) -> None:
    booked = await book(front)
    at = {"session": booked["id"]}

    extended = shown(await extend_session(front, a_call({"minutes": 30}, **at)))
    cancelled = shown(await cancel_session(front, a_call(**at)))

    held = timedelta(minutes=30)
    before, after = (datetime.fromisoformat(s["hold_until"]) for s in (booked, extended))
    assert after - before == held
    assert (cancelled["status"], cancelled["vehicle"]["fleet_id"]) == ("cancelled", "fleet-1")
    assert (await get_session(front, a_call(**at))).session.status == "cancelled"


async def test_a_parked_stay_is_ended_once_however_often_that_is_asked(
    front: LotFront, ledger: OpenLedger, clock: FakeClock
) -> None:
    at = {"session": (await book(front))["id"]}
    await let_through(ledger, ENTRY, "ABC1234")
    clock.advance(3600)

    first = await end_session(front, a_call(idempotency="a" * 64, **at))
    clock.advance(3600)
    again = await end_session(front, a_call(idempotency="a" * 64, **at))

    assert (shown(first)["state"], shown(first)["amount_minor"]) == ("leaving", 350)
    assert (again.text, again.is_replayed) == (first.text, True)
    assert ledger.types().count("session_ended") == 1


async def test_a_booking_for_another_lot_is_refused(front: LotFront) -> None:
    with refused(ErrorCode.NOT_FOUND, "lot_id"):
        await book(front, lot_id="elsewhere")


async def test_a_stay_of_another_fleet_is_not_told(front: LotFront) -> None:
    at = {"session": (await book(front))["id"]}
    other = replace(FLEET, fleet="fleet-2")

    for operation in (get_session, session_events, end_session, cancel_session):
        with refused(ErrorCode.NOT_FOUND, "session"):
            await operation(front, a_call(principal=other, **at))


async def listed(front: Port, **query: str) -> list[str]:
    """Return the plates of the stays that a query lists, newest first."""
    found = await list_sessions(front, a_call(query=query))
    return [session.plate or "" for session in found.sessions]


@pytest.fixture
async def three(ledger: OpenLedger, clock: FakeClock) -> LotFront:
    """Return a lot with stays at noon, a second and an hour later; the first is cancelled."""
    await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03", "S-04")))
    first = await ledger.submit(a_booking("NOON"))
    clock.advance(1.5)
    await ledger.submit(a_booking("SOON"))
    clock.advance(3600)
    await ledger.submit(a_booking("LATER"))
    await ledger.submit(a_booking("OTHER", fleet="fleet-2"))
    await ledger.submit(Cancel(LOT, "key:1", first.session))
    return a_front(ledger, clock)


@pytest.mark.parametrize(
    ("query", "plates"),
    [
        ({}, ["LATER", "SOON", "NOON"]),
        ({"status": "active"}, ["LATER", "SOON"]),
        ({"status": "cancelled"}, ["NOON"]),
        ({"status": "void"}, []),
        ({"lot_id": LOT}, ["LATER", "SOON", "NOON"]),
        ({"lot_id": "elsewhere"}, []),
        ({"since": "2026-06-01T12:00:00Z"}, ["LATER", "SOON", "NOON"]),
        ({"since": "2026-06-01T12:00:01.5Z"}, ["LATER", "SOON"]),
        ({"since": "2026-06-01T12:00:01.500001Z"}, ["LATER"]),
        ({"since": "2026-06-01T14:00:00.001+02:00"}, ["LATER", "SOON"]),
        ({"until": "2026-06-01T12:00:00Z"}, []),
        ({"until": "2026-06-01T12:00:01.5Z"}, ["NOON"]),
        ({"until": "2026-06-01T12:00:01.501Z"}, ["SOON", "NOON"]),
        ({"limit": "2"}, ["LATER", "SOON"]),
    ],
)
async def test_stays_of_a_fleet_are_listed_as_asked(
    three: LotFront, query: dict[str, str], plates: list[str]
) -> None:
    assert await listed(three, **query) == plates


async def test_pages_of_stays_follow_on_each_other(three: LotFront) -> None:
    first = await list_sessions(three, a_call(query={"limit": "2"}))
    assert first.next_cursor

    assert await listed(three, limit="2", cursor=first.next_cursor) == ["NOON"]


async def test_what_is_lent_is_nobodys_stay(ledger: OpenLedger, clock: FakeClock) -> None:
    lender = await a_lender(ledger, clock)
    lent = await lender.lend(terms=LENDING)
    front = a_front(ledger, clock, a_mixed_lot())

    assert lent
    assert await front.sessions("fleet-1", SessionsQuery()) == []
    assert await front.session(lent[0].session) is None


# The lot


def a_synthetic_lot(**changes: Any) -> LotDescribed:
    return a_lot().model_copy(update={"is_synthetic": True} | changes)


@pytest.mark.parametrize(
    ("description", "who", "reaches"),
    [
        (a_lot(), OPERATOR, True),
        (a_lot(), TESTER, False),
        (a_synthetic_lot(), TESTER, True),
        (a_synthetic_lot(), OPERATOR, True),
        (a_synthetic_lot(takes_live_keys=False), OPERATOR, False),
        (a_synthetic_lot(takes_live_keys=False), TESTER, True),
    ],
)
async def test_keys_reach_the_lots_that_they_are_for(
    ledger: OpenLedger,
    clock: FakeClock,
    description: LotDescribed,
    who: Principal,
    *,
    reaches: bool,
) -> None:
    front = a_front(ledger, clock, description)

    assert [lot.lot_id for lot in await front.lots(who)] == [LOT] * reaches
    with contextlib.nullcontext() if reaches else refused(ErrorCode.FORBIDDEN, "lot_id"):
        assert (await front.lot(who, LOT)).lot_id == LOT


async def test_a_lot_without_an_exit_lane_is_not_for_vehicles_without_a_driver(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    entry = LaneDescription(lane="in", direction=Direction.ENTRY)
    one_way = a_front(ledger, clock, a_lot().model_copy(update={"lanes": (entry,)}))

    body = await one_way.lot(OPERATOR, LOT)

    assert (body.autonomous, body.gate.automated) == (False, False)
    assert (await a_front(ledger, clock).lot(OPERATOR, LOT)).autonomous


async def test_spaces_are_free_where_nobody_is_and_bookable_where_the_lot_would_book(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await ledger.submit(OpenLot(LOT, a_mixed_lot()))
    await ledger.submit(a_booking())
    sensed = frozenset({"S-1", "S-2", "A-1"})
    front = a_front(ledger, clock, a_mixed_lot(), occupied=lambda: sensed)

    told = await front.availability(LOT)

    assert (told.spaces, told.free, told.bookable) == (7, 4, 3)
    assert told.free_by_class == {"accessible": 1, "autonomous": 1, "standard": 2}
    assert (told.as_of, told.stale) == (NOON, False)


async def test_nothing_is_bookable_while_the_disk_is_nearly_full(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await ledger.submit(OpenLot(LOT, a_lot()))

    told = await a_front(ledger, clock, room=NearlyFull()).availability(LOT)

    assert (told.free, told.bookable) == (2, 0)


async def test_rates_are_as_configured_until_the_cloud_sets_others_in_the_same_money(
    front: LotFront, ledger: OpenLedger
) -> None:
    assert await front.rates(LOT) == RATES

    await ledger.submit(Recording([RatesSet(card=RATES.model_copy(update={"version": "2"}))]))
    assert (await front.rates(LOT)).version == "2"

    await ledger.submit(Recording([RatesSet(card=RATES.model_copy(update={"currency": "EUR"}))]))
    assert await front.rates(LOT) == RATES


# What callers saw


async def observe(front: Port, *seen: tuple[str, bool], **call: Any) -> Told:
    observations = [{"space": space, "occupied": is_occupied} for space, is_occupied in seen]
    return await upload_observations(front, a_call({"observations": observations}, lot=LOT, **call))


async def test_a_space_that_was_seen_occupied_is_promised_last(front: LotFront) -> None:
    told = await observe(front, ("S-01", True))

    booked = [(await book(front, plate))["entry_instructions"] for plate in ("CAR 1", "CAR 2")]

    assert json.loads(told.text) == {"accepted": 1, "counts_for_seconds": 900}
    assert [entry["assigned_space"] for entry in booked] == ["S-02", "S-01"]


async def test_a_class_that_was_not_seen_occupied_goes_before_one_that_was(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    spaces = {"A-1": SpaceClass.AUTONOMOUS, "S-1": SpaceClass.STANDARD}
    await ledger.submit(OpenLot(LOT, a_mixed_lot(spaces)))
    front = a_front(ledger, clock, a_mixed_lot(spaces))
    await observe(front, ("A-1", True))

    booked = await book(front, vehicle={"autonomous": True})

    assert booked["entry_instructions"]["assigned_space"] == "S-1"


async def test_where_a_sensor_sees_somebody_nothing_is_promised_whatever_callers_saw(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await ledger.submit(OpenLot(LOT, a_lot()))
    front = a_front(ledger, clock, occupied=lambda: frozenset({"S-01", "S-02"}))
    await observe(front, ("S-01", False))

    with refused(ErrorCode.LOT_FULL):
        await book(front)


@pytest.mark.parametrize(
    ("seen", "seconds", "space"),
    [
        ((("S-01", True),), 899, "S-02"),
        ((("S-01", True),), 901, "S-01"),
        ((("S-01", True),), -60, "S-01"),
        ((("S-01", True), ("S-01", False)), 0, "S-01"),
        ((("S-01", False), ("S-01", True)), 0, "S-02"),
    ],
)
async def test_what_was_seen_counts_for_a_while_and_the_later_one_of_two(
    front: LotFront,
    clock: FakeClock,
    seen: tuple[tuple[str, bool], ...],
    seconds: float,
    space: str,
) -> None:
    told = await observe(front, *seen)
    clock.advance(seconds)

    booked = await book(front)

    assert json.loads(told.text)["accepted"] == 1
    assert booked["entry_instructions"]["assigned_space"] == space


async def test_an_unknown_space_is_named_and_nothing_of_its_batch_is_taken_or_lost(
    front: LotFront, ledger: OpenLedger
) -> None:
    await observe(front, ("S-01", True))
    sent_once = "a" * 64

    with refused(ErrorCode.BAD_REQUEST, "observations.1.space"):
        await observe(front, ("S-01", False), ("S-99", True), idempotency=sent_once)

    assert ledger.one("SELECT is_occupied FROM observations") == 1
    corrected = await observe(front, ("S-01", False), ("S-02", True), idempotency=sent_once)
    assert json.loads(corrected.text)["accepted"] == 2


async def test_what_was_seen_is_not_journaled(front: LotFront, ledger: OpenLedger) -> None:
    before = ledger.types()

    await observe(front, ("S-01", True), ("S-02", False))

    assert ledger.types() == before


# How it is


async def test_without_a_ledger_the_lot_says_how_it_is_and_nothing_else(clock: FakeClock) -> None:
    around = Surroundings(clock, None, frozenset)
    front = Gateway(TERMS, a_lot(), None, around, reason="the disk is gone").front
    seen = (Observation(space="S-01", occupied=True),)
    seal: Seal[int] = a_call().seal(lambda _: all_is_well())

    told = await status(front, a_call())

    assert (told.status, told.lots[0].away) == ("degraded", {"ledger": "the disk is gone"})
    assert told.version
    for answer in (
        front.availability(LOT),
        front.rates(LOT),
        front.session("sess_1"),
        front.sessions("fleet-1", SessionsQuery()),
        front.observe(OPERATOR, LOT, seen, seal),
        front.audit(LOT, after=None, limit=1),
        front.activity([LOT], limit=1, before=None),
    ):
        with pytest.raises(UnavailableError):
            await answer
    with pytest.raises(UnavailableError):
        front.events(a_session(), None)
    with pytest.raises(UnavailableError, match="the disk is gone"):
        await create_session(front, a_call(a_wish()))


async def test_a_lot_where_all_works_is_ok(front: LotFront) -> None:
    assert (await status(front, a_call())).status == "ok"


@pytest.mark.parametrize(
    "change", [{"link": "down"}, {"away": {"barrier north-in": "no answer"}}], ids=str
)
async def test_a_lot_where_something_is_away_is_degraded(
    ledger: OpenLedger, clock: FakeClock, change: dict[str, Any]
) -> None:
    front = a_front(ledger, clock, status=lambda: all_is_well().model_copy(update=change))

    assert (await status(front, a_call())).status == "degraded"


async def test_the_link_is_up_for_as_long_as_a_connection_lasts(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    broker = FakeBroker()

    @contextlib.asynccontextmanager
    async def connect(**_: Any) -> AsyncIterator[Channel]:
        yield BrokerChannel(broker)

    books = Books(ledger.ledger, ledger.writer, ledger.reader, is_recovering=False)
    gateway = Gateway(TERMS, a_lot(), books, Surroundings(clock, connect, frozenset))

    async def link() -> str:
        return (await status(gateway.front, a_call())).lots[0].link

    before = await link()
    async with gateway._linked(connect)(client="lot"):
        meanwhile = await link()

    assert (before, meanwhile, await link()) == ("down", "up", "down")


async def test_a_lot_that_runs_alone_misses_no_link(ledger: OpenLedger, clock: FakeClock) -> None:
    books = Books(ledger.ledger, ledger.writer, ledger.reader, is_recovering=False)
    gateway = Gateway(TERMS, a_lot(), books, Surroundings(clock, None, frozenset))

    told = await status(gateway.front, a_call())

    assert (told.status, told.lots[0].link) == ("ok", "unknown")
