"""Planted bugs: every patch applies, and a slice of them is found at once."""

import subprocess
from pathlib import Path

import pytest

from tests.simulation.planted import BUGS, ROOT, hunt, names


def test_there_are_bugs_enough() -> None:
    assert len(names()) >= 25


@pytest.mark.parametrize("name", names())
def test_every_planted_bug_still_applies_and_says_what_it_is(name: str) -> None:
    patch = BUGS / f"{name}.patch"

    checked = subprocess.run(
        ["git", "apply", "--check", "--unidiff-zero", str(patch)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, f"make {Path(patch).name} anew: {checked.stderr}"
    assert patch.read_text().startswith("# ")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["a_space_goes_to_two", "synchronous_normal"])
def test_a_planted_bug_is_found(name: str) -> None:
    found = hunt(name, seeds=3)

    assert found.is_found, f"{name} was not found in {found.seeds} seeds"
