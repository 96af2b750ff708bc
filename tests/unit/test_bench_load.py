"""The load generator counts what was acknowledged, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.bench.load import LOST, booking, load

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_server(talk: Talk) -> AsyncIterator[int]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answering(*statuses: str) -> Talk:
    """Answer each request of a connection with the next of `statuses`, then with the last."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = list(statuses)
        while head := await reader.readline():
            while (line := await reader.readline()).strip():
                head += line
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
            status = left.pop(0) if len(left) > 1 else left[0]
            writer.write(f"HTTP/1.1 {status} Word\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()

    return talk


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.close()


async def test_only_a_201_is_acknowledged() -> None:
    async with a_server(answering("409", "503", "201")) as port:
        seen = await load(port=port, key="pk_live_x", connections=2, seconds=0.1)

    assert seen.statuses["409"] == seen.statuses["503"] == 2
    assert seen.acknowledged == seen.statuses["201"] > 0
    assert seen.per_second > 0


async def test_a_connection_that_is_lost_is_told() -> None:
    async with a_server(hanging_up) as port:
        seen = await load(port=port, key="pk_live_x", connections=3, seconds=0.1)

    assert seen.statuses == {LOST: 3}
    assert seen.acknowledged == 0


def test_no_two_bookings_are_alike() -> None:
    made = {
        booking(connection, number, port=1, key="k")
        for connection in range(4)
        for number in range(4)
    }

    assert len(made) == 16
