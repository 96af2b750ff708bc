"""What is acknowledged is stored, whatever comes, and however often."""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from parkgraph.journal.chain import GENESIS, Head, Row, hash_row
from parkgraph.journal.copies import MOST_ROWS, receive
from parkgraph.journal.ledger import MIGRATIONS, Moment, chained
from parkgraph.journal.messages import (
    Acknowledgement,
    Batch,
    LotState,
    every,
    read_topic,
    state_topic,
    topic,
)
from parkgraph.journal.sender import BATCHES_IN_FLIGHT
from parkgraph.model.records import AnyRecord, EpochBegan, NoShowDeclared, Place
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.sync.link import LotLink
from tests.builders import LOT, NOON, TERMS, a_booking, a_crossing, a_grant, a_lot, a_reservation
from tests.fakes import (
    OpenLedger,
    Recording,
    a_database,
    facts_of,
    journal_of,
    open_ledger,
    randomness,
    until,
)

EPOCH: Final = 7


def rows_of(*records: AnyRecord, epoch: int = EPOCH, lot: str = LOT) -> list[Row]:
    """Return `records` as a journal has them."""
    head = Head(epoch=epoch, seq=0, hash=GENESIS)
    rows: list[Row] = []
    for record in records:
        row = chained(
            lot, head, record, actor="system", moment=Moment(NOON, randomness().randbytes)
        )
        rows.append(row)
        head = Head(epoch=epoch, seq=row.seq, hash=row.hash)
    return rows


def a_batch(*rows: Row, epoch: int = EPOCH) -> Batch:
    return Batch(stream=LOT, epoch=epoch, rows=rows)


def head_of(row: Row, epoch: int = EPOCH) -> Head:
    return Head(epoch=epoch, seq=row.seq, hash=row.hash)


ROWS = rows_of(a_lot(), a_reservation(), a_grant(), a_crossing())


@dataclass
class Copy:
    """The cloud's copy of a lot's journal."""

    connection: sqlite3.Connection
    path: Path

    def take(self, batch: Batch) -> Acknowledgement:
        self.connection.execute("BEGIN IMMEDIATE")
        answer = receive(self.connection, batch)
        self.connection.execute("COMMIT")
        return answer

    def stored(self) -> list[Row]:
        return journal_of(self.path)

    def dead_letters(self) -> list[int]:
        return [row["seq"] for row in self.connection.execute("SELECT seq FROM dead_letters")]


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    path = tmp_path / "cloud.db"
    with contextlib.closing(a_database(path, MIGRATIONS)) as connection:
        yield Copy(connection, path)


def test_rows_are_stored_applied_and_acknowledged(copy: Copy) -> None:
    answer = copy.take(a_batch(*ROWS))

    assert answer == Acknowledgement(head=head_of(ROWS[-1]))
    assert copy.stored() == ROWS
    assert [state for (_, _, state, *_) in facts_of(copy.path)["sessions"]] == ["parked"]


def test_what_comes_again_has_its_effect_once(copy: Copy) -> None:
    copy.take(a_batch(*ROWS))
    facts = facts_of(copy.path)

    answers = [copy.take(a_batch(*ROWS)), copy.take(a_batch(*ROWS[:2])), copy.take(a_batch())]

    assert answers == [Acknowledgement(head=head_of(ROWS[-1]))] * 3
    assert facts_of(copy.path) == facts


def test_of_a_batch_that_overlaps_what_is_new_is_taken(copy: Copy) -> None:
    copy.take(a_batch(*ROWS[:2]))

    answer = copy.take(a_batch(*ROWS[1:]))

    assert answer == Acknowledgement(head=head_of(ROWS[-1]))
    assert copy.stored() == ROWS


def test_a_gap_is_refused_and_the_last_row_before_it_named(copy: Copy) -> None:
    copy.take(a_batch(ROWS[0]))

    answer = copy.take(a_batch(*ROWS[2:]))

    assert answer == Acknowledgement(head=head_of(ROWS[0]), fault="row 3 stands where 2 belongs")
    assert copy.stored() == ROWS[:1]


def test_a_gap_at_the_beginning_asks_for_everything(copy: Copy) -> None:
    answer = copy.take(a_batch(*ROWS[1:]))

    assert answer.head is None
    assert answer.fault
    assert copy.stored() == []


@pytest.mark.parametrize(
    "rows",
    [(ROWS[1], ROWS[0]), (ROWS[0], ROWS[2]), (ROWS[0], ROWS[0])],
    ids=["swapped", "gap", "doubled"],
)
def test_of_a_batch_with_a_fault_inside_nothing_is_stored(
    copy: Copy, rows: tuple[Row, ...]
) -> None:
    answer = copy.take(a_batch(*rows))

    assert answer.fault
    assert copy.stored() == []


@pytest.mark.parametrize("change", [{"body": "{}"}, {"hash": "0" * 64}, {"actor": "key:2"}])
def test_a_row_whose_hash_does_not_follow_is_refused(copy: Copy, change: dict[str, str]) -> None:
    copy.take(a_batch(*ROWS[:2]))

    answer = copy.take(a_batch(ROWS[2].model_copy(update=change), ROWS[3]))

    assert answer.head == head_of(ROWS[1])
    assert answer.fault
    assert "hash" in answer.fault
    assert copy.stored() == ROWS[:2]


def test_the_rows_of_another_lot_do_not_follow(copy: Copy) -> None:
    foreign = rows_of(a_lot(), lot="oak-street")

    assert copy.take(a_batch(*foreign)).fault


def test_an_epoch_that_has_ended_is_refused(copy: Copy) -> None:
    copy.take(a_batch(*ROWS))

    answer = copy.take(a_batch(*rows_of(a_lot(), epoch=EPOCH - 1), epoch=EPOCH - 1))

    assert answer.head == head_of(ROWS[-1])
    assert answer.fault
    assert "does not say what it follows on" in answer.fault


def a_beginning(after: Row, epoch: int = EPOCH) -> EpochBegan:
    return EpochBegan(why="fork", predecessor=Place(epoch=epoch, seq=after.seq, hash=after.hash))


def test_a_new_epoch_begins_at_its_first_row_after_one_that_the_copy_has(copy: Copy) -> None:
    copy.take(a_batch(*ROWS))
    later = rows_of(a_beginning(ROWS[2]), a_lot("S-09"), epoch=EPOCH + 1)

    answer = copy.take(a_batch(*later, epoch=EPOCH + 1))

    assert answer == Acknowledgement(head=head_of(later[1], EPOCH + 1))
    assert copy.connection.execute("SELECT COUNT(*) FROM journal").fetchone()[0] == 6
    ended = copy.take(a_batch(*ROWS))
    assert ended.fault == f"epoch {EPOCH} has ended"


def test_a_second_successor_of_one_row_needs_a_person(copy: Copy) -> None:
    copy.take(a_batch(*ROWS))
    first = rows_of(a_beginning(ROWS[3]), epoch=EPOCH + 1)
    second = rows_of(a_beginning(ROWS[3]), a_lot("S-09"), epoch=EPOCH + 2)
    copy.take(a_batch(*first, epoch=EPOCH + 1))

    answer = copy.take(a_batch(*second, epoch=EPOCH + 2))

    assert answer.head == head_of(first[0], EPOCH + 1)
    assert answer.fault
    assert "a person has to say which is right" in answer.fault


UNKNOWN = NoShowDeclared(session="sess_unknown")


@pytest.mark.parametrize(
    "unfit",
    [UNKNOWN, a_crossing("sess_3"), a_reservation("sess_2", plate="OTHER 1")],
    ids=["stay unknown", "no way leads on", "space not free"],
)
def test_a_row_that_cannot_be_applied_is_stored_set_aside_and_holds_nothing_up(
    copy: Copy, unfit: AnyRecord
) -> None:
    rows = rows_of(a_lot(), a_reservation(), unfit, a_grant())

    answer = copy.take(a_batch(*rows))

    assert answer.head == head_of(rows[-1])
    assert answer.fault is None
    assert [letter.seq for letter in answer.dead_letters] == [3]
    assert copy.stored() == rows
    assert copy.dead_letters() == [3]
    sessions = facts_of(copy.path)["sessions"]
    assert [state for (_, _, state, *_) in sessions] == ["arriving"]


def test_a_row_of_a_kind_that_is_not_known_yet_is_stored_and_set_aside(copy: Copy) -> None:
    odd = rows_of(a_lot())[0].model_copy(update={"body": '{"type":"later_kind"}'})
    odd = odd.model_copy(update={"hash": hash_row(LOT, EPOCH, odd, previous=GENESIS)})

    answer = copy.take(a_batch(odd))

    assert answer.head == head_of(odd)
    assert copy.dead_letters() == [1]


def test_a_row_whose_personal_part_was_erased_is_taken(copy: Copy) -> None:
    erased = [row.model_copy(update={"personal": None}) for row in ROWS]

    assert copy.take(a_batch(*erased)) == Acknowledgement(head=head_of(ROWS[-1]))
    assert copy.dead_letters() == []


def test_a_topic_names_its_lot() -> None:
    assert read_topic(topic(LOT, "rows")) == (LOT, "rows")
    assert read_topic(topic(f"{LOT}/cloud", "missing")) == (f"{LOT}/cloud", "missing")
    assert read_topic(state_topic(LOT)) == (LOT, "state")
    assert read_topic("pg/1/p01/elm/sideways/rows") is None
    assert topic(LOT, "rows").startswith("pg/1/p")
    assert every("up", "rows") == "pg/1/+/+/up/rows"


@dataclass
class Net:
    """A broker that loses, doubles and swaps messages by a seed, and the cloud behind it."""

    copy: Copy
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    loses: float = 0.0
    doubles: float = 0.0
    swaps: float = 0.0
    batches: int = 0

    def distort(self, messages: list[bytes]) -> list[bytes]:
        out: list[bytes] = []
        for message in messages:
            copies = 0 if self.chance.random() < self.loses else 1
            copies += self.chance.random() < self.doubles
            out += [message] * copies
        if self.chance.random() < self.swaps:
            self.chance.shuffle(out)
        return out


class FakeChannel(Channel):
    """A connection to `net`, which takes in what is published when the loop is idle."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._up: list[bytes] = []
        self._down: asyncio.Queue[bytes] = asyncio.Queue()
        self.states: list[LotState] = []
        self.subscribed: list[str] = []

    async def subscribe(self, topic: str) -> None:
        self.subscribed.append(topic)

    async def publish(self, message: Message) -> None:
        if message.topic == state_topic(LOT):
            self.states.append(LotState.model_validate_json(message.payload))
            return
        if message.topic != topic(LOT, "rows"):
            return
        self._net.batches += 1
        self._up.append(message.payload)
        asyncio.get_running_loop().call_later(0.01, self._deliver)

    def _deliver(self) -> None:
        up, self._up = self._up, []
        answers = [
            self._net.copy.take(Batch.model_validate_json(payload)).model_dump_json().encode()
            for payload in self._net.distort(up)
        ]
        for answer in self._net.distort(answers):
            self._down.put_nowait(answer)

    def hang_up(self) -> None:
        self._down.put_nowait(b"hang up")

    def say(self, payload: bytes) -> None:
        self._down.put_nowait(payload)

    async def messages(self) -> AsyncIterator[Message]:
        while True:
            payload = await self._down.get()
            if payload == b"hang up":
                raise UnavailableError("the connection was lost")
            yield Message(topic(LOT, "acknowledged"), payload)


@contextlib.asynccontextmanager
async def linked(ledger: OpenLedger, net: Net) -> AsyncIterator[FakeChannel]:
    """Keep the link up over one connection."""
    channel = FakeChannel(net)

    async def send() -> None:
        with contextlib.suppress(UnavailableError):
            link = LotLink(TERMS, ledger.ledger, ledger.writer, ledger.reader, occupied=frozenset)
            await link.run(channel, lambda seq: LotState(link="up", head_seq=seq))

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        yield channel
        channel.hang_up()


async def copied(ledger: OpenLedger, copy: Copy) -> None:
    """Wait until the copy has the whole journal and the lot knows it."""
    await until(
        lambda: ledger.rows() == copy.stored() and acknowledged(ledger) == len(ledger.rows()),
        every_seconds=1.0,
    )


def acknowledged(ledger: OpenLedger) -> int:
    found = ledger.one("SELECT COALESCE(MAX(seq), 0) FROM cursors WHERE name = 'acknowledged'")
    return int(found)


async def described(ledger: OpenLedger, times: int) -> None:
    for number in range(times):
        await ledger.submit(Recording([a_lot(f"S-{number:03}")]))


@pytest.mark.hurried
async def test_the_journal_comes_over(tmp_path: Path, copy: Copy) -> None:
    async with open_ledger(tmp_path) as ledger, linked(ledger, Net(copy)) as channel:
        await ledger.submit(OpenLot(LOT, a_lot()))
        await ledger.submit(a_booking())

        await copied(ledger, copy)

        assert facts_of(copy.path) == ledger.facts()
        assert topic(LOT, "acknowledged") in channel.subscribed
        assert channel.states[0].link == "up"


@pytest.mark.hurried
async def test_after_a_new_connection_nothing_is_sent_that_was_acknowledged(
    tmp_path: Path, copy: Copy
) -> None:
    net = Net(copy)
    async with open_ledger(tmp_path) as ledger:
        await described(ledger, 5)
        async with linked(ledger, net):
            await copied(ledger, copy)
        sent = net.batches
        async with linked(ledger, net):
            await asyncio.sleep(60)

        assert net.batches == sent


@pytest.mark.hurried
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_the_broker_does_in_the_end_both_journals_are_equal(
    tmp_path: Path, copy: Copy, seed: int
) -> None:
    chance = random.Random(seed)
    loses, doubles, swaps = (chance.uniform(0, 0.5) for _ in range(3))
    net = Net(copy, chance, loses=loses, doubles=doubles, swaps=swaps)
    async with open_ledger(tmp_path, seed=seed) as ledger:
        async with linked(ledger, net):
            await described(ledger, 30)
            await asyncio.sleep(chance.uniform(0, 5))
            await ledger.submit(a_booking())
        async with linked(ledger, net):
            await described(ledger, 30)
            await copied(ledger, copy)

        assert facts_of(copy.path) == ledger.facts()
        assert copy.dead_letters() == []


async def test_a_full_window_of_lost_acknowledgements_does_not_shut_the_link(
    tmp_path: Path, copy: Copy
) -> None:
    net = Net(copy, loses=1.0)
    batches = BATCHES_IN_FLIGHT + 1
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(Recording([a_lot()] * (batches * MOST_ROWS)))
        epoch = int(ledger.one("SELECT epoch FROM cursors WHERE name = 'head'"))
        rows = ledger.rows()
        first = Acknowledgement(head=head_of(rows[MOST_ROWS - 1], epoch))
        last = Acknowledgement(head=head_of(rows[-1], epoch))
        async with linked(ledger, net) as channel:
            await until(lambda: net.batches == BATCHES_IN_FLIGHT)
            channel.say(first.model_dump_json().encode())
            await until(lambda: net.batches == batches)
            channel.say(first.model_copy(update={"fault": "a gap"}).model_dump_json().encode())
            channel.say(last.model_dump_json().encode())
            await until(lambda: net.batches == batches + BATCHES_IN_FLIGHT)

            await described(ledger, 1)

            await until(lambda: net.batches == batches + BATCHES_IN_FLIGHT + 1)


@pytest.mark.hurried
async def test_a_connection_that_is_lost_right_after_an_acknowledgement_is_given_up(
    tmp_path: Path, copy: Copy
) -> None:
    async with open_ledger(tmp_path) as ledger:
        for number in range(1, 6):
            async with linked(ledger, Net(copy)) as channel:
                await described(ledger, 1)
                await copied(ledger, copy)
                known = head_of(ledger.rows()[-1], acknowledged_epoch(ledger))
                channel.say(Acknowledgement(head=known).model_dump_json().encode())

            assert acknowledged(ledger) == number


@pytest.mark.hurried
async def test_a_cloud_that_was_restored_to_an_older_copy_gets_everything_again(
    tmp_path: Path, copy: Copy
) -> None:
    async with open_ledger(tmp_path) as ledger, linked(ledger, Net(copy)):
        await described(ledger, 5)
        await copied(ledger, copy)
        backup = sqlite3.connect(":memory:")
        copy.connection.backup(backup)
        await described(ledger, 5)
        await copied(ledger, copy)
        backup.backup(copy.connection)
        backup.close()

        await described(ledger, 1)
        await copied(ledger, copy)

        assert len(copy.stored()) == 11


@pytest.mark.hurried
async def test_a_cloud_that_lost_everything_gets_everything_again(
    tmp_path: Path, copy: Copy
) -> None:
    async with open_ledger(tmp_path) as ledger, linked(ledger, Net(copy)):
        await described(ledger, 5)
        await copied(ledger, copy)
        for table in ("journal", "cursors", "epochs", "lots", "spaces"):
            copy.connection.execute(f"DELETE FROM {table}")

        await described(ledger, 1)
        await copied(ledger, copy)

        assert len(copy.stored()) == 6


@pytest.mark.hurried
async def test_an_acknowledgement_that_is_none_and_one_of_another_journal_change_nothing(
    tmp_path: Path, copy: Copy
) -> None:
    async with open_ledger(tmp_path) as ledger, linked(ledger, Net(copy)) as channel:
        await described(ledger, 3)
        await copied(ledger, copy)
        fork = Acknowledgement(head=Head(epoch=acknowledged_epoch(ledger), seq=2, hash="f" * 64))

        channel.say(b"garbage")
        channel.say(fork.model_dump_json().encode())
        await asyncio.sleep(1)

        assert acknowledged(ledger) == 3


def acknowledged_epoch(ledger: OpenLedger) -> int:
    return int(ledger.one("SELECT epoch FROM cursors WHERE name = 'acknowledged'"))


@pytest.mark.parametrize("number", [-1, 2**63, 2**70])
def test_a_number_that_no_database_takes_is_no_message(number: int) -> None:
    with pytest.raises(ValidationError):
        a_batch(epoch=number)
    with pytest.raises(ValidationError):
        Head(epoch=1, seq=number, hash="")
