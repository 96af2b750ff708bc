"""What the journals of lot and cloud hold, read beside the programs that write them."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from parkgraph.journal.chain import Row
from parkgraph.runtime.sqlite import Reader, open_reader

_ROWS_AFTER: Final = (
    "SELECT seq, at, actor, subject, type, body, personal, salt, digest, hash"
    " FROM journal WHERE seq > :seq ORDER BY seq LIMIT 1000"
)


async def rows_after(reader: Reader, seq: int) -> list[Row]:
    """Return the next rows of the one journal in this database."""
    return [Row.of(dict(columns)) for columns in await reader.all(_ROWS_AFTER, {"seq": seq})]


async def every_row(database: Path) -> AsyncIterator[Row]:
    """Yield all rows of the one journal in `database`, in order."""
    async with open_reader(database) as reader:
        seq = 0
        while rows := await rows_after(reader, seq):
            for row in rows:
                yield row
            seq = rows[-1].seq


async def compare(lot: Path, cloud: Path) -> tuple[int, int, int, int]:
    """Count the lot's rows, the cloud's, those the cloud lacks, and those it has more than once."""
    ours = [row.hash async for row in every_row(lot)]
    theirs = Counter([row.hash async for row in every_row(cloud)])
    lost = sum(1 for own in ours if own not in theirs)
    doubled = sum(count - 1 for count in theirs.values())
    return len(ours), theirs.total(), lost, doubled
