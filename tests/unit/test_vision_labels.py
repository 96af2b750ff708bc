"""How readings are judged by labels, and followed to passages."""

import pytest

from parkgraph_edge.vision.labels import Judged, Label, Score, edits, judge
from parkgraph_edge.vision.passages import Passages
from parkgraph_edge.vision.plates import Looked, PlateReading, Rejected, Rejection
from parkgraph_edge.vision.report import REASONS

BOX = (100, 100, 200, 150)
LABEL = Label((100.0, 100.0, 200.0, 150.0), "KLM4827")


def a_reading(
    text: str, box: tuple[int, int, int, int] = BOX, *, confidence: float = 0.8
) -> PlateReading:
    return PlateReading(text, confidence, (confidence,) * len(text), box)


def test_the_box_that_lies_best_on_a_plate_is_its_reading() -> None:
    looked = Looked(
        [a_reading("OTHER", (160, 100, 260, 150), confidence=0.9), a_reading("KLM4827")]
    )

    [judged] = judge([LABEL], looked)

    assert (judged.text, judged.overlap, judged.is_found) == ("KLM4827", 1.0, True)


def test_a_plate_that_was_seen_but_not_read_is_found() -> None:
    [judged] = judge([LABEL], Looked([], [Rejected(Rejection.BLURRED, BOX)]))

    assert (judged.is_found, judged.text, judged.is_exact) == (True, "", False)


def test_a_box_that_hardly_lies_on_a_plate_says_nothing_of_it() -> None:
    [judged] = judge([LABEL], Looked([a_reading("KLM4827", (195, 145, 300, 200))]))

    assert (judged.is_found, judged.text) == (False, "")


def test_a_score_counts_texts_only_where_they_are_known() -> None:
    score = Score()
    for text, label in (("KLM4827", "KLM4827"), ("KLN4827", "KLM4827"), ("O", "0"), ("AB1", "")):
        score.add(Judged(Label(LABEL.box, label), text, 0.9, 0.7))

    assert score == Score(plates=4, found=4, known=3, exact=1, folded=2, edits=2, characters=15)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "ABC", 3), ("ABC", "ABC", 0), ("AXC", "ABC", 1), ("AB", "B", 1)],
)
def test_edits_are_the_fewest_changes(one: str, other: str, count: int) -> None:
    assert edits(one, other) == count


def test_a_plate_that_is_gone_has_passed() -> None:
    passages = Passages()
    for at in (0.0, 0.2, 0.4):
        passages.see([a_reading("KLM4827")], at)

    [passed] = passages.see([], 3.0)

    assert passed.vote is not None
    assert (passed.vote.text, passed.began_seconds, passed.ended_seconds) == ("KLM4827", 0.0, 0.4)
    assert (passed.frames, passages.end()) == (3, [])


def test_two_cars_at_once_are_two_passages() -> None:
    passages = Passages()
    for at in (0.0, 0.2):
        passages.see([a_reading("KLM4827"), a_reading("BUS1234", (600, 100, 700, 150))], at)

    passed = passages.end()

    assert sorted(one.vote.text for one in passed if one.vote) == ["BUS1234", "KLM4827"]


def test_a_plate_on_whose_text_no_frames_agree_has_no_vote() -> None:
    passages = Passages()
    passages.see([a_reading("KLM4827", confidence=0.3)], 0.0)

    [passed] = passages.end()

    assert (passed.vote, passed.frames) == (None, 1)


def test_each_reason_to_reject_has_words() -> None:
    assert set(REASONS) == set(Rejection)
