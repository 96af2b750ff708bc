"""A lane whose disk hangs: nobody is trapped, and nothing is recorded twice."""

from pathlib import Path

import pytest

from tests.builders import EXIT, a_booking
from tests.fakes import FakeBarrier, FakeClock
from tests.lane_bench import THERE, THROUGH, Bench, a_bench

pytestmark = pytest.mark.hurried


def is_back(bench: Bench) -> None:
    bench.switch.hangs = ""
    bench.switch.goes_on.set()


def state_of(bench: Bench) -> str:
    return str(bench.ledger.one("SELECT state FROM sessions"))


async def test_an_exit_opens_when_the_ledger_does_not_answer(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        bench.switch.hangs = "before"
        await bench.look(**THERE)

        await bench.sees("ABC1234")

        assert len(bench.orders) == 1


async def test_an_entry_stays_shut_when_the_ledger_does_not_answer(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.switch.hangs = "before"
        await bench.look(**THERE)

        await bench.sees("ABC1234")
        await bench.sees("ABC1234")

        assert bench.orders == []


async def test_an_entry_that_was_committed_without_an_answer_is_presented_anew(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.switch.hangs = "after"
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        unanswered = (state_of(bench), list(bench.orders))
        is_back(bench)
        await bench.look(2.0)
        await bench.sees("ABC1234")
        await bench.look(is_occupied=True)
        await bench.look(**THROUGH)

        assert unanswered == ("arriving", [])
        assert len(bench.orders) == 1
        assert state_of(bench) == "parked"
        assert bench.ledger.types().count("admission_granted") == 2
        assert bench.ledger.types().count("admission_lapsed") == 1


async def test_an_entry_that_drove_away_meanwhile_is_awaited_again(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        bench.switch.hangs = "after"
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look(is_armed=False)
        is_back(bench)
        await bench.look(2.0)
        await bench.look(2.0)

        assert state_of(bench) == "reserved"
        assert bench.orders == []


async def test_who_left_by_an_exit_that_got_no_answer_has_left_once(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        bench.switch.hangs = "after"
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        opened = len(bench.orders)
        await bench.look(0.2, **THROUGH)
        is_back(bench)
        await bench.look(2.0)
        await bench.look(2.0)

        assert opened == 1
        assert state_of(bench) == "completed"
        assert bench.ledger.types().count("crossed") == 2  # in, before this test; and out
        assert "crossed_unadmitted" not in bench.ledger.types()


@pytest.mark.parametrize("hangs", ["before", "after"])
async def test_a_crossing_that_got_no_answer_is_recorded_once(tmp_path: Path, hangs: str) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.ledger.submit(a_booking("ABC1234"))
        await bench.look(**THERE)
        await bench.sees("ABC1234")
        await bench.look()
        bench.switch.hangs = hangs  # type: ignore[assignment]
        await bench.look(**THROUGH)
        for _ in range(5):
            await bench.look(2.0)
        is_back(bench)
        await bench.look(2.0)
        await bench.look(2.0)

        assert bench.ledger.types().count("crossed") == 1
        assert state_of(bench) == "parked"


async def test_an_exit_opens_also_while_a_crossing_is_not_recorded_yet(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        bench.switch.hangs = "before"
        await bench.look(passages=1)  # somebody went through an open boom
        await bench.look(**THERE)
        await bench.sees("ABC1234")

        assert len(bench.orders) == 1


async def test_what_a_lane_had_open_is_found_when_a_ledger_that_hung_at_the_start_is_back(
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
    async with a_bench(tmp_path, clock=clock, barrier=again, hangs="before") as bench:
        await bench.look(**THROUGH)
        is_back(bench)
        await bench.look(2.0)
        await bench.look(2.0)

        assert state_of(bench) == "parked"
