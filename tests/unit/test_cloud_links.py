"""What the cloud believes of a lot's state."""

from parkgraph.journal.messages import LotState
from parkgraph_cloud.links import newest

UP = LotState(link="up", at="2026-11-22T20:00:00+00:00", head_seq=40, occupied=7, spaces=40)
LATER = UP.model_copy(update={"head_seq": 50})
WILL = LotState(link="down")


def test_a_will_takes_the_link_and_leaves_the_rest_as_it_was_last_told() -> None:
    assert newest(UP, WILL, is_retained=False) == UP.model_copy(update={"link": "down"})


def test_a_will_that_comes_again_tells_nothing_new() -> None:
    assert newest(UP.model_copy(update={"link": "down"}), WILL, is_retained=True) is None


def test_a_retained_state_is_older_than_what_was_heard_since() -> None:
    assert newest(LATER, UP, is_retained=True) is None


def test_the_first_word_of_a_lot_is_taken_even_when_the_broker_had_kept_it() -> None:
    assert newest(None, UP, is_retained=True) == UP


def test_a_lot_that_speaks_again_is_up() -> None:
    assert newest(UP.model_copy(update={"link": "down"}), LATER, is_retained=False) == LATER
