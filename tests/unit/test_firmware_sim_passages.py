"""What two loops tell."""

from parkgraph_firmware_sim.passages import Passage, follow

NEITHER, ARMING, BOTH, CLOSING = (False, False), (True, False), (True, True), (False, True)


def count(*readings: tuple[bool, bool]) -> int:
    passage, passages = Passage.NONE, 0
    for arming, closing in readings:
        passage, has_ended = follow(passage, arming=arming, closing=closing)
        passages += has_ended
    return passages


def test_forward_over_both_loops_is_a_passage() -> None:
    assert count(ARMING, BOTH, CLOSING, NEITHER) == 1


def test_back_off_the_closing_loop_before_the_rear_is_past_is_none() -> None:
    assert count(ARMING, BOTH, ARMING, NEITHER) == 0


def test_the_next_car_on_the_arming_loop_after_commitment_changes_nothing() -> None:
    assert count(ARMING, BOTH, CLOSING, BOTH, ARMING) == 1


def test_what_comes_from_inside_and_goes_back_is_none() -> None:
    assert count(CLOSING, BOTH, CLOSING, NEITHER) == 0


def test_readings_that_stay_the_same_change_nothing() -> None:
    assert count(ARMING, ARMING, BOTH, BOTH, CLOSING, CLOSING, NEITHER, NEITHER) == 1
