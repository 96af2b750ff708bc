"""What is written in one turn of the loop leaves in one piece."""

import asyncio
from collections.abc import Callable

import pytest

from parkgraph.runtime.corked import MOST_HELD, Corked


class Wire(asyncio.Transport):
    """A transport that keeps what it was told to send, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.ended: str | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return self.ended is not None


async def _sent(*turns: Callable[[Corked], None]) -> Wire:
    """Return the wire after one turn of the loop for each of `turns`."""
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    for turn in turns:
        turn(corked)
        await asyncio.sleep(0)
    return wire


def _head_and_body(corked: Corked) -> None:
    corked.write(b"head")
    corked.write(b"body")


async def test_head_and_body_of_an_answer_leave_in_one_piece() -> None:
    wire = await _sent(_head_and_body)
    assert wire.pieces == [b"headbody"]


async def test_what_is_written_in_the_next_turn_is_another_piece() -> None:
    wire = await _sent(_head_and_body, lambda corked: corked.write(b"more"))
    assert wire.pieces == [b"headbody", b"more"]


async def test_what_is_held_is_sent_before_the_close() -> None:
    def last_answer(corked: Corked) -> None:
        _head_and_body(corked)
        corked.close()

    wire = await _sent(last_answer)
    assert (wire.pieces, wire.ended) == ([b"headbody"], "closed")


async def test_nothing_is_sent_after_an_abort() -> None:
    def cut_off(corked: Corked) -> None:
        _head_and_body(corked)
        corked.abort()

    wire = await _sent(cut_off)
    assert (wire.pieces, wire.ended) == ([], "aborted")


@pytest.mark.parametrize("size", [MOST_HELD + 1, 10 * MOST_HELD])
async def test_more_than_is_held_is_sent_in_the_midst_of_a_turn(size: int) -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())
    for _ in range(10):
        corked.write(bytes(size // 10 + 1))
    assert wire.pieces
    await asyncio.sleep(0)
    assert len(b"".join(wire.pieces)) == 10 * (size // 10 + 1)
