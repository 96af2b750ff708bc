"""A lot and the cloud, over real databases: what each owns the other has in the end."""

import random
from datetime import timedelta
from pathlib import Path

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
    epochs_in,
    lent,
    lent_anew,
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
from tests.lending import Lender, a_purchase

pytestmark = pytest.mark.hurried


async def ask_for_what_is_lost(owner: OpenLedger | OpenCloud, stream: str) -> None:
    """Let `owner` decide nothing in `stream` before its copy has returned what it has."""
    await owner.writer.submit(lambda connection: begin_recovery(connection, stream))


async def has_asked(owner: OpenLedger | OpenCloud, stream: str) -> None:
    await becomes(lambda: cursor_in(owner.path, stream, "recovering") is None)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_broker_does_both_journals_and_all_facts_agree_in_the_end(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock, seed: int
) -> None:
    chance = random.Random(seed)
    loses, doubles, swaps = (chance.uniform(0, 0.4) for _ in range(3))
    broker = FakeBroker(chance, loses=loses, doubles=doubles, swaps=swaps)
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
    assert set_aside_in(cloud.path) == []
    assert ledger.one("SELECT COUNT(*) FROM epochs") == 2


async def test_a_sale_made_while_the_lot_was_cut_off_is_the_lot_s_booking_afterwards(
    ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with linked(ledger, cloud):
        lender = await lent(ledger, cloud, clock)
    sold = await cloud.submit(a_purchase())
    await lender.passes(sold)
    async with linked(ledger, cloud):
        await level(ledger, cloud)

    merged = lender.now_of(sold)
    assert (merged.session, merged.plate, merged.state) == (sold.session, "ABC1234", "parked")


async def test_a_lot_that_was_restored_gets_its_rows_back_before_it_decides(
    tmp_path: Path, cloud: OpenCloud, clock: FakeClock
) -> None:
    async with open_ledger(tmp_path, clock=clock) as ledger, linked(ledger, cloud):
        await lent(ledger, cloud, clock)
        backup = backed_up(ledger.path)
        await ledger.submit(a_booking("CAR 1"))
        await cloud.submit(a_purchase("CAR 2"))
        await level(ledger, cloud)
        whole = rows_in(ledger.path, LOT)
    restore(backup, ledger.path)
    async with open_ledger(tmp_path, clock=clock, seed=1) as ledger:
        await ask_for_what_is_lost(ledger, LOT)
        async with linked(ledger, cloud):
            await has_asked(ledger, LOT)
            await level(ledger, cloud)

        assert rows_in(ledger.path, LOT)[: len(whole)] == whole
        assert told_in(cloud.path) == told_in(ledger.path)


@pytest.mark.parametrize("seed", range(6))
async def test_returned_rows_that_come_twice_make_no_fork(
    tmp_path: Path, cloud: OpenCloud, clock: FakeClock, seed: int
) -> None:
    broker = FakeBroker(random.Random(seed), loses=0.3, doubles=0.6, swaps=0.5)
    async with open_ledger(tmp_path, clock=clock) as ledger, linked(ledger, cloud):
        await lent(ledger, cloud, clock)
        backup = backed_up(ledger.path)
        for number in range(2):
            await ledger.submit(a_booking(f"CAR {number}"))
        await level(ledger, cloud)
    restore(backup, ledger.path)
    async with open_ledger(tmp_path, clock=clock, seed=1) as ledger:
        await ask_for_what_is_lost(ledger, LOT)
        async with linked(ledger, cloud, broker):
            await has_asked(ledger, LOT)
            await level(ledger, cloud)

        assert epochs_in(ledger.path, LOT) == 1


async def test_a_lot_that_decided_after_it_was_restored_goes_on_under_a_new_epoch(
    tmp_path: Path, cloud: OpenCloud, clock: FakeClock
) -> None:
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

        assert epochs_in(ledger.path, LOT) == 2
        gone = cloud.one("SELECT state FROM sessions WHERE plate = 'CAR 1'")
        assert gone == "void"
        assert cloud.one("SELECT kind FROM conflicts") == "unproved"
        open_here = [s for s in told_in(cloud.path)["sessions"] if "CAR 1" not in s]
        assert open_here == told_in(ledger.path)["sessions"]
        assert set_aside_in(cloud.path) == []


async def test_what_was_sold_before_the_cloud_was_restored_is_not_sold_again(
    tmp_path: Path, ledger: OpenLedger, clock: FakeClock
) -> None:
    async with open_cloud(tmp_path, clock) as cloud:
        async with linked(ledger, cloud):
            await lent(ledger, cloud, clock)
        backup = backed_up(cloud.path)
        sold = await cloud.submit(a_purchase("CAR 1"))
    restore(backup, cloud.path)
    clock.advance(60)
    async with open_cloud(tmp_path, clock, seed=7) as cloud:
        await ask_for_what_is_lost(cloud, DOWN)
        async with linked(ledger, cloud):
            await has_asked(cloud, DOWN)
            with pytest.raises(CallRefusedError) as refused:
                await cloud.submit(a_purchase("CAR 2"))
            await cloud.allotments.tend()
            await level(ledger, cloud)
        with pytest.raises(CallRefusedError):
            await cloud.submit(a_purchase("CAR 2"))

        assert refused.value.code is ErrorCode.LOT_FULL
        assert Lender(ledger, clock).now_of(sold).state == "allotted"


async def test_a_cloud_that_was_restored_gets_its_decisions_back_and_sells_what_is_lent_anew(
    tmp_path: Path, ledger: OpenLedger, clock: FakeClock
) -> None:
    async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
        await lent(ledger, cloud, clock)
        backup = backed_up(cloud.path)
        sold = await cloud.submit(a_purchase("CAR 1"))
        await cloud.submit(a_purchase("CAR 2"))
        await level(ledger, cloud)
        whole = rows_in(cloud.path, DOWN)
    restore(backup, cloud.path)
    clock.advance(60)
    async with open_cloud(tmp_path, clock, seed=7) as cloud:
        await ask_for_what_is_lost(cloud, DOWN)
        async with linked(ledger, cloud):
            await lent_anew(ledger, cloud)
            again = await cloud.submit(a_purchase("CAR 3"))
            await level(ledger, cloud)

        assert set(whole) <= set(rows_in(cloud.path, DOWN))
        assert again.session != sold.session
        assert cloud.one("SELECT state FROM sessions WHERE plate = 'CAR 1'") == "reserved"
        assert facts_of(cloud.path) == facts_of(ledger.path)


async def test_a_cloud_that_does_not_know_that_it_was_restored_finds_out_by_the_lot_s_state(
    tmp_path: Path, ledger: OpenLedger, clock: FakeClock
) -> None:
    async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
        await lent(ledger, cloud, clock)
        backup = backed_up(cloud.path)
        await cloud.submit(a_purchase("CAR 1"))
        await level(ledger, cloud)
        whole = rows_in(cloud.path, DOWN)
    restore(backup, cloud.path)
    async with open_cloud(tmp_path, clock, seed=7) as cloud, linked(ledger, cloud):
        await becomes(lambda: set(whole) <= set(rows_in(cloud.path, DOWN)))
        await level(ledger, cloud)

        assert facts_of(cloud.path) == facts_of(ledger.path)


async def test_a_cloud_that_lost_everything_gets_everything(
    tmp_path: Path, ledger: OpenLedger, clock: FakeClock
) -> None:
    async with open_cloud(tmp_path, clock) as cloud, linked(ledger, cloud):
        await lent(ledger, cloud, clock)
        await cloud.submit(a_purchase("CAR 1"))
        await level(ledger, cloud)
        whole = rows_in(cloud.path, DOWN)
    lose(cloud.path)
    clock.advance(60)
    async with open_cloud(tmp_path, clock, seed=7) as cloud, linked(ledger, cloud):
        await lent_anew(ledger, cloud)
        sold = await cloud.submit(a_purchase("CAR 2"))
        await level(ledger, cloud)

        assert set(whole) <= set(rows_in(cloud.path, DOWN))
        assert rows_in(cloud.path, LOT) == rows_in(ledger.path, LOT)
        assert facts_of(cloud.path) == facts_of(ledger.path)
        assert sold.lent_asked_at == NOON + timedelta(seconds=60)
