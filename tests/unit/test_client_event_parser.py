"""Server-sent events, however their bytes come."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.client import UnreadableAnswerError
from parkgraph.client.events import (
    LONGEST_EVENT_BYTES,
    LONGEST_LINE_BYTES,
    EventParser,
    ServerEvent,
)

# What has a meaning in a stream, and what has none.
PIECES = st.sampled_from(
    (
        *(b"\r\n", b"\n", b"\r", b":", b" ", b"\0", b"a", b"\xc3\xa9", b"\xef\xbb\xbf", b"\xff"),
        *(b"data", b"event", b"id", b"retry", b"data: x\n\n", b"id: 7\r\n"),
    )
)
STREAMS = st.lists(PIECES, max_size=60).map(b"".join)


def parsed(*chunks: bytes) -> list[ServerEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=20))
def test_any_chunking_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(places)]
    bytewise = [bytes([byte]) for byte in stream]

    assert parsed(*chunks) == parsed(stream) == parsed(*bytewise)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "snapshot", "parked"]),
            st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])),
            st.text("0123456789-", max_size=8),
        ),
        max_size=10,
    ),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_what_is_sent_is_what_comes(sent: list[tuple[str, str, str]], line_end: str) -> None:
    lines = [
        line
        for name, data, place in sent
        for line in (f"event: {name}", f"data: {data}", f"id: {place}", "")
    ]
    stream = "".join(line + line_end for line in lines).encode()

    events = parsed(stream)

    assert events == [ServerEvent(name or "message", data, place) for name, data, place in sent]


def test_data_of_many_lines_is_one_text() -> None:
    assert parsed(b"data: one\ndata:two\ndata\n\n") == [ServerEvent("message", "one\ntwo\n", "")]


def test_a_comment_and_an_event_without_data_are_none() -> None:
    assert parsed(b": still there\n\nevent: parked\n\nid: 3\n\n") == []


def test_an_event_that_was_not_sent_whole_is_none() -> None:
    assert parsed(b"data: one\n\ndata: tw") == [ServerEvent("message", "one", "")]


def test_an_event_keeps_the_place_of_the_one_before_where_it_names_none() -> None:
    events = parsed(b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: x\0y\ndata: d\n\n")

    assert [event.place for event in events] == ["7", "7", "", ""]


def test_a_mark_of_the_byte_order_is_left_out_at_the_beginning_only() -> None:
    mark = b"\xef\xbb\xbf"

    assert parsed(mark + b"data: a\n\n" + mark + b"data: b\n\n") == [
        ServerEvent("message", "a", "")
    ]


@pytest.mark.parametrize("chunk_size", [1_000, LONGEST_LINE_BYTES * 2])
def test_a_line_without_end_is_refused_and_not_kept(chunk_size: int) -> None:
    parser = EventParser()
    line = b"x" * (LONGEST_LINE_BYTES + 1)
    chunks = [line[begin : begin + chunk_size] for begin in range(0, len(line), chunk_size)]

    with pytest.raises(UnreadableAnswerError, match="line"):
        _ = [event for chunk in chunks for event in parser.feed(chunk)]

    assert len(parser._unread) <= LONGEST_LINE_BYTES + chunk_size


def test_what_came_before_the_line_without_end_is_told() -> None:
    events = EventParser().feed(b"data: fine\n\n" + b"x" * (LONGEST_LINE_BYTES + 1))

    assert next(events).data == "fine"
    with pytest.raises(UnreadableAnswerError):
        next(events)


def test_an_event_without_end_is_refused() -> None:
    lines = [b"data: " + b"x" * 1_000 + b"\n"] * (LONGEST_EVENT_BYTES // 1_000 + 1)

    with pytest.raises(UnreadableAnswerError, match="event"):
        parsed(*lines)
