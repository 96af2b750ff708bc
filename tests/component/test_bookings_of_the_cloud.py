"""What the lot makes of a sale, in every state; its own facts have the last word."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.model.records import (
    BookingTaken,
    ConflictFound,
    Direction,
    ExtensionAsked,
    SessionReserved,
    SessionVoided,
)
from parkgraph.model.sessions import SessionState
from parkgraph_edge.rules.lanes import Effect
from parkgraph_edge.store.bookings import DeclareNoShows
from parkgraph_edge.store.directives import ReclaimAllotments
from parkgraph_edge.store.passages import Admitted
from tests.builders import LOT, NOON, a_booking, a_plate, a_session, typed
from tests.fakes import FakeClock, open_ledger
from tests.lending import (
    SPACES,
    Lender,
    a_lender,
    a_sale,
    assert_facts_follow,
)


@pytest.fixture
async def lot(tmp_path: Path) -> AsyncIterator[Lender]:
    """Give a lot; whatever a test did, its facts follow from its journal."""
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        yield await a_lender(ledger, clock)
        assert_facts_follow(ledger, tmp_path)


def kinds(records: list[Any]) -> list[type]:
    return [type(record) for record in records]


# Sales


async def test_a_sale_makes_the_allotment_a_booking_held_for_who_is_on_the_way(
    lot: Lender,
) -> None:
    standard = (await lot.lend())[2]
    lot.clock.advance(600)

    records = await lot.take(a_sale(standard))

    booked = lot.now_of(standard)
    assert kinds(records) == [BookingTaken]
    assert (booked.state, booked.plate, booked.space) == ("reserved", "ABC1234", "S-1")
    assert booked.gate_code == standard.gate_code
    assert booked.hold_until == NOON + timedelta(minutes=40)


async def test_a_buyer_whose_booking_came_enters_by_his_plate(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    admitted = await lot.present(a_plate())

    assert isinstance(admitted, Admitted)
    assert admitted.session == standard.session


async def test_a_buyer_who_does_not_come_is_a_no_show(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))
    lot.clock.advance(1801)

    await lot.ledger.submit(DeclareNoShows(LOT))

    assert lot.now_of(standard).state is SessionState.NO_SHOW


async def test_a_sale_of_what_was_taken_back_changes_nothing(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.ledger.submit(ReclaimAllotments(LOT, {standard.session: "2026-06-01T12:00:00Z"}))

    assert await lot.take(a_sale(standard)) == []
    assert lot.now_of(standard).state is SessionState.VOID


async def test_a_sale_that_comes_twice_is_one(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    await lot.take(a_sale(standard))

    assert lot.now_of(standard).plate == "ABC1234"
    assert lot.conflicts() == []


async def test_a_stay_that_has_a_buyer_is_not_given_to_another(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    await lot.take(a_sale(standard, "OTHER 1"))

    assert lot.now_of(standard).plate == "ABC1234"
    assert lot.conflicts() == [(standard.session, "directive_refused")]


# The buyer came before his booking did


async def test_a_buyer_enters_by_code_before_the_lot_has_heard_of_him(lot: Lender) -> None:
    standard = (await lot.lend())[2]

    await lot.passes(standard)

    parked = lot.now_of(standard)
    assert (parked.state, parked.plate) == (SessionState.PARKED, None)


@pytest.mark.parametrize("state", ["arriving", "parked", "leaving", "completed"])
async def test_a_booking_that_comes_after_its_buyer_fills_in_who_he_is(
    lot: Lender, state: str
) -> None:
    standard = (await lot.lend())[2]
    await lot.bring_to(standard, state)

    records = await lot.take(a_sale(standard))

    merged = lot.now_of(standard)
    assert kinds(records) == [BookingTaken]
    assert (merged.state, merged.plate, merged.fleet) == (state, "ABC1234", "fleet-1")


async def test_a_buyer_whose_booking_came_later_leaves_by_his_plate(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.passes(standard)
    await lot.take(a_sale(standard))

    admitted = await lot.present(a_plate(), Direction.EXIT)

    assert isinstance(admitted, Admitted)
    assert admitted.session == standard.session


async def test_a_buyer_who_backs_out_before_his_booking_came_may_try_again(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    lot.clock.advance(3 * 3600)
    await lot.passes(standard, effect=Effect.BACKED_OUT)
    lot.clock.advance(60)
    missed = await lot.ledger.submit(DeclareNoShows(LOT))

    again = await lot.present(typed(standard.gate_code))

    assert missed == 0
    assert isinstance(again, Admitted)


async def test_a_booking_that_comes_after_its_buyer_backed_out_is_held_for_him(
    lot: Lender,
) -> None:
    standard = (await lot.lend())[2]
    await lot.passes(standard, effect=Effect.BACKED_OUT)
    lot.clock.advance(900)

    await lot.take(a_sale(standard))

    held = lot.now_of(standard)
    assert (held.state, held.plate) == (SessionState.RESERVED, "ABC1234")
    assert held.hold_until == NOON + timedelta(minutes=45)


async def test_a_booking_that_comes_while_its_buyer_is_at_the_barrier_is_held_when_he_backs_out(
    lot: Lender,
) -> None:
    standard = (await lot.lend())[2]
    lot.clock.advance(3 * 3600)
    await lot.present(typed(standard.gate_code))

    await lot.take(a_sale(standard))

    assert lot.now_of(standard).hold_until == NOON + timedelta(hours=3, minutes=30)


# The same vehicle, booked at both sides


async def test_of_two_bookings_of_one_vehicle_both_wait(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking())

    (taken,) = await lot.take(a_sale(standard))

    assert isinstance(taken, BookingTaken)
    assert taken.twin == local.session
    assert lot.now_of(standard).state is SessionState.RESERVED


async def test_who_comes_by_plate_voids_the_cloud_s_booking(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking())
    await lot.take(a_sale(standard))

    admitted = await lot.present(a_plate())

    assert isinstance(admitted, Admitted)
    assert admitted.session == local.session
    assert lot.now_of(standard).state is SessionState.VOID


async def test_who_comes_by_the_cloud_s_code_voids_the_lot_s_booking(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking())
    await lot.take(a_sale(standard))

    await lot.passes(standard)

    assert lot.now_of(local).state is SessionState.VOID
    assert isinstance(await lot.present(a_plate(), Direction.EXIT), Admitted)


async def test_when_one_of_two_bookings_lapses_the_other_has_the_plate(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.ledger.submit(a_booking())
    lot.clock.advance(1200)
    await lot.take(a_sale(standard))
    lot.clock.advance(900)
    await lot.ledger.submit(DeclareNoShows(LOT))

    admitted = await lot.present(a_plate())

    assert isinstance(admitted, Admitted)
    assert admitted.session == standard.session


async def test_two_bookings_that_wait_for_one_do_not_both_get_the_plate(lot: Lender) -> None:
    vin = "1HGCM826X4A004352"
    first, second = (await lot.lend())[2:4]
    await lot.ledger.submit(a_booking())
    await lot.take(a_sale(first))
    await lot.take(a_sale(second, vin=vin))
    lot.clock.advance(1799)
    await lot.take(ExtensionAsked(session=first.session, minutes=60))
    await lot.take(ExtensionAsked(session=second.session, minutes=60))
    lot.clock.advance(10)

    assert await lot.ledger.submit(DeclareNoShows(LOT)) == 1

    assert [lot.now_of(first).twin, lot.now_of(second).twin] == [None, first.session]


async def test_a_plate_and_a_vin_of_two_bookings_make_no_third_that_ends_the_gateway(
    lot: Lender,
) -> None:
    vin = "1HGCM826X4A004352"
    standard = (await lot.lend())[2]
    await lot.ledger.submit(a_booking())
    lot.clock.advance(600)
    by_vin = await lot.ledger.submit(a_booking(None, vin=vin))
    await lot.take(a_sale(standard, vin=vin))
    lot.clock.advance(1201)

    assert await lot.ledger.submit(DeclareNoShows(LOT)) == 1

    assert lot.now_of(standard).twin == by_vin.session


async def test_a_booking_is_void_whose_buyer_is_inside_under_another(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking())
    await lot.passes(local)

    records = await lot.take(a_sale(standard))

    assert records == [SessionVoided(session=standard.session, kept=local.session)]


async def test_the_lot_s_booking_is_void_whose_vehicle_is_inside_under_the_cloud_s(
    lot: Lender,
) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking())
    await lot.passes(standard)

    records = await lot.take(a_sale(standard))

    assert kinds(records) == [SessionVoided, BookingTaken]
    assert lot.now_of(local).state is SessionState.VOID


async def test_a_vehicle_that_is_inside_twice_is_for_a_person_to_look_at(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking())
    await lot.passes(local)
    await lot.passes(standard)

    records = await lot.take(a_sale(standard))

    assert kinds(records) == [BookingTaken, ConflictFound]
    assert lot.conflicts() == [(standard.session, "same_vehicle_twice")]


async def test_one_request_made_at_both_sides_is_one_also_for_another_plate(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking(request="r1"))

    (taken,) = await lot.take(a_sale(standard, "OTHER 1", request="r1"))

    assert isinstance(taken, BookingTaken)
    assert taken.twin == local.session


async def test_a_request_that_was_served_at_the_lot_is_not_served_again(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    local = await lot.ledger.submit(a_booking(request="r1"))
    await lot.passes(local)
    await lot.passes(local, Direction.EXIT)

    await lot.take(a_sale(standard, request="r1"))

    assert lot.now_of(standard).state is SessionState.VOID


async def test_a_request_that_lapsed_at_the_lot_does_not_hide_the_plate_of_the_cloud_s(
    lot: Lender,
) -> None:
    standard = (await lot.lend())[2]
    await lot.ledger.submit(a_booking(request="r1"))
    lot.clock.advance(1801)
    await lot.ledger.submit(DeclareNoShows(LOT))

    await lot.take(a_sale(standard, request="r1"))

    admitted = await lot.present(a_plate())
    assert isinstance(admitted, Admitted)
    assert admitted.session == standard.session


# A sale whose allotment the lot has lost


async def test_a_sale_of_an_allotment_that_the_lot_lost_is_kept_in_its_space(lot: Lender) -> None:
    sold = a_sale(lot_stay(space="S-3"))

    (reserved,) = await lot.take(sold)

    assert isinstance(reserved, SessionReserved)
    assert (reserved.session, reserved.space) == (sold.session, "S-3")
    assert isinstance(await lot.present(a_plate()), Admitted)


async def test_a_sale_whose_space_is_somebody_s_by_now_is_kept_in_another(lot: Lender) -> None:
    other = await lot.ledger.submit(a_booking("OTHER 1"))

    (reserved,) = await lot.take(a_sale(lot_stay(space=other.space)))

    assert isinstance(reserved, SessionReserved)
    assert reserved.space == "S-2"


async def test_a_sale_that_cannot_be_kept_is_for_a_refund(lot: Lender) -> None:
    everywhere = frozenset(SPACES)

    records = await lot.take(a_sale(lot_stay(space="S-3")), occupied=everywhere)

    assert kinds(records) == [ConflictFound]


async def test_a_sale_that_the_lot_lost_takes_no_second_space_for_one_vehicle(lot: Lender) -> None:
    await lot.ledger.submit(a_booking())

    records = await lot.take(a_sale(lot_stay(space="S-3")))

    assert kinds(records) == [ConflictFound]


def lot_stay(*, space: str) -> Any:
    """Return an allotment that the lot does not know."""
    return a_session(SessionState.ALLOTTED, session="sess_lost", space=space)
