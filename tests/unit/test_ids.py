"""Identifiers sort by the time they were made."""

import re
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.ids import RANDOM_BYTES, new_id
from tests.builders import NOON

randoms = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
times = st.integers(0, 10**12).map(lambda ms: NOON + timedelta(milliseconds=ms))


@given(times, randoms)
def test_an_id_is_a_prefix_and_twenty_six_characters(at: datetime, random: bytes) -> None:
    made = new_id("sess", at=at, random=random)

    assert re.fullmatch(r"sess_[0-7][0-9A-HJKMNP-TV-Z]{25}", made)


@given(times, randoms, randoms, st.integers(1, 10**9))
def test_a_later_id_sorts_behind_an_earlier_one(
    at: datetime, random: bytes, other: bytes, later_ms: int
) -> None:
    earlier = new_id("sess", at=at, random=random)
    later = new_id("sess", at=at + timedelta(milliseconds=later_ms), random=other)

    assert earlier < later


def test_two_ids_of_one_millisecond_differ_by_chance_alone() -> None:
    one = new_id("sess", at=NOON, random=bytes(RANDOM_BYTES))
    other = new_id("sess", at=NOON, random=bytes([*[0] * (RANDOM_BYTES - 1), 1]))

    assert one[:-1] == other[:-1]
    assert one != other
