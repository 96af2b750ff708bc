"""The cloud sells what a lot has lent, and nothing else."""

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.journal.apply import apply
from parkgraph.journal.epochs import begin_epoch, begin_recovery
from parkgraph.journal.messages import LotState
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.loans import HOLD, margin
from parkgraph.model.records import (
    AllotmentGranted,
    AllotmentReturned,
    AllotmentsAsked,
    Personal,
    SpaceClass,
    parse_record,
)
from parkgraph.model.sessions import Session, SessionState
from parkgraph_cloud.allotments import ClockWatch
from parkgraph_cloud.links import _SQL as LINKS
from parkgraph_cloud.sales import ASK_AGAIN, ASK_THE_EMPTY, Cancel, Tend
from tests.builders import LOT, NOON, RATES, a_crossing, a_grant
from tests.fake_link import DOWN, OpenCloud, open_cloud
from tests.fakes import FakeClock, journal_of
from tests.lending import ACCESSIBLE, AUTONOMOUS, LOAN, STANDARD, a_mixed_lot, a_purchase

LAST_SALE = LOAN - margin(LOAN) - HOLD


@dataclass(frozen=True, slots=True)
class Seller:
    """The cloud, with what a lot told it put in by hand."""

    cloud: OpenCloud
    clock: FakeClock

    async def told(self, *records: Any, lot: str = LOT) -> None:
        at = self.clock.now().isoformat()
        for record in records:
            await self.cloud.writer.submit(functools.partial(apply, lot, at, record))

    async def has(self, *spaces: str, kind: SpaceClass = STANDARD, lot: str = LOT) -> None:
        """Let the lot lend `spaces`, asked for now."""
        await self.told(a_mixed_lot(dict.fromkeys(spaces, kind)), lot=lot)
        for number, space in enumerate(spaces):
            await self.told(self.granted(f"sess_{space}", space, number), lot=lot)

    def granted(self, session: str, space: str, number: int = 0) -> AllotmentGranted:
        return AllotmentGranted(
            session=session,
            space=space,
            entry_lane="north-in",
            rates=RATES,
            asked_at=self.clock.now(),
            lasts_seconds=int(LOAN.total_seconds()),
            personal=Personal(gate_code=f"12345678{number}"),
        )

    async def link(self, state: str) -> None:
        body = LotState.model_validate({"link": state}).model_dump_json()
        parameters = {"lot": LOT, "body": body, "received_at": NOON.isoformat()}
        await self.cloud.writer.submit(lambda c: c.execute(LINKS["put_state"], parameters))

    async def buy(self, plate: str | None = "ABC1234", **changes: Any) -> Session:
        return await self.cloud.submit(a_purchase(plate, **changes))

    async def refused(self, plate: str | None = "ABC1234", **changes: Any) -> CallRefusedError:
        with pytest.raises(CallRefusedError) as refusal:
            await self.buy(plate, **changes)
        return refusal.value

    async def tend(self, *, is_clock_wrong: bool = False, is_linked: bool = True) -> list[Any]:
        """Return what the cloud decides for the lot when it looks."""
        before = len(journal_of(self.cloud.path, DOWN))
        await self.cloud.submit(Tend(LOT, is_clock_wrong=is_clock_wrong, is_linked=is_linked))
        rows = journal_of(self.cloud.path, DOWN)[before:]
        return [parse_record(row.body, row.personal) for row in rows]


@pytest.fixture
async def seller(tmp_path: Path) -> AsyncIterator[Seller]:
    clock = FakeClock()
    async with open_cloud(tmp_path, clock) as cloud:
        yield Seller(cloud, clock)


# Selling


async def test_a_buyer_gets_the_id_the_space_and_the_code_that_the_lot_prepared(
    seller: Seller,
) -> None:
    await seller.has("S-1")

    sold = await seller.buy()

    assert (sold.session, sold.space, sold.gate_code) == ("sess_S-1", "S-1", "123456780")
    assert (sold.state, sold.hold_until) == (SessionState.RESERVED, NOON + HOLD)


async def test_what_was_sold_is_not_sold_again(seller: Seller) -> None:
    await seller.has("S-1")
    await seller.buy("CAR 1")

    assert (await seller.refused("CAR 2")).code is ErrorCode.LOT_OFFLINE


async def test_the_same_request_gets_the_same_stay(seller: Seller) -> None:
    await seller.has("S-1", "S-2")

    first = await seller.buy(request="r1")
    again = await seller.buy(request="r1")

    assert again == first


async def test_the_same_request_for_another_vehicle_is_refused(seller: Seller) -> None:
    await seller.has("S-1", "S-2")
    await seller.buy("CAR 1", request="r1")

    refusal = await seller.refused("CAR 2", request="r1")

    assert (refusal.code, refusal.field) == (ErrorCode.CONFLICT, "Idempotency-Key")


async def test_one_vehicle_has_one_stay_at_a_lot(seller: Seller) -> None:
    await seller.has("S-1", "S-2")
    await seller.buy()

    assert (await seller.refused()).code is ErrorCode.CONFLICT


async def test_one_vehicle_has_one_stay_also_when_it_is_known_by_its_vin(seller: Seller) -> None:
    await seller.has("S-1", "S-2")
    await seller.buy(None, vin="1HGCM826X4A004352")

    assert (await seller.refused("CAR 2", vin="1HGCM826X4A004352")).code is ErrorCode.CONFLICT


async def test_a_vehicle_with_a_driver_gets_no_space_of_the_driverless(seller: Seller) -> None:
    await seller.has("A-1", kind=AUTONOMOUS)

    assert (await seller.refused()).code is ErrorCode.LOT_OFFLINE


async def test_a_driverless_vehicle_gets_a_standard_space_when_its_own_are_sold(
    seller: Seller,
) -> None:
    await seller.has("S-1")

    assert (await seller.buy(autonomous=True)).space == "S-1"


@pytest.mark.parametrize("autonomous", [True, False])
async def test_nobody_is_sold_an_accessible_space(seller: Seller, *, autonomous: bool) -> None:
    await seller.has("H-1", kind=ACCESSIBLE)

    assert (await seller.refused(autonomous=autonomous)).code is ErrorCode.LOT_OFFLINE


async def test_a_loan_is_sold_up_to_the_last_who_can_come_in_time(seller: Seller) -> None:
    await seller.has("S-1")
    seller.clock.advance(LAST_SALE.total_seconds())

    assert (await seller.buy()).space == "S-1"


async def test_nothing_is_sold_after_the_last_who_can_come_in_time(seller: Seller) -> None:
    await seller.has("S-1")
    seller.clock.advance(LAST_SALE.total_seconds() + 1)

    assert (await seller.refused()).code is ErrorCode.LOT_OFFLINE


async def test_a_lot_that_can_be_reached_and_has_lent_nothing_is_full(seller: Seller) -> None:
    await seller.has()
    await seller.link("up")

    assert (await seller.refused()).code is ErrorCode.LOT_FULL


async def test_where_a_lot_is_cut_off_the_caller_hears_of_others(seller: Seller) -> None:
    await seller.has()
    await seller.has("S-1", lot="oak-street")

    refusal = await seller.refused()

    assert refusal.code is ErrorCode.LOT_OFFLINE
    assert "oak-street" in refusal.message


async def test_a_lot_that_is_not_known_is_not_found(seller: Seller) -> None:
    assert (await seller.refused()).code is ErrorCode.NOT_FOUND


async def test_a_cloud_that_waits_for_its_decisions_sells_nothing(seller: Seller) -> None:
    await seller.has("S-1")
    await seller.cloud.writer.submit(lambda c: begin_recovery(c, DOWN))

    assert (await seller.refused()).code is ErrorCode.LOT_OFFLINE


async def test_what_was_lent_before_the_cloud_lost_something_is_not_sold(seller: Seller) -> None:
    await seller.has("S-1")
    await seller.tend()
    seller.clock.advance(1)
    moment = seller.cloud.ledger.moment()
    await seller.cloud.writer.submit(lambda c: begin_epoch(c, DOWN, moment, why="lost"))

    assert (await seller.refused()).code is ErrorCode.LOT_OFFLINE


async def test_a_journal_that_was_only_shortened_takes_nothing_from_what_may_be_sold(
    seller: Seller,
) -> None:
    await seller.has("S-1")
    await seller.tend()
    seller.clock.advance(1)
    moment = seller.cloud.ledger.moment()
    await seller.cloud.writer.submit(lambda c: begin_epoch(c, DOWN, moment, why="compaction"))

    assert (await seller.buy()).space == "S-1"


async def test_nothing_is_sold_by_a_clock_that_ran_backwards(seller: Seller) -> None:
    await seller.has("S-1")
    seller.clock.advance(3600)
    await ClockWatch(seller.cloud.writer, seller.clock).ran_backwards()
    seller.clock.advance(-1800)

    assert (await seller.refused()).code is ErrorCode.LOT_OFFLINE


# Cancelling


async def test_a_buyer_cancels_what_he_bought(seller: Seller) -> None:
    await seller.has("S-1")
    sold = await seller.buy()

    cancelled = await seller.cloud.submit(Cancel(LOT, "1", sold.session))

    assert cancelled.state is SessionState.CANCELLED
    assert seller.cloud.one("SELECT holder FROM spaces") == sold.session


async def test_a_buyer_who_has_come_cannot_cancel(seller: Seller) -> None:
    await seller.has("S-1")
    sold = await seller.buy()
    await seller.told(a_grant(sold.session))

    with pytest.raises(CallRefusedError, match="awaited"):
        await seller.cloud.submit(Cancel(LOT, "1", sold.session))


async def test_a_buyer_who_came_before_the_lot_heard_that_he_cancelled_is_parked(
    seller: Seller,
) -> None:
    await seller.has("S-1")
    sold = await seller.buy()
    await seller.cloud.submit(Cancel(LOT, "1", sold.session))

    await seller.told(a_grant(sold.session), a_crossing(sold.session))

    assert seller.cloud.one("SELECT state FROM sessions") == "parked"


async def test_nothing_is_cancelled_while_the_cloud_waits_for_its_decisions(
    seller: Seller,
) -> None:
    await seller.has("S-1")
    sold = await seller.buy()
    await seller.cloud.writer.submit(lambda c: begin_recovery(c, DOWN))

    with pytest.raises(CallRefusedError, match="restored"):
        await seller.cloud.submit(Cancel(LOT, "1", sold.session))


# Asking


async def test_a_lot_is_asked_as_soon_as_it_is_linked(seller: Seller) -> None:
    await seller.has()

    assert await seller.tend(is_linked=False) == []
    assert await seller.tend() == [AllotmentsAsked(asked_at=NOON, unsold=())]


async def test_a_lot_is_not_asked_again_at_once(seller: Seller) -> None:
    await seller.has("S-1", "S-2", "S-3", "S-4")
    await seller.tend()
    seller.clock.advance(3600)

    assert await seller.tend() == []


async def test_a_lot_is_asked_again_when_half_of_what_it_lends_is_sold(seller: Seller) -> None:
    await seller.has("S-1", "S-2", "S-3", "S-4")
    await seller.tend()
    seller.clock.advance(ASK_AGAIN.total_seconds() + 1)
    await seller.buy("CAR 1")
    before = await seller.tend()
    await seller.buy("CAR 2")

    (asked,) = await seller.tend()

    assert before == []
    assert asked.unsold == ("sess_S-3", "sess_S-4")


async def test_a_lot_is_asked_again_after_a_quarter_of_the_time(seller: Seller) -> None:
    await seller.has("S-1")
    await seller.tend()
    seller.clock.advance(LOAN.total_seconds() / 4)
    before = await seller.tend()
    seller.clock.advance(1)

    assert before == []
    assert [type(record) for record in await seller.tend()] == [AllotmentsAsked]


async def test_a_lot_that_lends_nothing_is_not_asked_every_half_minute(seller: Seller) -> None:
    await seller.has()
    await seller.tend()
    seller.clock.advance(ASK_THE_EMPTY.total_seconds())
    before = await seller.tend()
    seller.clock.advance(1)

    assert before == []
    assert len(await seller.tend()) == 1


async def test_nothing_is_asked_while_the_cloud_waits_for_its_decisions(seller: Seller) -> None:
    await seller.has("S-1")
    await seller.cloud.writer.submit(lambda c: begin_recovery(c, DOWN))

    assert await seller.tend(is_clock_wrong=True) == []


# A clock that cannot be trusted


async def test_when_the_clock_ran_backwards_everything_unsold_is_returned(seller: Seller) -> None:
    await seller.has(*(f"S-{number}" for number in range(300)))
    await seller.buy("CAR 1")

    records = await seller.tend(is_clock_wrong=True, is_linked=False)

    assert [type(record) for record in records] == [AllotmentReturned] * 299


async def test_what_was_asked_for_in_the_future_is_returned(seller: Seller) -> None:
    seller.clock.advance(3600)
    await seller.has("S-1")
    seller.clock.advance(-3600)

    assert await seller.tend(is_linked=False) == [AllotmentReturned(session="sess_S-1")]


async def ran_backwards(watch: ClockWatch) -> bool:
    answer = await watch.ran_backwards()
    await watch.trust()
    return answer


async def test_a_clock_that_runs_on_is_trusted(seller: Seller) -> None:
    watch = ClockWatch(seller.cloud.writer, seller.clock)

    answers = []
    for _ in range(3):
        answers.append(await ran_backwards(watch))
        seller.clock.advance(10)

    assert answers == [False, False, False]


async def test_a_clock_that_was_put_back_is_found_out_once(seller: Seller) -> None:
    watch = ClockWatch(seller.cloud.writer, seller.clock)
    await ran_backwards(watch)
    seller.clock._now -= timedelta(minutes=5)

    assert [await ran_backwards(watch), await ran_backwards(watch)] == [True, False]


async def test_a_clock_that_was_put_back_while_the_cloud_was_off_is_found_out(
    seller: Seller,
) -> None:
    await ran_backwards(ClockWatch(seller.cloud.writer, seller.clock))
    later = FakeClock(NOON - timedelta(hours=1), boot_seconds=5.0)

    assert await ran_backwards(ClockWatch(seller.cloud.writer, later))


async def test_a_clock_that_jumped_ahead_and_back_is_found_out_when_it_is_back(
    seller: Seller,
) -> None:
    watch = ClockWatch(seller.cloud.writer, seller.clock)
    await ran_backwards(watch)
    seller.clock._now += timedelta(hours=8)
    ahead = await ran_backwards(watch)
    seller.clock._now -= timedelta(hours=8)

    assert [ahead, await ran_backwards(watch)] == [False, True]


async def test_a_clock_stays_under_suspicion_until_everything_was_returned(
    seller: Seller,
) -> None:
    watch = ClockWatch(seller.cloud.writer, seller.clock)
    await ran_backwards(watch)
    seller.clock._now -= timedelta(minutes=5)
    await watch.ran_backwards()

    again = await watch.ran_backwards()
    after_restart = await ClockWatch(seller.cloud.writer, seller.clock).ran_backwards()

    assert (again, after_restart) == (True, True)
