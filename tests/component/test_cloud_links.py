"""The cloud's consumer over a real database."""

from pathlib import Path

import pytest

from parkgraph.journal.chain import Head
from parkgraph.journal.ledger import Moment, write_head
from parkgraph.journal.messages import LotState
from parkgraph.runtime.sqlite import open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.links import LotLinks
from tests.fakes import FakeClock, a_cloud_database, randomness

HEAD = Head(epoch=1, seq=40, hash="0" * 64)


@pytest.mark.parametrize(
    ("head_seq", "asks"), [(40, False), (39, True), (41, True)], ids=["level", "ahead", "behind"]
)
async def test_a_lot_that_says_it_has_more_or_less_is_told_how_far_the_copy_is(
    tmp_path: Path, head_seq: int, *, asks: bool
) -> None:
    connection = a_cloud_database(tmp_path / "cloud.db")
    write_head(connection, "elm", "head", HEAD)
    writer = Writer(connection, tmp_path / "cloud.db")
    clock = FakeClock()
    async with open_reader(tmp_path / "cloud.db") as reader:
        links = LotLinks(
            writer, reader, clock=clock, moment=lambda: Moment(clock.now(), randomness().randbytes)
        )

        answer = await links._store_state(
            "elm", LotState(link="up", head_seq=head_seq), is_retained=False
        )
    await writer.close()

    assert (answer is not None and answer.head == HEAD) is asks
