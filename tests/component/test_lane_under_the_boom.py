"""Who is under the boom and not counted yet is not taken for the one behind."""

from pathlib import Path

from parkgraph_edge.rules.lanes import UNDER_BOOM_SECONDS
from tests.builders import EXIT
from tests.lane_bench import THERE, a_bench


async def test_nobody_is_let_out_while_somebody_not_counted_yet_is_under_the_boom(
    tmp_path: Path,
) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        await bench.look(is_occupied=True, is_closed=False)

        await bench.look(**THERE, is_occupied=True)
        await bench.sees("ABC1234")
        waiting = list(bench.orders)
        await bench.look(passages=1, is_occupied=False)
        await bench.sees("ABC1234")

        assert waiting == []
        assert bench.orders == [1]
        assert bench.ledger.one("SELECT state FROM sessions") == "leaving"


async def test_a_closing_loop_that_sticks_traps_nobody(tmp_path: Path) -> None:
    async with a_bench(tmp_path, EXIT) as bench:
        await bench.park()
        await bench.look(**THERE, is_occupied=True)
        await bench.look(UNDER_BOOM_SECONDS + 1)

        await bench.sees("ABC1234")

        assert bench.orders == [1]
