"""A camera's stream is cut into pictures, whatever its chunks, and never without a bound."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.vision.mjpeg import LONGEST_HEADERS, PartParser, public_name

PICTURES = [b"first \r\n\r\n picture", b"", b"third\r\n--other\r\n"]


def a_stream(pictures: list[bytes], *, with_length: bool) -> bytes:
    stream = b""
    for picture in pictures:
        length = b"Content-Length: %d\r\n" % len(picture) if with_length else b""
        stream += b"--edge\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + picture + b"\r\n"
    return stream + b"--edge\r\n"


@given(cuts=st.lists(st.integers(0, 250), max_size=12), with_length=st.booleans())
def test_the_chunks_of_a_stream_do_not_matter(*, cuts: list[int], with_length: bool) -> None:
    stream = a_stream(PICTURES, with_length=with_length)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    parser = PartParser("edge")

    parts = [part for start, end in pairwise(edges) for part in parser.feed(stream[start:end])]

    assert parts == PICTURES


def test_a_boundary_given_with_its_dashes_is_understood() -> None:
    parts = PartParser("--edge").feed(a_stream([b"one"], with_length=True))

    assert parts == [b"one"]


def test_half_a_picture_is_not_a_picture() -> None:
    stream = a_stream([b"0123456789"], with_length=True)

    assert PartParser("edge").feed(stream[:-20]) == []


@pytest.mark.parametrize("with_length", [True, False])
def test_an_oversized_picture_is_refused_before_it_is_held(*, with_length: bool) -> None:
    stream = a_stream([b"x" * 50_000], with_length=with_length)
    parser = PartParser("edge", largest=1000)

    with pytest.raises(CorruptError, match="larger than 1000 bytes"):
        parser.feed(stream[:1200])


def test_endless_headers_are_refused() -> None:
    with pytest.raises(CorruptError, match="no part begins"):
        PartParser("edge").feed(b"--edge\r\n" + b"X: y\r\n" * LONGEST_HEADERS)


def test_a_body_without_the_boundary_is_refused() -> None:
    with pytest.raises(CorruptError, match="boundary"):
        PartParser("edge").feed(b"<html>\r\n\r\n</html>")


def test_user_password_and_query_are_never_named() -> None:
    name = public_name("http://admin:secret@10.0.0.7:81/stream.mjpg?token=abc")

    assert name == "http://10.0.0.7:81/stream.mjpg"
