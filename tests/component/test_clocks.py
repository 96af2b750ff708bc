"""Stays are priced by the time that passed, whatever the clocks and the power did meanwhile."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from parkgraph.model.records import (
    BootTold,
    ClockAnchored,
    Crossed,
    Direction,
    HoldExtended,
    SessionEnded,
)
from parkgraph.model.sessions import Session
from parkgraph_edge.store.bookings import DeclareNoShows, End
from parkgraph_edge.store.clocks import AnchorClock
from parkgraph_edge.store.passages import Admitted
from parkgraph_edge.store.replay import empty_ledger, replay
from tests.builders import LOT, a_booking, typed
from tests.fakes import FakeClock, OpenLedger, Recording, open_ledger
from tests.ledgers import go_on
from tests.lending import Lender, a_lender, assert_facts_follow

HOUR: Final = 3600
YEAR: Final = timedelta(days=365)


@pytest.fixture
async def lot(tmp_path: Path) -> AsyncIterator[Lender]:
    """Give a lot; whatever a test did, its facts and its bills follow from its journal."""
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        lender = await a_lender(ledger, clock)
        await anchor(lender)
        yield lender
    assert replayed(ledger) == ([], [])


def replayed(ledger: OpenLedger) -> tuple[list[str], list[str]]:
    """Return what does not follow from the journal, and who paid less than his time."""
    lower: list[str] = []
    with (
        contextlib.closing(sqlite3.connect(ledger.path)) as connection,
        contextlib.closing(empty_ledger(None)) as made,
    ):
        connection.row_factory = sqlite3.Row
        return list(replay(connection, made, lower)), lower


async def anchor(lot: Lender) -> timedelta:
    """Let the lot's housekeeping look at its clocks."""
    return await lot.ledger.submit(AnchorClock(LOT, lot.clock.is_trusted()))


async def reboot(lot: Lender, *, off_seconds: float = 0.0, is_trusted: bool = False) -> None:
    lot.clock.reboot(off_seconds=off_seconds)
    lot.clock.has_trust = is_trusted
    await anchor(lot)


async def a_parked_car(lot: Lender) -> Session:
    booked = await lot.ledger.submit(a_booking())
    await lot.passes(booked)
    return booked


def records_of(lot: Lender, kind: type[Any]) -> list[Any]:
    return [record for record in lot.records() if isinstance(record, kind)]


def bill_of(lot: Lender, stay: Session) -> tuple[int | None, int | None, bool | None]:
    now = lot.now_of(stay)
    return now.amount_minor, now.elapsed_seconds, now.is_in_doubt


# What a stay costs


@pytest.mark.parametrize(
    "evening",
    [datetime(2026, 10, 31, 22, tzinfo=UTC), datetime(2026, 3, 7, 22, tzinfo=UTC)],
    ids=["25 hours", "23 hours"],
)
async def test_a_night_in_which_the_clocks_change_costs_its_hours(
    tmp_path: Path, evening: datetime
) -> None:
    clock = FakeClock(evening)
    async with open_ledger(tmp_path, clock=clock) as ledger:
        lot = await a_lender(ledger, clock)
        parked = await a_parked_car(lot)
        clock.advance(8 * HOUR)

        await lot.passes(parked, Direction.EXIT)

    assert bill_of(lot, parked) == (8 * 350, 8 * HOUR, False)


@pytest.mark.parametrize("step", [timedelta(hours=-2), YEAR, timedelta(hours=1)])
async def test_a_clock_that_is_set_in_mid_stay_changes_no_bill(
    lot: Lender, step: timedelta
) -> None:
    parked = await a_parked_car(lot)
    lot.clock.advance(HOUR)
    lot.clock.set_wall(step)
    await anchor(lot)
    lot.clock.advance(HOUR)

    await lot.passes(parked, Direction.EXIT)

    assert bill_of(lot, parked) == (700, 2 * HOUR, False)


async def test_a_reboot_costs_nothing_where_the_time_is_known_before_and_after(
    lot: Lender,
) -> None:
    parked = await a_parked_car(lot)
    lot.clock.advance(HOUR)
    await reboot(lot, off_seconds=HOUR, is_trusted=True)
    lot.clock.advance(HOUR)

    await lot.passes(parked, Direction.EXIT)

    assert bill_of(lot, parked) == (3 * 350, 3 * HOUR, False)


async def test_a_time_that_is_known_later_is_known_of_all_of_the_boot(lot: Lender) -> None:
    parked = await a_parked_car(lot)
    lot.clock.advance(HOUR)
    await reboot(lot, off_seconds=HOUR)
    lot.clock.advance(HOUR)
    lot.clock.has_trust = True
    await anchor(lot)

    await lot.passes(parked, Direction.EXIT)

    assert bill_of(lot, parked) == (3 * 350, 3 * HOUR, False)


async def test_after_a_reboot_that_nobody_can_date_only_what_is_proven_is_charged(
    lot: Lender,
) -> None:
    parked = await a_parked_car(lot)
    lot.clock.advance(HOUR)
    await anchor(lot)
    lot.clock.advance(HOUR / 2)
    await reboot(lot, off_seconds=10 * HOUR)
    lot.clock.advance(HOUR)

    ended = await lot.ledger.submit(End(LOT, "key:1", parked.session))

    assert (ended.amount_minor, ended.elapsed_seconds, ended.is_in_doubt) == (700, 2 * HOUR, True)
    assert lot.now_of(parked) == ended


async def test_in_doubt_a_wall_clock_that_says_less_is_believed(lot: Lender) -> None:
    parked = await a_parked_car(lot)
    lot.clock.advance(HOUR)
    await anchor(lot)
    await reboot(lot)
    lot.clock.set_wall(timedelta(hours=-1, minutes=-30))
    lot.clock.advance(HOUR)

    await lot.passes(parked, Direction.EXIT)

    assert bill_of(lot, parked) == (175, HOUR / 2, True)


async def test_who_stays_weeks_after_the_end_pays_what_was_told_and_is_shown(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        lot = await a_lender(ledger, clock)
        parked = await a_parked_car(lot)
        clock.advance(HOUR)
        await ledger.submit(End(LOT, "key:1", parked.session))
        clock.advance(14 * 24 * HOUR)
        await lot.passes(parked, Direction.EXIT)

    (_, left) = records_of(lot, Crossed)
    assert (left.amount_minor, left.over_seconds) == (350, 14 * 24 * HOUR)
    assert bill_of(lot, parked) == (350, HOUR, False)
    found, lower = replayed(ledger)
    assert found == []
    assert lower == [f"{parked.session}: 1213200 s cost 117950, but 350 was told before"]


# What the journal knows of the clocks


async def test_the_clocks_are_anchored_when_there_is_news(lot: Lender) -> None:
    def anchors() -> int:
        return len(records_of(lot, ClockAnchored))

    assert anchors() == 1
    await anchor(lot)
    lot.clock.advance(HOUR - 1)
    await anchor(lot)
    assert anchors() == 1
    lot.clock.advance(1)
    await anchor(lot)
    assert anchors() == 2
    lot.clock.has_trust = False
    await anchor(lot)
    assert anchors() == 3
    lot.clock.set_wall(timedelta(seconds=2))
    await anchor(lot)
    assert anchors() == 3
    lot.clock.set_wall(timedelta(seconds=1))
    assert await anchor(lot) == timedelta(seconds=3)
    assert anchors() == 4
    await reboot(lot)
    assert anchors() == 5


async def test_an_epoch_begins_with_the_boots_that_an_open_stay_needs(lot: Lender) -> None:
    await reboot(lot, is_trusted=True)
    parked = await a_parked_car(lot)
    await reboot(lot, off_seconds=HOUR)
    await reboot(lot, off_seconds=HOUR, is_trusted=True)

    await go_on(lot.ledger, "compaction")

    told = records_of(lot, BootTold)
    assert [boot.boot for boot in told] == ["boot-2", "boot-3", "boot-4"]
    assert [boot.number for boot in told] == [2, 3, 4]
    await lot.passes(parked, Direction.EXIT)
    assert bill_of(lot, parked) == (700, 2 * HOUR, False)


async def test_an_epoch_begins_with_the_present_boot_where_no_stay_needs_any(
    lot: Lender, tmp_path: Path
) -> None:
    await reboot(lot)

    await go_on(lot.ledger, "compaction")

    assert [boot.boot for boot in records_of(lot, BootTold)] == ["boot-2"]
    await anchor(lot)
    assert records_of(lot, ClockAnchored) == []
    assert_facts_follow(lot.ledger, tmp_path)


# Holds


@pytest.mark.parametrize("step", [YEAR, timedelta(hours=-2)])
async def test_a_hold_lasts_for_its_time_though_the_clock_is_set(
    lot: Lender, step: timedelta
) -> None:
    booked = await lot.ledger.submit(a_booking())
    lot.clock.set_wall(step)

    assert await lot.ledger.submit(DeclareNoShows(LOT)) == 0
    assert await anchor(lot) == step
    lot.clock.advance(HOUR / 2)
    assert await lot.ledger.submit(DeclareNoShows(LOT)) == 0
    lot.clock.advance(1)
    assert await lot.ledger.submit(DeclareNoShows(LOT)) == 1

    (moved,) = records_of(lot, HoldExtended)
    assert moved.hold_until == booked.hold_until + step


async def test_who_comes_just_after_a_step_is_in_time(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())
    lot.clock.set_wall(YEAR)

    assert isinstance(await lot.present(typed(booked.gate_code)), Admitted)


async def test_who_books_just_after_a_step_has_his_time(lot: Lender) -> None:
    lot.clock.set_wall(timedelta(hours=-2))
    booked = await lot.ledger.submit(a_booking())
    await anchor(lot)
    lot.clock.advance(HOUR / 2)

    assert isinstance(await lot.present(typed(booked.gate_code)), Admitted)


async def test_a_hold_of_before_the_machine_knew_the_year_is_left_alone(lot: Lender) -> None:
    booked = await lot.ledger.submit(a_booking())
    lot.clock.reboot()
    lot.clock.set_wall(-30 * YEAR)
    await anchor(lot)
    lot.clock.set_wall(30 * YEAR)
    await anchor(lot)

    assert lot.now_of(booked).hold_until == booked.hold_until


# Bills made anew


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"amount_minor": 800}, "amount_minor is 800, should be 700"),
        ({"amount_minor": 600}, "amount_minor is 600, should be 700"),
        ({"elapsed_seconds": 7201}, "elapsed_seconds is 7201, should be 7200"),
        ({"is_in_doubt": True}, "is_in_doubt is True, should be False"),
    ],
)
async def test_a_bill_that_does_not_follow_from_the_journal_is_named(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        lot = await a_lender(ledger, clock)
        parked = await a_parked_car(lot)
        clock.advance(2 * HOUR)
        right = SessionEnded(
            session=parked.session,
            amount_minor=700,
            boot=clock.boot_id(),
            boot_ms=int(clock.boot_seconds() * 1000),
            elapsed_seconds=7200,
            is_in_doubt=False,
        )
        await ledger.submit(Recording([right.model_copy(update=changes)]))

    assert f"bill of {parked.session}: {told}" in replayed(ledger)[0]


async def test_a_bill_whose_time_was_damaged_is_named_and_ends_no_program(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        lot = await a_lender(ledger, clock)
        parked = await a_parked_car(lot)
        clock.advance(2 * HOUR)
        await ledger.submit(End(LOT, "key:1", parked.session))
    damage = "UPDATE journal SET at = replace(at, '.0', '.p') WHERE type = 'session_ended'"
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection, connection:
        assert connection.execute(damage).rowcount == 1

    faults, _ = replayed(ledger)

    assert any("cannot be applied: Invalid isoformat string" in fault for fault in faults)
