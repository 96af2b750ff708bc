"""A lot and the cloud, over real databases: what each owns the other has in the end."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.journal.epochs import begin_recovery
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph_cloud.sales import Cancel
from parkgraph_edge.store.bookings import DeclareNoShows
from tests.builders import LOT, NOON, a_booking
from tests.fake_link import (
    DOWN,
    FakeBroker,
    OpenCloud,
    backed_up,
    becomes,
    cursor_in,
    level,
    linked,
    lose,
    open_cloud,
    restore,
    rows_in,
)
from tests.fakes import FakeClock, OpenLedger, facts_of, open_ledger
from tests.lending import Lender, a_lender, a_purchase

pytestmark = pytest.mark.hurried

# What an epoch of a lot begins with.
TOLD = ("lots", "spaces", "sessions")


def told(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    facts = facts_of(path)
    return {table: facts[table] for table in TOLD}


def allotted(cloud: OpenCloud) -> int:
    return int(cloud.one("SELECT COUNT(*) FROM sessions WHERE state = 'allotted'"))


async def lent(ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock) -> Lender:
    """Bring both sides to where the cloud has what the lot lends; the link is up."""
    lender = await a_lender(ledger, clock)
    await level_up(ledger, cloud)
    return lender


async def level_up(ledger: OpenLedger, cloud: OpenCloud) -> None:
    """Wait until the cloud has asked and has what it asked for."""
    await becomes(lambda: cloud.one("SELECT COUNT(*) FROM lot_states") == 1)
    await becomes(lambda: cursor_in(cloud.path, LOT, "head") is not None)
    await becomes(lambda: cursor_in(cloud.path, DOWN, "recovering") is None)
    await cloud.allotments.tend()
    await level(ledger, cloud)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_broker_does_both_journals_and_all_facts_agree_in_the_end(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    loses, doubles, swaps = (chance.uniform(0, 0.4) for _ in range(3))
    broker = FakeBroker(chance, loses=loses, doubles=doubles, swaps=swaps)
    clock = FakeClock()
    async with (
        open_ledger(tmp_path, clock=clock, seed=seed) as ledger,
        open_cloud(tmp_path, clock) as cloud,
    ):
        async with linked(ledger, cloud, broker):
            lender = await lent(ledger, cloud, clock)
        first = await cloud.submit(a_purchase("CAR 1", request="r1"))
        second = await cloud.submit(a_purchase("CAR 2"))
        await ledger.submit(a_booking("CAR 1"))
        await lender.passes(second)
        async with linked(ledger, cloud, broker):
            await cloud.submit(Cancel(LOT, "1", first.session))
            await level(ledger, cloud)
            broker.cut()
            clock.advance(7 * 3600)
            await cloud.allotments.tend()
            await ledger.submit(DeclareNoShows(LOT))
        async with linked(ledger, cloud, broker):
            await level(ledger, cloud)

        assert rows_in(cloud.path, LOT) == rows_in(ledger.path, LOT)
        assert rows_in(cloud.path, DOWN) == rows_in(ledger.path, DOWN)
        assert facts_of(cloud.path) == facts_of(ledger.path)
        assert cloud.one("SELECT COUNT(*) FROM dead_letters") == 0
        assert ledger.one("SELECT COUNT(*) FROM epochs") == 2


async def test_a_sale_made_while_the_lot_was_cut_off_is_the_lot_s_booking_afterwards(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger, open_cloud(tmp_path, clock) as cloud:
        async with linked(ledger, cloud):
            lender = await lent(ledger, cloud, clock)
        sold = await cloud.submit(a_purchase())
        await lender.passes(sold)
        async with linked(ledger, cloud):
            await level(ledger, cloud)

        merged = lender.now_of(sold)
        assert (merged.session, merged.plate, merged.state) == (sold.session, "ABC1234", "parked")


async def test_a_lot_that_was_restored_gets_its_rows_back_before_it_decides(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_cloud(tmp_path, clock) as cloud:
        async with open_ledger(tmp_path, clock=clock) as ledger, linked(ledger, cloud):
            await lent(ledger, cloud, clock)
            backup = backed_up(ledger.path)
            await ledger.submit(a_booking("CAR 1"))
            await cloud.submit(a_purchase("CAR 2"))
            await level(ledger, cloud)
            whole = rows_in(ledger.path, LOT)
        restore(backup, ledger.path)
        async with open_ledger(tmp_path, clock=clock, seed=1) as ledger:
            await ledger.writer.submit(lambda connection: begin_recovery(connection, LOT))
            async with linked(ledger, cloud):
                await becomes(lambda: cursor_in(ledger.path, LOT, "recovering") is None)
                await level(ledger, cloud)

            assert rows_in(ledger.path, LOT)[: len(whole)] == whole
            assert told(cloud.path) == told(ledger.path)


@pytest.mark.parametrize("seed", range(6))
async def test_returned_rows_that_come_twice_make_no_fork(tmp_path: Path, seed: int) -> None:
    clock = FakeClock()
    broker = FakeBroker(random.Random(seed), loses=0.3, doubles=0.6, swaps=0.5)
    async with open_cloud(tmp_path, clock) as cloud:
        async with open_ledger(tmp_path, clock=clock) as ledger, linked(ledger, cloud):
            await lent(ledger, cloud, clock)
            backup = backed_up(ledger.path)
            for number in range(2):
                await ledger.submit(a_booking(f"CAR {number}"))
            await level(ledger, cloud)
        restore(backup, ledger.path)
        async with open_ledger(tmp_path, clock=clock, seed=1) as ledger:
            await ledger.writer.submit(lambda connection: begin_recovery(connection, LOT))
            async with linked(ledger, cloud, broker):
                await becomes(lambda: cursor_in(ledger.path, LOT, "recovering") is None)
                await level(ledger, cloud)

            assert ledger.one("SELECT COUNT(*) FROM epochs WHERE stream = ?", LOT) == 1


async def test_a_lot_that_decided_after_it_was_restored_goes_on_under_a_new_epoch(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_cloud(tmp_path, clock) as cloud:
        async with open_ledger(tmp_path, clock=clock) as ledger, linked(ledger, cloud):
            await lent(ledger, cloud, clock)
            backup = backed_up(ledger.path)
            await ledger.submit(a_booking("CAR 1"))
            await level(ledger, cloud)
        restore(backup, ledger.path)
        async with open_ledger(tmp_path, clock=clock, seed=1) as ledger:
            await ledger.submit(a_booking("CAR 2"))
            async with linked(ledger, cloud):
                await level(ledger, cloud)
                await ledger.submit(a_booking("CAR 3"))
                await level(ledger, cloud)

            assert ledger.one("SELECT COUNT(*) FROM epochs WHERE stream = ?", LOT) == 2
            gone = cloud.one("SELECT state FROM sessions WHERE plate = 'CAR 1'")
            assert gone == "void"
            assert cloud.one("SELECT kind FROM conflicts") == "unproved"
            open_here = [s for s in told(cloud.path)["sessions"] if "CAR 1" not in s]
            assert open_here == told(ledger.path)["sessions"]
            assert cloud.one("SELECT COUNT(*) FROM dead_letters") == 0


async def test_what_was_sold_before_the_cloud_was_restored_is_not_sold_again(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        async with open_cloud(tmp_path, clock) as cloud:
            async with linked(ledger, cloud):
                await lent(ledger, cloud, clock)
            backup = backed_up(cloud.path)
            sold = await cloud.submit(a_purchase("CAR 1"))
        restore(backup, tmp_path / "cloud.db")
        clock.advance(60)
        async with open_cloud(tmp_path, clock, seed=7) as cloud:
            await cloud.writer.submit(lambda connection: begin_recovery(connection, DOWN))
            async with linked(ledger, cloud):
                await becomes(lambda: cursor_in(cloud.path, DOWN, "recovering") is None)
                with pytest.raises(CallRefusedError) as refused:
                    await cloud.submit(a_purchase("CAR 2"))
                await cloud.allotments.tend()
                await level(ledger, cloud)
            with pytest.raises(CallRefusedError):
                await cloud.submit(a_purchase("CAR 2"))

            assert refused.value.code is ErrorCode.LOT_FULL
            assert Lender(ledger, clock).now_of(sold).state == "allotted"


async def test_a_cloud_that_was_restored_gets_its_decisions_back_and_sells_what_is_lent_anew(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
            await lent(ledger, cloud, clock)
            backup = backed_up(cloud.path)
            sold = await cloud.submit(a_purchase("CAR 1"))
            await cloud.submit(a_purchase("CAR 2"))
            await level(ledger, cloud)
            whole = rows_in(cloud.path, DOWN)
        restore(backup, tmp_path / "cloud.db")
        clock.advance(60)
        async with open_cloud(tmp_path, clock, seed=7) as cloud:
            await cloud.writer.submit(lambda connection: begin_recovery(connection, DOWN))
            async with linked(ledger, cloud):
                await level_up(ledger, cloud)
                again = await cloud.submit(a_purchase("CAR 3"))
                await level(ledger, cloud)

            assert set(whole) <= set(rows_in(cloud.path, DOWN))
            assert again.session != sold.session
            assert cloud.one("SELECT state FROM sessions WHERE plate = 'CAR 1'") == "reserved"
            assert facts_of(cloud.path) == facts_of(ledger.path)


async def test_a_cloud_that_does_not_know_that_it_was_restored_finds_out_by_the_lot_s_state(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
            await lent(ledger, cloud, clock)
            backup = backed_up(cloud.path)
            await cloud.submit(a_purchase("CAR 1"))
            await level(ledger, cloud)
            whole = rows_in(cloud.path, DOWN)
        restore(backup, tmp_path / "cloud.db")
        async with open_cloud(tmp_path, clock, seed=7) as cloud, linked(ledger, cloud):
            await becomes(lambda: set(whole) <= set(rows_in(cloud.path, DOWN)))
            await level(ledger, cloud)

            assert facts_of(cloud.path) == facts_of(ledger.path)


async def test_a_cloud_that_lost_everything_gets_everything(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
            await lent(ledger, cloud, clock)
            await cloud.submit(a_purchase("CAR 1"))
            await level(ledger, cloud)
            whole = rows_in(cloud.path, DOWN)
        lose(tmp_path / "cloud.db")
        clock.advance(60)
        async with open_cloud(tmp_path, clock, seed=7) as cloud, linked(ledger, cloud):
            await level_up(ledger, cloud)
            sold = await cloud.submit(a_purchase("CAR 2"))
            await level(ledger, cloud)

            assert set(whole) <= set(rows_in(cloud.path, DOWN))
            assert rows_in(cloud.path, LOT) == rows_in(ledger.path, LOT)
            assert facts_of(cloud.path) == facts_of(ledger.path)
            assert sold.lent_asked_at == NOON + timedelta(seconds=60)
