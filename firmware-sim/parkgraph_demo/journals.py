"""What the streams of lot and cloud hold, read beside the programs that write them."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from parkgraph.journal.chain import Row, stream_of_cloud
from parkgraph.runtime.sqlite import Reader, open_reader

_ROWS_AFTER: Final = (
    "SELECT seq, at, actor, subject, type, body, personal, salt, digest, hash"
    " FROM journal WHERE stream = :stream AND seq > :seq ORDER BY seq LIMIT 1000"
)


async def rows_after(reader: Reader, stream: str, seq: int) -> list[Row]:
    """Return the next rows of `stream` in this database."""
    found = await reader.all(_ROWS_AFTER, {"stream": stream, "seq": seq})
    return [Row.of(dict(columns)) for columns in found]


async def every_row(database: Path, *streams: str) -> AsyncIterator[Row]:
    """Yield all rows of `streams` in `database`, in order."""
    async with open_reader(database) as reader:
        for stream in streams:
            seq = 0
            while rows := await rows_after(reader, stream, seq):
                for row in rows:
                    yield row
                seq = rows[-1].seq


async def compare(lot: str, edge: Path, cloud: Path) -> tuple[int, int, int, int]:
    """Count the rows at the lot and in the cloud, those that one lacks, and those held twice.

    Both streams count: what the lot decided, and what the cloud decided for it.
    """
    streams = lot, stream_of_cloud(lot)
    here = Counter([row.hash async for row in every_row(edge, *streams)])
    there = Counter([row.hash async for row in every_row(cloud, *streams)])
    lost = len(here.keys() ^ there.keys())
    doubled = sum(count - 1 for side in (here, there) for count in side.values())
    return here.total(), there.total(), lost, doubled
