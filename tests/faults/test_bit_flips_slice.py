"""A short slice of the bit flips; `python -m tests.faults bit-flips` has more."""

import argparse
from pathlib import Path

from tests.faults.bit_flips import BitFlips, run


async def test_no_flipped_bit_is_used(tmp_path: Path) -> None:
    result = BitFlips()

    await run(argparse.Namespace(flips=250, seed=3, result=result), tmp_path)

    assert result.violations == []
    assert result.is_complete
    assert result.changed > 10
    assert result.found_by_verify == result.changed
    assert result.found_at_start + result.found_in_use + result.not_seen_in_use == result.changed
