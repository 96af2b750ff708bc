"""How often a call is tried, and how long it waits."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.client.sides import LONGEST_LEAVE_SECONDS, Circuit
from parkgraph.client.tries import (
    LONGEST_CALL,
    LONGEST_PAUSE_SECONDS,
    MOST_TRIES,
    Tries,
    told_pause,
)

SENT = "Mon, 01 Jun 2026 12:00:00 GMT"
SENT_AT = 1_780_315_200


@given(
    timeout=st.floats(0.1, 100),
    chance=st.floats(0, 1, exclude_max=True),
    steps=st.lists(
        st.tuples(st.floats(0, 200), st.none() | st.floats(0, 1_000), st.integers(0, 2)),
        min_size=2 * MOST_TRIES,
        max_size=2 * MOST_TRIES,
    ),
)
def test_a_call_has_few_tries_and_little_time_whatever_it_hears(
    timeout: float, chance: float, steps: list[tuple[float, float | None, int]]
) -> None:
    now = began = 1000.0
    tries = Tries(timeout_seconds=timeout, now=now, random=lambda: chance)
    made, waited = 0, 0.0

    for takes, told, keep in steps:
        within = tries.begin(now)
        made += 1
        assert 0 <= within <= timeout
        now += min(takes, within)
        asked = None if told is None else timedelta(seconds=told)
        pause = tries.pause_seconds(now, asked, keep=keep)
        if pause is None:
            break
        assert (told or 0.0) - 1e-6 <= pause <= (told or 0.0) + LONGEST_PAUSE_SECONDS + 1e-6
        now += pause
        waited += pause

    assert made <= MOST_TRIES
    assert waited <= LONGEST_CALL * timeout
    assert now - began <= LONGEST_CALL * timeout + 1e-6


@given(st.floats(0, 1, exclude_max=True))
def test_the_pause_is_by_chance_from_nothing_to_all_of_what_grows(chance: float) -> None:
    tries = Tries(timeout_seconds=10, now=0, random=lambda: chance)
    pauses = []

    for _ in range(MOST_TRIES - 1):
        tries.begin(0)
        pauses.append(tries.pause_seconds(0))

    assert pauses == [chance * 0.5, chance * 1.0, chance * 2.0]


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "7"}, 7),
        (503, {"retry-after": "0"}, 0),
        (503, {"retry-after": "Mon, 01 Jun 2026 12:00:30 GMT", "date": SENT}, 30),
        (503, {"retry-after": "Mon, 01 Jun 2026 11:00:00 GMT", "date": SENT}, 0),
        (429, {"x-ratelimit-reset": "12"}, 12),
        (429, {"x-ratelimit-reset": "1000000"}, 1_000_000),
        (429, {"x-ratelimit-reset": str(SENT_AT + 12), "date": SENT}, 12),
        (429, {"retry-after": "2", "x-ratelimit-reset": "60"}, 2),
        (429, {"retry-after": "soon", "x-ratelimit-reset": "60"}, 60),
        (503, {"retry-after": "999999999999999"}, 365 * 86_400),
    ],
)
def test_an_answer_says_how_long_to_wait(
    status: int, headers: dict[str, str], seconds: float
) -> None:
    assert told_pause(status, headers) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {}),
        (503, {"x-ratelimit-reset": "12"}),
        (503, {"retry-after": "Mon, 01 Jun 2026 12:00:30 GMT"}),
        (429, {"x-ratelimit-reset": str(SENT_AT)}),
        (429, {"retry-after": "-1"}),
        (429, {"retry-after": "٣"}),
    ],
)
def test_an_answer_that_does_not_say_says_nothing(status: int, headers: dict[str, str]) -> None:
    assert told_pause(status, headers) is None


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_header_is_too_strange(asked: str, reset: str, sent: str) -> None:
    told = told_pause(429, {"retry-after": asked, "x-ratelimit-reset": reset, "date": sent})

    assert told is None or timedelta() <= told <= timedelta(days=365)


def test_the_cloud_is_left_alone_for_longer_each_time_up_to_a_minute() -> None:
    circuit, now, left_alone = Circuit(random=lambda: 0.999), 0.0, []

    for _ in range(6):
        circuit.failed(now, asked_at=now)
        began = now
        while not circuit.lets_through(now):
            now += 0.25
        left_alone.append(now - began)

    assert left_alone == [5, 10, 20, 40, 60, 60]


def test_one_call_finds_out_whether_the_cloud_answers_again() -> None:
    circuit = Circuit(random=lambda: 0.5)
    circuit.failed(0.0, asked_at=0.0)

    assert [circuit.lets_through(4.0) for _ in range(3)] == [True, False, False]


def test_once_the_cloud_has_answered_everybody_asks_it() -> None:
    circuit = Circuit(random=lambda: 0.5)
    circuit.failed(0.0, asked_at=0.0)
    circuit.answered()

    assert [circuit.lets_through(0.1) for _ in range(3)] == [True, True, True]


def test_calls_that_failed_together_count_once() -> None:
    circuit = Circuit(random=lambda: 0.999)
    circuit.failed(1.0, asked_at=0.0)
    circuit.failed(1.0, asked_at=0.5)

    assert circuit.lets_through(6.01)


@given(st.lists(st.tuples(st.sampled_from(["ask", "fail", "answer"]), st.floats(0, 100))))
def test_whatever_happens_the_cloud_is_asked_again_within_a_minute(
    events: list[tuple[str, float]],
) -> None:
    circuit, now = Circuit(random.Random(1).random), 0.0

    for what, after in events:
        now += after
        if what == "ask":
            circuit.lets_through(now)
        elif what == "fail":
            circuit.failed(now, asked_at=now)
        else:
            circuit.answered()

    assert circuit.lets_through(now + LONGEST_LEAVE_SECONDS)
