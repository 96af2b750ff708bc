"""One lane at work: a barrier that is looked at, eyes that see, a ledger that keeps."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parkgraph.journal.ledger import NoLedger
from parkgraph_edge.lanes.lane import Eyes, LaneConfiguration, LaneLoop
from parkgraph_edge.rules.lanes import (
    ADMISSION_LASTS_SECONDS,
    EXIT_PATIENCE_SECONDS,
    ORDER_AGAIN_SECONDS,
)
from parkgraph_edge.store.opening import OpenLot
from tests.builders import EXIT, LOT, a_booking, a_lot, a_reading, a_sighting, another_code
from tests.fakes import FakeBarrier, FakeClock, OpenLedger, open_ledger, randomness
from tests.lane_bench import DOWN, GONE, THERE, THROUGH, a_bench

pytestmark = pytest.mark.hurried


async def test_one_car_comes_in(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))

        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look(is_occupied=True)
        await bench.look(**THROUGH)

        assert bench.orders == [1]
        assert bench.barrier.accepted[0].open_seconds == 5.0
        assert bench.outcomes() == ["opened"]
        assert bench.ledger.types()[2:] == [
            "admission_granted",
            "vend_ordered",
            "vend_finished",
            "crossed",
        ]


async def test_one_car_goes_out(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()

        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look(**THROUGH)

        assert bench.ledger.one("SELECT state FROM sessions") == "completed"
        assert bench.ledger.one("SELECT COUNT(*) FROM spaces WHERE holder IS NOT NULL") == 0


async def test_the_order_is_on_disk_before_the_barrier_hears_of_it(tmp_path: Path) -> None:
    class Witness(FakeBarrier):
        """Notes how many orders another process can read when an order comes."""

        ledger: OpenLedger
        seen: list[int] = []  # noqa: RUF012  one barrier in one test

        async def vend(self, order: Any) -> None:
            self.seen.append(self.ledger.one("SELECT COUNT(*) FROM orders"))
            await super().vend(order)

    clock = FakeClock()
    witness = Witness(clock)
    async with a_bench(tmp_path, clock=clock, barrier=witness) as bench:
        witness.ledger = bench.ledger
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")

        assert witness.seen == [1]


async def test_an_order_whose_commit_took_too_long_is_not_sent(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        bench.switch.takes_seconds = 2.5

        await bench.sees("ABC1234")

        assert bench.orders == []
        assert bench.outcomes() == ["too_late"]


async def test_an_order_for_what_a_slow_barrier_said_long_ago_is_not_sent(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        bench.barrier.takes_seconds = 1.5
        bench.switch.takes_seconds = 0.6

        await bench.sees("ABC1234")

        assert bench.orders == []
        assert bench.outcomes() == ["too_late"]


async def test_nobody_is_let_in_who_is_not_expected(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.look(**THERE)
        await bench.sees("OTHER1")
        await bench.sees("OTHER1")
        await bench.look(60.0)

        assert bench.orders == []
        assert bench.ledger.types() == ["lot_described", "presentation_refused"]


async def test_a_plate_is_asked_about_again_as_its_booking_may_have_come(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.ledger.submit(a_booking("ABC1234"))

        await bench.look(0.5)
        early = list(bench.orders)
        await bench.look(2.0)

        assert (early, bench.orders) == ([], [1])


async def test_who_was_refused_by_one_frame_is_let_in_as_soon_as_frames_agree(
    tmp_path: Path,
) -> None:
    may_say = a_reading("ABC1234", A8C1234=-2.0)
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("A8C1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234", frames=1, alternatives=may_say)
        alone = list(bench.orders)

        await bench.sees("ABC1234", frames=2, alternatives=may_say)

        assert (alone, bench.orders) == ([], [1])
        assert bench.ledger.types().count("presentation_refused") == 1


async def test_frames_that_agree_more_and_more_are_not_asked_about_each_time(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.look(**THERE)
        for frames in (1, 2, 1, 2, 3):
            await bench.sees("ABC1234", frames=frames)

        assert bench.switch.submitted == 2


async def test_what_was_read_while_a_code_was_typed_is_recorded_with_it(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        session = await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC7234")
        await bench.types(session.gate_code)

        personal = bench.ledger.one("SELECT personal FROM journal WHERE type = 'admission_granted'")
        assert personal == '{"plate":"ABC7234"}'


async def test_a_sighting_of_the_car_before_is_not_recorded_with_a_code(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        session = await bench.ledger.submit(a_booking("ABC1234"))
        await bench.sees("ABC7234")
        await bench.look(**THERE)
        await bench.types(session.gate_code)

        assert bench.orders == [1]
        personal = bench.ledger.one("SELECT personal FROM journal WHERE type = 'admission_granted'")
        assert personal is None


async def test_a_sighting_of_the_car_before_is_never_used(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.sighting = a_sighting("ABC1234", taken_at=bench.clock.boot_seconds())

        await bench.look(1.0, **THERE)
        await bench.look(10.0)

        assert bench.orders == []


async def test_the_eyes_attend_while_somebody_waits_and_not_otherwise(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.look()
        before = list(bench.attended)
        await bench.look(**THERE)

        assert (before, len(bench.attended)) == ([], 1)


async def test_a_code_lets_its_car_in_and_no_second_one(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        session = await bench.ledger.submit(a_booking())

        await bench.look(**THERE)
        await bench.types(session.gate_code)
        await bench.look(**THROUGH)
        await bench.look(**THERE)
        await bench.types(session.gate_code)

        assert bench.orders == [1]


async def test_a_code_that_is_typed_where_no_car_stands_is_never_used_later(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        session = await bench.ledger.submit(a_booking())

        await bench.types(session.gate_code)
        await bench.look(**THERE)
        await bench.look(10.0)

        assert bench.orders == []


async def test_what_was_typed_before_the_gateway_started_is_never_used(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        session = await ledger.submit(a_booking())
    clock = FakeClock()
    typed = FakeBarrier(clock, is_armed=True, keypad_entries=3, keypad_digits=session.gate_code)

    async with a_bench(tmp_path, clock=clock, barrier=typed) as bench:
        await bench.look()

        assert bench.orders == []


async def test_wrong_guesses_lock_the_keypad(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        session = await bench.ledger.submit(a_booking())
        await bench.look(**THERE)
        for _ in range(3):
            await bench.types(another_code(session.gate_code))

        await bench.types(session.gate_code)
        locked = list(bench.orders)
        await bench.look(21.0)
        await bench.types(session.gate_code)

        assert (locked, bench.orders) == ([], [1])


async def test_an_order_that_got_lost_is_followed_by_a_new_one_with_a_new_id(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.barrier.loses_orders = True
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        bench.barrier.loses_orders = False
        await bench.look(ORDER_AGAIN_SECONDS - 1)
        early = list(bench.orders)

        await bench.look(2.0)
        await bench.look(is_occupied=True)
        await bench.look(**THROUGH)

        assert (early, bench.orders) == ([], [2])
        assert bench.outcomes() == ["failed", "opened"]
        assert bench.ledger.types().count("admission_granted") == 1
        assert bench.ledger.types()[-1] == "crossed"


async def test_an_order_under_a_token_that_another_has_passed_is_refused_and_recorded_so(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        bench.barrier.state = replace(bench.barrier.state, token=10 * 256)
        await bench.sees("ABC1234")

        assert bench.outcomes() == ["refused"]
        assert bench.orders == []


async def test_an_order_whose_boom_does_not_move_has_failed_and_another_goes_out(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.barrier.opens = False
        await bench.look(**THERE)
        await bench.sees("ABC1234")

        await bench.look(ORDER_AGAIN_SECONDS + 0.1)

        assert bench.orders == [1, 2]
        assert bench.outcomes() == ["failed", None]


async def test_who_has_left_gets_no_other_order(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look()
        await bench.look(1.0, **GONE, **DOWN)
        await bench.look(60.0)
        await bench.look(60.0)

        assert bench.orders == [1]
        assert bench.ledger.types()[-1] == "admission_lapsed"


async def test_an_admission_that_timed_out_is_asked_for_anew(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look()
        await bench.look(ADMISSION_LASTS_SECONDS + 1, **DOWN)
        lapsed = bench.ledger.types()[-1]

        await bench.sees("ABC1234")

        assert lapsed == "admission_lapsed"
        assert bench.ledger.types().count("admission_granted") == 2


async def test_who_follows_the_admitted_car_is_counted(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look(**GONE, **DOWN, passages=2)

        assert bench.ledger.types()[-2:] == ["crossed", "crossed_unadmitted"]


async def test_a_barrier_that_is_away_is_asked_again_and_nothing_happens_meanwhile(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.barrier.is_away = True
        await bench.look(**THERE)
        bench.barrier.is_away = False
        await bench.look()
        await bench.sees("ABC1234")

        assert bench.orders == [1]


async def test_after_a_restart_the_car_under_the_boom_has_crossed_and_no_order_is_repeated(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    barrier = FakeBarrier(clock)
    async with a_bench(tmp_path, clock=clock, barrier=barrier) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        before = barrier.state
    again = FakeBarrier(clock)
    again.state = before
    async with a_bench(tmp_path, clock=clock, barrier=again) as bench:
        await bench.look(is_occupied=True)
        await bench.look(**THROUGH)

        assert bench.orders == []
        assert bench.outcomes() == ["too_late"]
        assert bench.ledger.types()[-1] == "crossed"


async def test_after_a_restart_the_admitted_car_is_looked_at_anew_and_ordered_for_anew(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    barrier = FakeBarrier(clock)
    async with a_bench(tmp_path, clock=clock, barrier=barrier) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        before = barrier.state
    again = FakeBarrier(clock)
    again.state = replace(before, is_closed=True, is_open=False, angle_degrees=0.0)
    async with a_bench(tmp_path, clock=clock, barrier=again) as bench:
        await bench.look(ORDER_AGAIN_SECONDS + 0.1)
        unseen = list(again.accepted)
        await bench.sees("ABC1234")

        (order,) = again.accepted
        assert unseen == []
        assert (order.token, order.order) > (before.token, before.last_order)
        assert order.token % 256 == 1


async def test_with_slow_commits_an_exit_still_opens(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        bench.switch.takes_seconds = 2.5
        await bench.look(**THERE)

        await bench.sees("ABC1234")

        assert bench.orders != []


async def test_a_sighting_that_is_hardly_sure_or_long_ago_lets_nobody_in(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        now = bench.clock.boot_seconds()

        bench.sighting = replace(a_sighting("ABC1234", taken_at=now), confidence=0.3)
        await bench.look()
        bench.sighting = a_sighting("ABC1234", taken_at=now)
        await bench.look(6.0)

        assert bench.orders == []


async def test_an_exit_lets_out_whom_nobody_knows_after_a_while(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.look(**THERE)
        await bench.look(EXIT_PATIENCE_SECONDS - 1)
        early = list(bench.orders)
        await bench.look(2.0)
        await bench.look(**THROUGH)

        assert (early, bench.orders) == ([], [1])
        assert bench.ledger.types()[-1] == "crossed"


async def test_an_entry_lets_nobody_in_for_waiting_long(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.look(**THERE)
        await bench.look(10 * EXIT_PATIENCE_SECONDS)

        assert bench.orders == []


async def test_without_a_ledger_an_entry_stays_shut(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        session = await bench.ledger.submit(a_booking("ABC1234"))
        bench.switch.is_away = True
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.types(session.gate_code)
        await bench.look(10 * EXIT_PATIENCE_SECONDS)

        assert bench.orders == []


async def test_without_a_ledger_an_exit_opens_and_the_crossing_is_recorded_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        bench.switch.is_away = True
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        opened = list(bench.orders)
        await bench.look(**THROUGH)
        await bench.look(5.0)
        meanwhile = bench.ledger.types()
        bench.switch.is_away = False

        await bench.look(5.0)
        await bench.look(5.0)

        assert len(opened) == 1
        assert "crossed_unadmitted" not in meanwhile
        assert bench.ledger.types().count("crossed_unadmitted") == 1


async def test_without_a_ledger_an_exit_opens_also_for_whom_no_camera_reads(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        bench.switch.is_away = True
        await bench.look(**THERE)
        await bench.look(EXIT_PATIENCE_SECONDS + 1)

        assert len(bench.orders) == 1


async def test_what_an_exit_saw_without_a_ledger_is_handed_over_before_the_new_start(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        bench.switch.is_away = True
        await bench.look(**THERE)
        await bench.look(**THROUGH)

        await bench.lanes[0].hand_over(bench.ledger.ledger)
        await bench.lanes[0].hand_over(bench.ledger.ledger)

        assert bench.ledger.types() == ["lot_described", "crossed_unadmitted"]


async def test_an_exit_that_started_without_a_ledger_opens(tmp_path: Path) -> None:
    clock = FakeClock()
    barrier = FakeBarrier(clock, token=700, last_order=9)
    lane = LaneLoop(
        LaneConfiguration(LOT, "south-out", EXIT, open_seconds=5.0),
        barrier,
        Eyes(newest=lambda: None, attend=lambda _: None),
        NoLedger("the disk is away"),
        clock=clock,
        random=randomness().randbytes,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(lane.run())
        await barrier.look(is_armed=True)
        clock.advance(EXIT_PATIENCE_SECONDS + 1)
        await barrier.look()
        task.cancel()

    (order,) = barrier.accepted
    assert (order.token, order.order) > (700, 9)


async def test_a_crossing_that_could_not_be_recorded_is_recorded_once(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look()
        bench.switch.is_away = True
        await bench.look(**THROUGH)
        await bench.look(0.5)
        bench.switch.is_away = False
        await bench.look(2.0)
        await bench.look(2.0)

        assert bench.ledger.types().count("crossed") == 1
        assert bench.ledger.one("SELECT state FROM sessions") == "parked"
