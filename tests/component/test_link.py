"""A lot's link: in the end the cloud has the journal, and the lot knows it."""

import asyncio
import contextlib
import random
import sqlite3

import pytest
from pydantic import ValidationError

from parkgraph.journal.chain import Head
from parkgraph.journal.copies import MOST_ROWS
from parkgraph.journal.messages import (
    Acknowledgement,
    Batch,
    every,
    read_topic,
    state_topic,
    topic,
)
from parkgraph.journal.sender import BATCHES_IN_FLIGHT
from parkgraph.runtime.mqtt import Message
from parkgraph.runtime.sqlite import connect
from tests.builders import LOT, a_booking, a_lot
from tests.fake_link import (
    FakeBroker,
    OpenCloud,
    backed_up,
    becomes,
    cursor_in,
    is_copied,
    linked,
    rows_in,
    set_aside_in,
)
from tests.fakes import OpenLedger, Recording, facts_of, until


@pytest.fixture
def broker() -> FakeBroker:
    """Give a broker that tells the cloud of rows alone, so that nothing else can help them."""
    return FakeBroker(hides_states=True)


async def described(ledger: OpenLedger, times: int) -> None:
    for number in range(times):
        await ledger.submit(Recording([a_lot(f"S-{number:03}")]))


async def copied(ledger: OpenLedger, cloud: OpenCloud) -> None:
    """Wait until the cloud has the whole journal and the lot knows it."""
    await becomes(lambda: is_copied(LOT, ledger.path, cloud.path))


def head_at(ledger: OpenLedger, seq: int) -> Head:
    row = ledger.rows()[seq - 1]
    return Head(epoch=ledger.one("SELECT epoch FROM cursors"), seq=seq, hash=row.hash)


def acknowledge(broker: FakeBroker, head: Head, fault: str | None = None) -> None:
    """Say to the lot what the cloud did not."""
    said = Acknowledgement(head=head, fault=fault)
    broker.say(Message(topic(LOT, "acknowledged"), said.model_dump_json().encode()))


@pytest.mark.hurried
async def test_after_a_new_connection_nothing_is_sent_that_was_acknowledged(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker
) -> None:
    await described(ledger, 5)
    async with linked(ledger, cloud, broker):
        await copied(ledger, cloud)
    sent = broker.said("up/rows")

    async with linked(ledger, cloud, broker):
        await asyncio.sleep(60)

    assert broker.said("up/rows") == sent


@pytest.mark.hurried
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_the_broker_does_in_the_end_both_journals_are_equal(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker, seed: int
) -> None:
    chance = broker.chance = random.Random(seed)
    broker.loses, broker.doubles, broker.swaps = (chance.uniform(0, 0.5) for _ in range(3))
    async with linked(ledger, cloud, broker):
        await described(ledger, 30)
        await asyncio.sleep(chance.uniform(0, 5))
        await ledger.submit(a_booking())
    async with linked(ledger, cloud, broker):
        await described(ledger, 30)
        await copied(ledger, cloud)

    assert rows_in(cloud.path, LOT) == rows_in(ledger.path, LOT)
    assert facts_of(cloud.path) == ledger.facts()
    assert set_aside_in(cloud.path) == []


async def test_a_full_window_of_lost_acknowledgements_does_not_shut_the_link(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker
) -> None:
    broker.loses = 1.0
    batches = BATCHES_IN_FLIGHT + 1
    await ledger.submit(Recording([a_lot()] * (batches * MOST_ROWS)))
    first, last = head_at(ledger, MOST_ROWS), head_at(ledger, batches * MOST_ROWS)
    async with linked(ledger, cloud, broker):
        await until(lambda: broker.said("up/rows") == BATCHES_IN_FLIGHT)
        acknowledge(broker, first)
        await until(lambda: broker.said("up/rows") == batches)
        acknowledge(broker, first, fault="a gap")
        acknowledge(broker, last)
        await until(lambda: broker.said("up/rows") == batches + BATCHES_IN_FLIGHT)

        await described(ledger, 1)

        await until(lambda: broker.said("up/rows") == batches + BATCHES_IN_FLIGHT + 1)


@pytest.mark.hurried
async def test_a_connection_that_is_lost_right_after_an_acknowledgement_is_given_up(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker
) -> None:
    async with linked(ledger, cloud, broker):
        for number in range(1, 6):
            await described(ledger, 1)
            await copied(ledger, cloud)
            acknowledge(broker, head_at(ledger, number))
            broker.cut()

            await becomes(lambda: len(broker.channels) == 2)
            assert cursor_in(ledger.path, LOT, "acknowledged") == cursor_in(cloud.path, LOT, "head")


@pytest.mark.hurried
async def test_a_cloud_that_was_restored_to_an_older_copy_gets_everything_again(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker
) -> None:
    async with linked(ledger, cloud, broker):
        await described(ledger, 5)
        await copied(ledger, cloud)
        backup = backed_up(cloud.path)
        await described(ledger, 5)
        await copied(ledger, cloud)
        with contextlib.closing(sqlite3.connect(cloud.path)) as database:
            backup.backup(database)
        backup.close()

        await described(ledger, 1)
        await copied(ledger, cloud)

    assert len(rows_in(cloud.path, LOT)) == 11


@pytest.mark.hurried
async def test_a_cloud_that_lost_everything_gets_everything_again(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker
) -> None:
    async with linked(ledger, cloud, broker):
        await described(ledger, 5)
        await copied(ledger, cloud)
        with contextlib.closing(connect(cloud.path)) as database:
            for table in ("journal", "cursors", "epochs", "lots", "spaces"):
                database.execute(f"DELETE FROM {table}")

        await described(ledger, 1)
        await copied(ledger, cloud)

    assert len(rows_in(cloud.path, LOT)) == 6


@pytest.mark.hurried
async def test_an_acknowledgement_that_is_none_and_one_of_another_journal_change_nothing(
    ledger: OpenLedger, cloud: OpenCloud, broker: FakeBroker
) -> None:
    async with linked(ledger, cloud, broker):
        await described(ledger, 3)
        await copied(ledger, cloud)
        known, sent = cursor_in(ledger.path, LOT, "acknowledged"), broker.said("up/rows")

        broker.say(Message(topic(LOT, "acknowledged"), b"garbage"))
        acknowledge(broker, head_at(ledger, 2).model_copy(update={"hash": "f" * 64}))
        await asyncio.sleep(1)

        assert cursor_in(ledger.path, LOT, "acknowledged") == known
        assert broker.said("up/rows") == sent


def test_a_topic_names_its_lot() -> None:
    assert read_topic(topic(LOT, "rows")) == (LOT, "rows")
    assert read_topic(topic(f"{LOT}/cloud", "missing")) == (f"{LOT}/cloud", "missing")
    assert read_topic(state_topic(LOT)) == (LOT, "state")
    assert read_topic("pg/1/p01/elm/sideways/rows") is None
    assert topic(LOT, "rows").startswith("pg/1/p")
    assert every("up", "rows") == "pg/1/+/+/up/rows"


@pytest.mark.parametrize("number", [-1, 2**63, 2**70])
def test_a_number_that_no_database_takes_is_no_message(number: int) -> None:
    with pytest.raises(ValidationError):
        Batch(stream=LOT, epoch=number, rows=())
    with pytest.raises(ValidationError):
        Head(epoch=1, seq=number, hash="")
