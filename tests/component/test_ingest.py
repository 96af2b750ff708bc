"""The cloud's consumer over a real database."""

from pathlib import Path

import pytest

from parkgraph.journal.chain import Head
from parkgraph.journal.ledger import MIGRATIONS, write_head
from parkgraph.journal.link import LotState
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.ingest import Ingest
from tests.fakes import FakeClock, a_database

HEAD = Head(epoch=1, seq=40, hash="0" * 64)


@pytest.mark.parametrize(
    ("head_seq", "asks"), [(40, False), (39, False), (41, True)], ids=["level", "late", "behind"]
)
async def test_a_lot_that_says_it_has_more_is_told_how_far_the_copy_is(
    tmp_path: Path, head_seq: int, *, asks: bool
) -> None:
    connection = a_database(tmp_path / "cloud.db", MIGRATIONS, "parkgraph_cloud.migrations")
    write_head(connection, "elm", "head", HEAD)
    writer = Writer(connection, tmp_path / "cloud.db")
    ingest = Ingest(writer, clock=FakeClock())

    answer = await ingest._store_state(
        "elm", LotState(link="up", head_seq=head_seq), is_retained=False
    )
    await writer.close()

    assert (answer is not None and answer.head == HEAD) is asks
