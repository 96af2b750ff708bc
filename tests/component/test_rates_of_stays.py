"""A stay costs what the rates said when it was booked, whichever side set them and sold it."""

import functools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import (
    BookingTaken,
    Direction,
    RatesChanged,
    RatesSet,
    SessionReserved,
)
from parkgraph.model.sessions import SessionState
from parkgraph_edge.store.bookings import Cancel, End, Extend
from tests.builders import LOT, NOON, RATES, a_booking, a_session
from tests.fake_link import OpenCloud, level, linked
from tests.fakes import FakeClock, OpenLedger, open_ledger
from tests.lending import (
    LENDING,
    Lender,
    a_lender,
    a_purchase,
    a_sale,
    assert_facts_follow,
)

TIERED = RATES.model_copy(update={"version": "tiered", "autonomous_unit_minor": 250})
DEARER = RATES.model_copy(update={"version": "dearer", "unit_minor": 500})
IN_EUROS = RATES.model_copy(update={"version": "euros", "currency": "EUR"})
HOUR = 3600


@pytest.fixture
async def lot(tmp_path: Path) -> AsyncIterator[Lender]:
    """Give a lot; whatever a test did, its facts follow from its journal."""
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        yield await a_lender(ledger, clock)
        assert_facts_follow(ledger, tmp_path)


async def a_refusal(lot: Lender, command: Any) -> CallRefusedError:
    with pytest.raises(CallRefusedError) as refusal:
        await lot.ledger.submit(command)
    return refusal.value


# Which rates count


async def test_rates_that_the_cloud_sets_count_for_what_is_booked_later(lot: Lender) -> None:
    before = await lot.ledger.submit(a_booking("CAR 1"))

    records = await lot.take(RatesChanged(card=DEARER))

    after = await lot.ledger.submit(a_booking("CAR 2"))
    assert records == [RatesSet(card=DEARER)]
    assert (before.rate.version, before.estimated_minor) == ("rates-1", 700)
    assert (after.rate.version, after.estimated_minor) == ("dearer", 1000)


async def test_a_stay_is_priced_at_the_rate_of_its_booking(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())
    await lot.passes(booked)
    await lot.take(RatesChanged(card=DEARER))
    lot.clock.advance(HOUR)

    ended = await lot.ledger.submit(End(LOT, "key:1", booked.session))

    assert ended.amount_minor == 350


async def test_an_exit_prices_at_the_rate_of_the_booking_too(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())
    await lot.passes(booked)
    await lot.take(RatesChanged(card=DEARER))
    lot.clock.advance(HOUR)

    await lot.passes(booked, Direction.EXIT)

    assert lot.now_of(booked).amount_minor == 350


async def test_rates_in_other_money_than_the_lot_s_are_not_used(lot: Lender) -> None:
    await lot.take(RatesChanged(card=IN_EUROS))

    booked = await lot.ledger.submit(a_booking())

    assert booked.rate.version == "rates-1"


async def test_rates_that_were_set_count_after_a_restart(lot: Lender, tmp_path: Path) -> None:
    await lot.take(RatesChanged(card=DEARER))
    async with open_ledger(tmp_path, clock=lot.clock) as ledger:
        booked = await ledger.submit(a_booking())

    assert booked.rate.version == "dearer"


async def test_what_is_read_back_is_what_was_booked(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking(stay=timedelta(minutes=90)))

    assert lot.now_of(booked) == booked
    assert (booked.expected_minutes, booked.estimated_minor) == (90, 525)


# Who drives himself


@pytest.mark.parametrize(("autonomous", "unit_minor"), [(True, 250), (False, 350)])
async def test_at_the_lot_who_drives_decides_the_rate(
    lot: Lender, *, autonomous: bool, unit_minor: int
) -> None:
    terms = replace(LENDING, rates=TIERED)

    booked = await lot.ledger.submit(a_booking(terms=terms, autonomous=autonomous))

    assert booked.rate.unit_minor == unit_minor


async def test_a_lent_space_has_the_whole_card_until_its_buyer_is_known(lot: Lender) -> None:
    await lot.take(RatesChanged(card=TIERED))

    (lent, *_) = await lot.lend()

    assert lent.rate == TIERED


@pytest.mark.parametrize(("autonomous", "unit_minor"), [(True, 250), (False, 350)])
async def test_the_cloud_sells_at_the_rate_that_was_lent_to_who_drives(
    tmp_path: Path,
    ledger: OpenLedger,
    cloud: OpenCloud,
    clock: FakeClock,
    *,
    autonomous: bool,
    unit_minor: int,
) -> None:
    lot = await a_lender(ledger, clock)
    async with linked(ledger, cloud):
        await lot.take(RatesChanged(card=TIERED))
        await lot.lend()
        await lot.take(RatesChanged(card=DEARER))
        await level(ledger, cloud)
        sold = await cloud.submit(a_purchase(autonomous=autonomous))
        await level(ledger, cloud)

    taken = lot.now_of(sold)
    assert (sold.rate.unit_minor, sold.rate.version) == (unit_minor, "tiered")
    assert (taken.rate, taken.estimated_minor) == (sold.rate, sold.estimated_minor)
    assert_facts_follow(ledger, tmp_path)


@pytest.mark.parametrize(("other_minor", "amount"), [(250, 250), (500, 350)])
async def test_a_buyer_who_left_before_his_booking_came_paid_the_lower_rate(
    lot: Lender, other_minor: int, amount: int
) -> None:
    card = TIERED.model_copy(update={"autonomous_unit_minor": other_minor})
    await lot.take(RatesChanged(card=card))
    (lent, *_) = await lot.lend()
    await lot.passes(lent)
    lot.clock.advance(HOUR)
    await lot.passes(lent, Direction.EXIT)

    await lot.take(a_sale(lent, autonomous=True, rate=card.rate_for(autonomous=True)))

    assert lot.now_of(lent).amount_minor == amount


async def test_a_booking_that_comes_after_its_buyer_brings_his_rate(lot: Lender) -> None:
    await lot.take(RatesChanged(card=TIERED))
    (lent, *_) = await lot.lend()
    await lot.passes(lent)

    rate = TIERED.rate_for(autonomous=True)
    (taken,) = await lot.take(a_sale(lent, autonomous=True, rate=rate))

    assert isinstance(taken, BookingTaken)
    assert (lot.now_of(lent).rate, lot.now_of(lent).expected_minutes) == (rate, 120)


async def test_a_sale_whose_allotment_was_lost_keeps_its_rate(lot: Lender) -> None:
    lost = a_session(SessionState.ALLOTTED, session="sess_lost", space="S-3", rate=TIERED)

    (reserved,) = await lot.take(a_sale(lost, rate=TIERED.rate_for(autonomous=True)))

    assert isinstance(reserved, SessionReserved)
    assert reserved.rate.unit_minor == 250


# More time


async def test_who_is_on_the_way_is_awaited_longer_and_has_a_new_estimate(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())

    extended = await lot.ledger.submit(Extend(LOT, "key:1", booked.session, 60))

    assert extended.hold_until == NOON + timedelta(minutes=90)
    assert (extended.expected_minutes, extended.estimated_minor) == (180, 1050)
    assert lot.now_of(booked) == extended


@pytest.mark.parametrize("state", ["arriving", "parked"])
async def test_who_has_come_only_has_a_new_estimate(lot: Lender, state: str) -> None:
    booked = await lot.ledger.submit(a_booking())
    await lot.bring_to(booked, state)

    extended = await lot.ledger.submit(Extend(LOT, "key:1", booked.session, 60))

    assert (extended.state, extended.hold_until) == (state, booked.hold_until)
    assert (extended.expected_minutes, extended.estimated_minor) == (180, 1050)
    assert lot.now_of(booked).estimated_minor == 1050


@pytest.mark.parametrize("state", ["leaving", "completed"])
async def test_who_leaves_needs_no_more_time(lot: Lender, state: str) -> None:
    booked = await lot.ledger.submit(a_booking())
    await lot.bring_to(booked, state)

    refusal = await a_refusal(lot, Extend(LOT, "key:1", booked.session, 60))

    assert refusal.code is ErrorCode.CONFLICT


@pytest.mark.parametrize("minutes", [0, -1, 10_081, 10**12])
async def test_nobody_gets_no_time_or_more_than_a_week(lot: Lender, minutes: int) -> None:
    booked = await lot.ledger.submit(a_booking())

    refusal = await a_refusal(lot, Extend(LOT, "key:1", booked.session, minutes))

    assert (refusal.code, refusal.field) == (ErrorCode.BAD_REQUEST, "minutes")


async def test_a_space_is_held_for_a_week_at_most(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())
    week = timedelta(days=7) // timedelta(minutes=1)
    await lot.ledger.submit(Extend(LOT, "key:1", booked.session, week - 30))

    refusal = await a_refusal(lot, Extend(LOT, "key:1", booked.session, 1))

    assert (refusal.code, refusal.field) == (ErrorCode.BAD_REQUEST, "minutes")


async def test_a_stay_is_not_extended_beyond_a_month(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking(stay=timedelta(days=30)))
    await lot.bring_to(booked, "parked")

    refusal = await a_refusal(lot, Extend(LOT, "key:1", booked.session, 1))

    assert (refusal.code, refusal.field) == (ErrorCode.BAD_REQUEST, "minutes")


# No time at all


async def test_who_cancels_frees_his_space(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())

    cancelled = await lot.ledger.submit(Cancel(LOT, "key:1", booked.session))

    assert cancelled.state is SessionState.CANCELLED
    assert lot.now_of(booked) == cancelled


@pytest.mark.parametrize("state", ["arriving", "parked", "leaving"])
async def test_who_has_come_is_told_to_end_instead(lot: Lender, state: str) -> None:
    booked = await lot.ledger.submit(a_booking())
    await lot.bring_to(booked, state)

    refusal = await a_refusal(lot, Cancel(LOT, "key:1", booked.session))

    assert refusal.code is ErrorCode.CONFLICT
    assert "end it instead" in refusal.message


async def test_what_is_cancelled_is_not_cancelled_again(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())
    await lot.ledger.submit(Cancel(LOT, "key:1", booked.session))

    refusal = await a_refusal(lot, Cancel(LOT, "key:1", booked.session))

    assert refusal.code is ErrorCode.CONFLICT


@pytest.mark.parametrize("wish", [Cancel, End, functools.partial(Extend, minutes=1)])
async def test_of_an_unsold_allotment_nobody_is_the_buyer(lot: Lender, wish: Any) -> None:
    (lent, *_) = await lot.lend()

    refusal = await a_refusal(lot, wish(LOT, "key:1", lent.session))

    assert (refusal.code, refusal.field) == (ErrorCode.NOT_FOUND, "session")
