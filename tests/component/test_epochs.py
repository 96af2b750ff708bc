"""A journal goes on under a new epoch: after a loss, and to be kept short."""

import asyncio
import functools
from pathlib import Path

import pytest

from parkgraph.journal.copies import dead_letters
from parkgraph.journal.epochs import KEPT_FOR, Ages, age, keep_short
from parkgraph.model.records import KeyIssued, KeyRevoked, RatesChanged
from parkgraph_edge.store.bookings import DeclareNoShows
from tests.builders import KEY_TERMS, LOT, RATES, a_booking
from tests.fake_link import (
    DOWN,
    FakeBroker,
    OpenCloud,
    backed_up,
    becomes,
    cursor_in,
    epochs_in,
    lent,
    level,
    linked,
    lose,
    open_cloud,
    restore,
    rows_in,
    set_aside_in,
    told_in,
)
from tests.fakes import FakeClock, OpenLedger, facts_of, open_ledger
from tests.ledgers import go_on
from tests.lending import a_lender, a_purchase, assert_facts_follow

pytestmark = pytest.mark.hurried

DAYS = 24 * 3600


async def shorten(ledger: OpenLedger, times: int = 5) -> None:
    """Let the lot's housekeeping look at its journal."""
    for _ in range(times):
        moment = ledger.ledger.moment()
        look = functools.partial(keep_short, stream=LOT, moment=moment)
        await ledger.writer.submit(look)


async def pass_by(ledger: OpenLedger, clock: FakeClock, seconds: float) -> None:
    """Let so much time pass, and the housekeeping count it."""
    ages = Ages(clock)
    clock.advance(seconds)
    await ledger.writer.submit(lambda connection: age(connection, LOT, ages.minutes()))


async def test_a_wall_clock_that_jumps_makes_no_epoch_old(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await a_lender(ledger, clock)
    clock.advance(3650 * DAYS)
    await shorten(ledger)

    assert epochs_in(ledger.path, LOT) == 1


async def test_a_young_journal_is_left_as_it_is(ledger: OpenLedger, clock: FakeClock) -> None:
    await a_lender(ledger, clock)
    await pass_by(ledger, clock, KEPT_FOR.total_seconds() - 60)
    await shorten(ledger)

    assert epochs_in(ledger.path, LOT) == 1


async def test_an_old_journal_goes_on_with_what_is_open(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await a_lender(ledger, clock)
    await ledger.submit(a_booking())
    before = ledger.facts()
    await pass_by(ledger, clock, 36 * DAYS)

    await shorten(ledger, times=1)

    assert ledger.types() == ["epoch_began", "lot_described", "session_told"]
    assert ledger.facts()["spaces"] == before["spaces"]


async def test_facts_that_the_cloud_owns_follow_from_what_is_left_of_a_pruned_journal(
    tmp_path: Path, ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        lender = await a_lender(ledger, clock)
        await lender.take(RatesChanged(card=RATES))
        await lender.take(KeyIssued(key="k1", terms=KEY_TERMS))
        await lender.take(KeyRevoked(key="k2", known=None))
        await lender.lend()
        first = rows_in(ledger.path, LOT)
        for _ in range(2):
            await level(ledger, cloud)
            await pass_by(ledger, clock, 36 * DAYS)
            await shorten(ledger)

        assert not set(first) & set(rows_in(ledger.path, LOT))
        assert_facts_follow(ledger, tmp_path)


async def test_what_the_cloud_has_not_is_not_pruned_however_old(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await a_lender(ledger, clock)
    rows = rows_in(ledger.path, LOT)
    await pass_by(ledger, clock, 36 * DAYS)
    await shorten(ledger)
    await pass_by(ledger, clock, 36 * DAYS)
    await shorten(ledger)

    assert set(rows) <= set(rows_in(ledger.path, LOT))


async def test_an_ended_epoch_that_the_cloud_has_is_pruned_whole_once_it_is_old(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        await a_lender(ledger, clock)
        await level(ledger, cloud)
        first = rows_in(ledger.path, LOT)
        await pass_by(ledger, clock, 36 * DAYS)
        await ledger.submit(a_booking())
        await shorten(ledger)
        kept = rows_in(ledger.path, LOT)
        await level(ledger, cloud)
        await pass_by(ledger, clock, 34 * DAYS)
        await shorten(ledger)
        still = rows_in(ledger.path, LOT)
        await pass_by(ledger, clock, 2 * DAYS)
        await shorten(ledger)
        await level(ledger, cloud)

    assert set(first) <= set(kept)
    assert still == kept
    assert not set(first) & set(rows_in(ledger.path, LOT))
    assert set(first) <= set(rows_in(cloud.path, LOT))


async def test_a_cloud_that_lost_everything_gets_all_that_is_open_from_a_pruned_journal(
    tmp_path: Path, ledger: OpenLedger, clock: FakeClock
) -> None:
    async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
        lender = await a_lender(ledger, clock)
        parked = await ledger.submit(a_booking())
        await lender.passes(parked)
        await level(ledger, cloud)
        await pass_by(ledger, clock, 36 * DAYS)
        await shorten(ledger)
        await level(ledger, cloud)
        await pass_by(ledger, clock, 36 * DAYS)
        await shorten(ledger)
        await level(ledger, cloud)
    lose(cloud.path)
    async with open_cloud(tmp_path, clock, seed=7) as cloud, linked(ledger, cloud):
        await becomes(lambda: cursor_in(cloud.path, LOT, "head") is not None)
        await level(ledger, cloud)

        assert told_in(cloud.path) == told_in(ledger.path)
        assert set_aside_in(cloud.path) == []


async def test_an_epoch_with_a_row_that_was_set_aside_is_not_pruned(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        await set_one_aside(ledger, cloud, clock)
        rows = rows_in(ledger.path, LOT)
        await pass_by(ledger, clock, 36 * DAYS)
        await shorten(ledger)
        await level(ledger, cloud)
        await pass_by(ledger, clock, 36 * DAYS)
        await shorten(ledger)

    assert set(rows) <= set(rows_in(ledger.path, LOT))


async def test_a_second_successor_of_one_row_is_refused_and_sent_less_and_less(
    tmp_path: Path, cloud: OpenCloud, clock: FakeClock
) -> None:
    broker = FakeBroker()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        async with linked(ledger, cloud):
            await a_lender(ledger, clock)
            await level(ledger, cloud)
        backup = backed_up(ledger.path)
        await go_on(ledger, "fork")
        async with linked(ledger, cloud):
            await level(ledger, cloud)
        head = cursor_in(cloud.path, LOT, "head")
    restore(backup, ledger.path)
    async with open_ledger(tmp_path, clock=clock, seed=5) as ledger:
        await go_on(ledger, "fork")
        async with linked(ledger, cloud, broker):
            await becomes(lambda: broker.said("up/rows") > 8)
            await asyncio.sleep(60)
            before = broker.said("up/rows")
            await asyncio.sleep(150)

    assert epochs_in(ledger.path, LOT) == 2
    assert cursor_in(cloud.path, LOT, "head") == head
    assert broker.said("up/rows") - before < 30


async def test_two_forks_before_the_cloud_has_heard_of_the_first_follow_on_each_other(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        await a_lender(ledger, clock)
        await level(ledger, cloud)
    await go_on(ledger, "fork")
    await ledger.submit(a_booking())
    await go_on(ledger, "fork")
    async with linked(ledger, cloud):
        await level(ledger, cloud)

    assert rows_in(cloud.path, LOT) == rows_in(ledger.path, LOT)
    assert facts_of(cloud.path) == ledger.facts()


async def test_a_fork_before_anything_was_acknowledged_loses_no_row(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    await a_lender(ledger, clock)
    await ledger.submit(a_booking())
    clock.advance(3600)
    await ledger.submit(DeclareNoShows(LOT))
    await go_on(ledger, "fork")
    async with linked(ledger, cloud):
        await level(ledger, cloud)

    assert rows_in(cloud.path, LOT) == rows_in(ledger.path, LOT)
    assert facts_of(cloud.path) == ledger.facts()


async def test_a_stay_that_ended_in_rows_which_a_fork_superseded_is_told_again(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        lender = await a_lender(ledger, clock)
        booked = await ledger.submit(a_booking())
        await level(ledger, cloud)
    clock.advance(3600)
    await ledger.submit(DeclareNoShows(LOT))
    await go_on(ledger, "fork")
    async with linked(ledger, cloud):
        await level(ledger, cloud)

    assert lender.now_of(booked).state == "no_show"
    assert facts_of(cloud.path) == ledger.facts()


# What cannot be applied


async def set_one_aside(ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock) -> str:
    """Let the cloud have two rows of one stay that it cannot apply; return the stay."""
    await a_lender(ledger, clock)
    await level(ledger, cloud)
    booked = await ledger.submit(a_booking())
    await level(ledger, cloud)
    await cloud.writer.submit(lambda c: c.execute("UPDATE sessions SET state = 'completed'"))
    clock.advance(3600)
    await ledger.submit(DeclareNoShows(LOT))
    await level(ledger, cloud)
    return booked.session


async def test_a_row_that_cannot_be_applied_is_shown_on_both_sides(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        session = await set_one_aside(ledger, cloud, clock)
        await becomes(lambda: len(set_aside_in(ledger.path)) == 1)

    letters = await ledger.writer.submit(lambda c: dead_letters(c, LOT, limit=9))
    assert [letter.subject for letter in letters] == [session]
    assert cloud.one("SELECT subject FROM dead_letters") == session


async def test_what_was_set_aside_is_tried_again_by_the_next_program_and_shown_nowhere_then(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        await set_one_aside(ledger, cloud, clock)
        await becomes(lambda: len(set_aside_in(ledger.path)) == 1)
    await cloud.writer.submit(lambda c: c.execute("UPDATE sessions SET state = 'reserved'"))
    async with linked(ledger, cloud):
        await becomes(lambda: not set_aside_in(cloud.path))
        await ledger.submit(a_booking("CAR 9"))
        await becomes(lambda: not set_aside_in(ledger.path))
        await level(ledger, cloud)

    assert facts_of(cloud.path) == ledger.facts()


async def test_a_directive_that_the_lot_cannot_take_is_shown_on_both_sides(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        await lent(ledger, cloud, clock)
        await ledger.writer.submit(
            lambda c: c.execute(
                "CREATE TRIGGER odd BEFORE UPDATE OF fleet ON sessions"
                " BEGIN SELECT RAISE(ABORT, 'not understood'); END"
            )
        )
        await cloud.submit(a_purchase())
        await level(ledger, cloud)
        await becomes(lambda: len(set_aside_in(cloud.path)) == 1)
        await ledger.writer.submit(lambda c: c.execute("DROP TRIGGER odd"))
    assert set_aside_in(ledger.path) == [DOWN]
    async with linked(ledger, cloud):
        await becomes(lambda: not set_aside_in(ledger.path))
        await level(ledger, cloud)

    assert ledger.one("SELECT state FROM sessions WHERE plate = 'ABC1234'") == "reserved"
