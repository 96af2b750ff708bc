"""A slice of the simulation: a few short histories, and that each goes the same way again."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.simulation.options import draw
from tests.simulation.run import simulate
from tests.simulation.shrink import read_regressions


def simulated(*arguments: str, hash_seed: str = "0") -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own, as a history needs one for itself."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


def last(lines: Sequence[str], word: str) -> str:
    return next(line for line in reversed(lines) if line.startswith(word))


@pytest.mark.timeout(120)
def test_nothing_is_lost_doubled_oversold_or_trapped_in_a_few_short_histories() -> None:
    run = simulated("--seeds", "4", "--first", "1", "--hours", "0.7", "--jobs", "2", "--no-shrink")

    assert " lost=0 duplicated=0 oversold=0 trapped=0 violations=0 " in run.stdout, run.stdout
    assert run.returncode == 0


@pytest.mark.timeout(120)
def test_a_seed_goes_the_same_way_in_another_process() -> None:
    runs = [simulated("--seed", "2", "--hours", "0.6", hash_seed=seed) for seed in ("1", "2")]

    digests = [last(run.stdout.splitlines(), "digest") for run in runs]
    assert digests[0] == digests[1]


@pytest.mark.timeout(120)
def test_all_leave_when_a_history_closes_however_long_they_meant_to_stay() -> None:
    options = dataclasses.replace(draw(2, hours=0.6), long_stay_share=1.0)

    result = simulate(2, options, faults=[])

    assert result.violations == ()
    assert result.counts["gone"] > 0
    assert "inside" not in result.counts


@pytest.mark.timeout(300)
@pytest.mark.skipif(not read_regressions(), reason="nothing was violated yet")
def test_what_was_violated_once_is_not_violated_again() -> None:
    run = simulated("--regressions")

    assert run.returncode == 0, run.stdout
