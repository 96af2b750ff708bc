"""A short slice of each harness; `python -m tests.faults` has more of each."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

ROOT: Final = Path(__file__).parents[2]
CANNOT_RUN_HERE: Final = 3


def a_slice_of(harness: str, *options: str, folder: Path) -> dict[str, Any]:
    """Run a harness and return its figures. What cannot run here is skipped, and not passed."""
    file = folder / "result.json"
    command = [sys.executable, "-m", "tests.faults", harness, *options]
    done = subprocess.run(
        [*command, "--folder", str(folder), "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == CANNOT_RUN_HERE:
        pytest.skip(f"not counted as passed: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    figures: dict[str, Any] = json.loads(file.read_text())
    return figures


def test_what_was_acknowledged_outlives_power_cuts_that_a_lazier_writer_does_not(
    tmp_path: Path,
) -> None:
    found = a_slice_of("power-cuts", "--cuts=4", "--reference-cuts=2", folder=tmp_path)

    assert found["cuts"] == {"ext4": 2, "xfs": 2}
    assert found["acknowledged"] > 0
    assert found["lost"] == 0
    assert found["reference_lost"] > 0


def test_killed_at_any_system_call_the_gateway_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    series = ("--series", "first-start-writes", "writes")

    found = a_slice_of("syscall-kills", "--to=30", "--step=30", *series, folder=tmp_path)

    assert sum(found["kills"].values()) == 2
    assert found["lost"] == 0


def test_killed_in_the_middle_of_a_stay_the_vehicle_still_comes_in_and_gets_out_once(
    tmp_path: Path,
) -> None:
    found = a_slice_of("stay-kills", "--to=1", "--step=1", "--series", "writes", folder=tmp_path)

    assert (found["stays"], found["lost"], found["collisions"]) == (1, 0, 0)


def test_when_syncs_fail_nothing_more_is_acknowledged(tmp_path: Path) -> None:
    found = a_slice_of(
        "syscall-kills", "--to=6", "--step=5", "--series", "failing-syncs", folder=tmp_path
    )

    assert found["failing_syncs"] == found["ended"] + found["exit_only"] == 2


def test_on_a_full_disk_callers_are_asked_to_wait_until_there_is_room(tmp_path: Path) -> None:
    found = a_slice_of("disk-full", "--rounds=2", folder=tmp_path)

    assert found["refused"] > 0
    assert found["lost"] == 0


def test_every_row_arrives_once_and_in_order_over_a_broker_that_is_killed(tmp_path: Path) -> None:
    options = ("--rows=600", "--lots=1", "--faults=2", "--longest=1")

    found = a_slice_of("broker-chaos", *options, folder=tmp_path)

    assert found["rows"] >= 600
    assert found["converged_after_seconds"] is not None


def test_after_a_network_lost_all_packets_one_way_lot_and_cloud_are_equal(tmp_path: Path) -> None:
    options = ("--cuts=2", "--longest=1", "--rows=600")

    found = a_slice_of("one-way-cut", *options, folder=tmp_path)

    assert found["rows"] >= 600
    assert found["converged_after_seconds"] is not None
