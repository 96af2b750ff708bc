"""A short slice of `python -m tests.fuzz`, which has much more."""

from pathlib import Path

import pytest

from parkgraph.front.openapi import OPERATIONS
from tests.fuzz.campaign import campaign
from tests.fuzz.tables import show

CASES = 150


@pytest.mark.parametrize("side", ["lot", "cloud"])
def test_calls_made_up_from_the_document_are_answered_as_it_says(side: str, tmp_path: Path) -> None:
    tally = campaign(side, tmp_path, cases=CASES, seed=1, tell=lambda _: None)

    assert tally.is_clean, "\n".join(show(tally))
    assert tally.cases >= CASES
    assert len(tally.statuses) == len(OPERATIONS)
