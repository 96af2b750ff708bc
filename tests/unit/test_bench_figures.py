"""What the benchmark makes of what it measured."""

import io

import pytest

from parkgraph_demo.programs import ProgramError
from tests.bench.attack import Calls, Siege
from tests.bench.attackers import Attack
from tests.bench.bookings import Round, commits_in, summaries
from tests.bench.load import Load, percentile_99
from tests.bench.progress import Progress
from tests.bench.tables import show_attack, show_bookings, table


def a_round(server: str, *, per_second: float = 100.0, added_ms: int = 0, **statuses: int) -> Round:
    counted = {name.removeprefix("status_"): count for name, count in statuses.items()}
    return Round(
        server=server,
        connections=64,
        added_ms=added_ms,
        load=Load(
            acknowledged=200,
            per_second=per_second,
            p50_ms=10.0,
            p99_ms=20.0,
            statuses={"201": 200} | counted,
        ),
        sessions_found=200,
        commits=20,
        per_cpu_second=500.0,
        resident_mib=80.0,
    )


def test_a_ratio_is_the_median_of_the_rounds_that_stood_beside_each_other() -> None:
    measured = [
        a_round("gateway", per_second=300), a_round("naive", per_second=100),
        a_round("gateway", per_second=800), a_round("naive", per_second=200),
        a_round("gateway", per_second=500), a_round("naive", per_second=100),
    ]  # fmt: skip

    gateway, naive = summaries(measured)

    assert gateway.to_naive == 4.0
    assert (gateway.lowest, gateway.per_second, gateway.highest) == (300, 500, 800)
    assert naive.to_naive == 1.0


def test_rounds_with_slower_syncs_stand_beside_each_other_alone() -> None:
    measured = [
        a_round("gateway", per_second=200), a_round("naive", per_second=100),
        a_round("gateway", per_second=300, added_ms=4), a_round("naive", per_second=10, added_ms=4),
    ]  # fmt: skip

    found = [(one.server, one.added_ms, one.to_naive) for one in summaries(measured)]

    assert found == [("gateway", 0, 2), ("naive", 0, 1), ("gateway", 4, 30), ("naive", 4, 1)]


def test_a_run_that_was_interrupted_before_the_naive_round_has_no_ratio() -> None:
    (gateway,) = summaries([a_round("gateway")])

    assert gateway.to_naive is None


def test_commits_are_counted_for_each_acknowledged_session() -> None:
    (gateway,) = summaries([a_round("gateway")])

    assert gateway.commits_each == 0.1


def test_answers_other_than_201_are_shown() -> None:
    measured = [a_round("gateway", status_503=3), a_round("gateway", status_503=4)]

    lines = show_bookings(summaries(measured))

    assert lines[-1] == "gateway at 64: 7 times 503"


def test_all_lines_of_the_bookings_fit_a_terminal_of_100_columns() -> None:
    measured = [
        a_round("gateway", per_second=123456, added_ms=4),
        a_round("naive", per_second=123456, added_ms=4),
    ]

    lines = show_bookings(summaries(measured))

    assert max(len(line) for line in lines) <= 100


def test_an_attack_is_told_by_what_honest_callers_noticed() -> None:
    alone = Calls(when="alone", answered=600, p50_ms=2.0, p99_ms=4.0, longest_ms=9.0, refused={})
    attacked = alone.model_copy(
        update={"when": "attacked", "p99_ms": 10.0, "refused": {"429": 2, "hung up": 1}}
    )
    attack = Attack(
        half_open=400, cut_off=399, bad_keys_per_second=1000, statuses={"401": 5, "429": 11995}
    )

    lines = show_attack(Siege(calls=[alone, attacked], attack=attack))

    assert lines == [
        "honest GETs  200s  p50 ms  p99 ms  longest  p99 to alone  refused",
        "alone         600     2.0     4.0      9.0                      0",
        "attacked      600     2.0    10.0      9.0        2.50 x        3",
        "Aim: p99 <= 3 x alone, none refused.",
        "attacked: 2 times 429",
        "attacked: 1 times hung up",
        "400 connections half-open at the end; 399 were cut off and begun anew.",
        "1000 bad keys a second: 5 times 401, 11995 times 429.",
    ]


def test_an_attack_that_was_interrupted_is_told_as_far_as_it_went() -> None:
    assert show_attack(Siege())[-1] == "Aim: p99 <= 3 x alone, none refused."


def test_a_table_has_its_figures_to_the_right() -> None:
    assert table(("what", "now"), [("edge", "123"), ("x", "4")]) == [
        "what  now",
        "edge  123",
        "x       4",
    ]


def test_99_of_100_stay_under_the_99th_percentile() -> None:
    assert percentile_99([float(value) for value in range(100)]) == 99.0
    assert percentile_99([float(value) for value in range(200)]) == 198.0
    assert percentile_99([5.0]) == 5.0
    assert percentile_99([]) == 0.0


def test_commits_are_read_from_the_last_line_that_tells_them() -> None:
    log = 'starting\n{"event": "ledger_closed", "commits": 7}\n{"event": "gateway_stopped"}\n'

    assert commits_in(log) == 7


def test_a_server_that_did_not_close_its_ledger_is_an_error() -> None:
    with pytest.raises(ProgramError, match="did not close"):
        commits_in("killed\n")


def test_progress_counts_the_steps_and_the_time_that_is_left() -> None:
    out = io.StringIO()
    progress = Progress([60.0, 30.0], out=out)

    progress.step("first")
    progress.step("second")

    assert out.getvalue().splitlines() == [
        "[1/2] first · about 90 s left",
        "[2/2] second · about 30 s left",
    ]
