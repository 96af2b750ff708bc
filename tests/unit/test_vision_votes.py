"""Frames vote on a plate."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from parkgraph_edge.vision.plates import PlateReading
from parkgraph_edge.vision.votes import (
    MOST_READINGS,
    MOST_TRACKS,
    STILL_LIKELY_NATS,
    Followed,
    Vote,
    follow,
)

HERE = (100, 100, 220, 140)
ELSEWHERE = (700, 400, 820, 440)


def a_reading(
    text: str,
    confidence: float = 0.8,
    *,
    box: tuple[int, int, int, int] = HERE,
    doubtful: int | None = None,
) -> PlateReading:
    characters = [0.9] * len(text)
    if doubtful is not None:
        characters[doubtful] = 0.4
    return PlateReading(text, confidence, tuple(characters), box)


def votes_on(*frames: list[PlateReading], every_seconds: float = 0.1) -> list[Vote]:
    """Return the votes after the last of `frames`."""
    followed = Followed()
    for number, readings in enumerate(frames):
        followed = follow(followed.tracks, readings, number * every_seconds)
    return list(followed.votes)


def test_two_frames_that_agree_are_a_vote() -> None:
    votes = votes_on([a_reading("ABC1234")], [a_reading("ABC1234")])

    assert [(vote.text, vote.frames, vote.taken_at) for vote in votes] == [("ABC1234", 2, 0.1)]


def test_one_frame_alone_is_no_vote() -> None:
    assert votes_on([a_reading("ABC1234", 0.9)]) == []


def test_one_very_sure_frame_is_a_vote() -> None:
    votes = votes_on([a_reading("ABC1234", 0.99)])

    assert [(vote.text, vote.frames) for vote in votes] == [("ABC1234", 1)]


def test_a_doubtful_character_is_outvoted() -> None:
    good, bad = a_reading("ABC1234"), a_reading("ABC1284", doubtful=5)

    votes = votes_on([bad], [good], [good])

    assert [(vote.text, vote.frames) for vote in votes] == [("ABC1234", 2)]


def test_a_frame_that_disagrees_confirms_nothing() -> None:
    good, bad = a_reading("ABC1234"), a_reading("ABC1284", doubtful=5)

    assert votes_on([good], [good], [bad]) == []


def test_a_frame_to_which_it_is_still_likely_agrees() -> None:
    good, bad = a_reading("ABC1234"), a_reading("ABC1284", 0.4, doubtful=5)
    torn = replace(bad, alternatives=(("ABC1284", 0.0), ("ABC1234", STILL_LIKELY_NATS)))
    sure = replace(bad, alternatives=(("ABC1284", 0.0), ("ABC1234", STILL_LIKELY_NATS - 0.1)))

    assert [(vote.text, vote.frames) for vote in votes_on([good], [torn])] == [("ABC1234", 2)]
    assert votes_on([good], [sure]) == []


def test_a_lost_character_is_outvoted() -> None:
    votes = votes_on([a_reading("BC1234")], [a_reading("ABC1234")], [a_reading("ABC1234")])

    assert [vote.text for vote in votes] == ["ABC1234"]


def test_an_o_read_for_a_zero_agrees() -> None:
    votes = votes_on([a_reading("AB0123")], [a_reading("ABO123")], [a_reading("AB0123")])

    assert [(vote.text, vote.frames) for vote in votes] == [("AB0123", 3)]


def test_disagreement_costs_confidence() -> None:
    good, bad = a_reading("ABC1234"), a_reading("ABC1284", doubtful=5)

    [unanimous] = votes_on([good], [good], [good])
    [split] = votes_on([good], [bad], [good])

    assert split.confidence < unanimous.confidence


def test_another_plate_at_the_same_place_is_counted_anew() -> None:
    votes = votes_on([a_reading("ABC1234")], [a_reading("ABC1234")], [a_reading("XYZ9876")])

    assert votes == []


def test_two_cars_in_one_picture_are_not_mixed() -> None:
    frame = [a_reading("ABC1234"), a_reading("ABC1284", box=ELSEWHERE)]

    votes = votes_on(frame, frame)

    assert [vote.text for vote in votes] == ["ABC1234", "ABC1284"]


def test_a_plate_seen_long_ago_does_not_count() -> None:
    assert votes_on([a_reading("ABC1234")], [a_reading("ABC1234")], every_seconds=2.0) == []


def test_frames_add_up_what_the_plate_may_say() -> None:
    either = (("ABC1234", 0.0), ("ABC1284", -1.0))
    one = replace(a_reading("ABC1234"), alternatives=either)
    other = replace(a_reading("ABC1234"), alternatives=(("ABC1234", 0.0), ("ABC1264", -1.0)))

    [vote] = votes_on([one], [one], [one])
    [mixed] = votes_on([one], [other])

    assert vote.alternatives == (("ABC1234", 0.0), ("ABC1284", -2.0))
    # What one of the frames did not think of is all but out.
    assert mixed.alternatives == (("ABC1234", 0.0),)


def test_a_plate_on_which_no_frames_agree_is_counted_when_it_is_gone() -> None:
    followed = follow((), [a_reading("ABC1234"), a_reading("XYZ9876", box=ELSEWHERE)], 0.0)
    followed = follow(followed.tracks, [a_reading("ABC1234")], 0.1)
    assert followed.disagreed == 0

    assert follow(followed.tracks, [], 5.0).disagreed == 1


@given(
    st.lists(
        st.lists(
            st.builds(
                a_reading,
                st.text("AB01", min_size=4, max_size=6),
                st.floats(0, 1),
                box=st.sampled_from([HERE, ELSEWHERE]),
            ),
            max_size=12,
        ),
        max_size=30,
    )
)
def test_whatever_is_read_memory_and_confidence_are_bounded(
    frames: list[list[PlateReading]],
) -> None:
    followed = Followed()
    for number, readings in enumerate(frames):
        followed = follow(followed.tracks, readings, number / 10)

        assert len(followed.tracks) <= MOST_TRACKS
        assert all(len(track.ballots) <= MOST_READINGS for track in followed.tracks)
        assert all(0 <= vote.confidence <= 1.000001 for vote in followed.votes)
        assert all(vote.taken_at == number / 10 for vote in followed.votes)
