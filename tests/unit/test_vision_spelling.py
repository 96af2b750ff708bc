"""From chances to texts: the likeliest, and what else it may be."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.plates import fold
from parkgraph_edge.vision.spelling import (
    ALPHABET,
    LEAST_NATS,
    MOST_ALTERNATIVES,
    Alternatives,
    Chances,
    agreed,
    alternatives,
    characters,
    joined,
)

Step = dict[str, float]


def chances_of(*steps: Step) -> Chances:
    """Return the chances of `steps`: each maps characters, "" the blank, to chances."""
    chances = np.full((len(steps), 1 + len(ALPHABET)), 1e-9, np.float32)
    for row, step in zip(chances, steps, strict=True):
        for character, chance in step.items():
            row[1 + ALPHABET.index(character) if character else 0] = chance
    logarithms: Chances = np.log(chances / chances.sum(axis=1, keepdims=True))
    return logarithms


def text_of(chances: Chances) -> str:
    return "".join(character.text for character in characters(chances))


def test_a_character_over_several_steps_is_one() -> None:
    chances = chances_of({"A": 0.7, "": 0.3}, {"A": 0.9, "": 0.1}, {"": 1.0}, {"7": 0.8, "": 0.2})

    assert text_of(chances) == "A7"
    assert [round(one.chance, 2) for one in characters(chances)] == [0.9, 0.8]


def test_a_blank_between_makes_it_two() -> None:
    assert text_of(chances_of({"A": 1.0}, {"": 1.0}, {"A": 1.0})) == "AA"


def test_nothing_but_blanks_is_no_text() -> None:
    assert text_of(chances_of({"": 1.0})) == ""
    assert alternatives(chances_of({"": 1.0}, {"": 1.0})) == ()


def test_an_alternative_says_how_much_less_likely_it_is() -> None:
    [best, other] = alternatives(chances_of({"A": 1.0}, {"8": 0.9, "B": 0.1}))

    assert best == ("A8", 0.0)
    assert other[0] == "AB"
    assert other[1] == pytest.approx(math.log(1 / 9), abs=1e-3)


def test_twins_are_one_alternative() -> None:
    assert alternatives(chances_of({"O": 0.5, "0": 0.3, "Q": 0.2})) == (("0", 0.0),)


def spelled(path: tuple[str, ...]) -> str:
    """Return what CTC makes of one path: repeats are one, blanks fall out."""
    return fold("".join(key for key, _ in itertools.groupby(path)))


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["", "A", "7"]), st.floats(0.05, 1), min_size=1),
        min_size=1,
        max_size=4,
    )
)
def test_the_alternatives_are_those_of_all_ways_to_spell(steps: list[Step]) -> None:
    totals: dict[str, float] = {}
    for path in itertools.product(*(step.items() for step in steps)):
        text = spelled(tuple(character for character, _ in path))
        chance = math.prod(
            value / sum(step.values()) for (_, value), step in zip(path, steps, strict=True)
        )
        totals[text] = totals.get(text, 0.0) + chance
    totals.pop("", None)

    found = dict(alternatives(chances_of(*steps)))

    best = max(totals.values(), default=1.0)
    for text, chance in totals.items():
        if math.log(chance / best) > LEAST_NATS + 0.1 and best > 1e-3:
            assert found[text] == pytest.approx(math.log(chance / best), abs=0.05)


any_alternatives = st.dictionaries(
    st.text("AB01", min_size=1, max_size=3), st.floats(LEAST_NATS, 0), max_size=40
).map(lambda texts: tuple(sorted(texts.items(), key=lambda one: -one[1])))


@given(st.lists(any_alternatives, max_size=4))
def test_frames_agree_in_any_order_and_within_bounds(frames: list[Alternatives]) -> None:
    together = agreed(frames)

    assert dict(agreed(frames[::-1])) == pytest.approx(dict(together))
    assert len(together) <= MOST_ALTERNATIVES
    assert all(LEAST_NATS <= nats <= 0 for _, nats in together)
    assert not together or together[0][1] == 0


@given(any_alternatives, any_alternatives)
def test_two_lines_say_at_most_so_many_things(upper: Alternatives, lower: Alternatives) -> None:
    both = joined(upper, lower)

    assert len(both) <= MOST_ALTERNATIVES
    assert list(both) == sorted(both, key=lambda one: -one[1])
