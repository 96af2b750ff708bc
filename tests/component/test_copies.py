"""What is acknowledged is stored, whatever comes, and however often."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parkgraph.journal.chain import GENESIS, Head, Row, hash_row
from parkgraph.journal.copies import receive
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.journal.messages import Acknowledgement, Batch
from parkgraph.model.records import AnyRecord, EpochBegan, NoShowDeclared, Place
from tests.builders import LOT, a_crossing, a_grant, a_lot, a_reservation
from tests.fakes import a_database, facts_of, journal_of
from tests.ledgers import EPOCH, rows_of

ROWS = rows_of(a_lot(), a_reservation(), a_grant(), a_crossing())


def a_batch(*rows: Row, epoch: int = EPOCH) -> Batch:
    return Batch(stream=LOT, epoch=epoch, rows=rows)


def head_of(row: Row, epoch: int = EPOCH) -> Head:
    return Head(epoch=epoch, seq=row.seq, hash=row.hash)


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
def copy(tmp_path: Path) -> Iterator[Copy]:
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
    foreign = rows_of(a_lot(), stream="oak-street")

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
