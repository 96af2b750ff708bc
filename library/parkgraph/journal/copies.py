"""A copy of a stream: holds what it acknowledged, and gives back what the owner lost."""

import sqlite3
from collections.abc import Callable
from typing import Final

import structlog
from pydantic import ValidationError

from parkgraph.journal.apply import FactsConflictError, apply
from parkgraph.journal.chain import GENESIS, Head, Row, first_fault, lot_of
from parkgraph.journal.ledger import SQL, put_epoch, read_head, store_row, write_head
from parkgraph.journal.messages import (
    MOST_DEAD_LETTERS_TOLD,
    Acknowledgement,
    Batch,
    DeadLetter,
    Missing,
)
from parkgraph.model.records import AnyRecord, EpochBegan, parse_record
from parkgraph.model.sessions import UnexpectedRecordError
from parkgraph.runtime.sqlite import Reader

log = structlog.get_logger(__name__)

MOST_ROWS: Final = 128
MOST_BYTES: Final = 128 * 1024

# What a row can say that no facts follow from.
UNAPPLICABLE: Final = (
    ValueError,
    OverflowError,
    UnexpectedRecordError,
    FactsConflictError,
    sqlite3.IntegrityError,
)

# What is done with a record of the other side, in the transaction that stores it.
Take = Callable[[sqlite3.Connection, str, Row, AnyRecord], None]


def take_as_fact(connection: sqlite3.Connection, lot: str, row: Row, record: AnyRecord) -> None:
    """Apply what the other side decided; its word is final."""
    apply(lot, row.at, record, connection)


def receive(
    connection: sqlite3.Connection, batch: Batch, *, take: Take = take_as_fact
) -> Acknowledgement:
    """Store what of `batch` is new, take it, and return how far the copy has come.

    Runs inside a transaction, so the effect of each row is exactly once however often it comes.
    Rows are stored before they are understood: one that cannot be taken becomes a dead letter, and
    later rows of its subject wait behind it.
    """
    head = read_head(connection, batch.stream, "head")
    start = head
    if head is None or batch.epoch != head.epoch:
        start, fault = _begin(connection, batch, head)
        if fault or start is None:
            return _acknowledged(connection, batch.stream, head, fault)
    assert start is not None
    new = [row for row in batch.rows if row.seq > start.seq]
    if fault := first_fault(batch.stream, start, new):
        return _acknowledged(connection, batch.stream, head, fault)
    if new and start is not head:
        put_epoch(connection, batch.stream, batch.epoch, head and predecessor_in(batch))
    for row in new:
        store_row(connection, batch.stream, batch.epoch, row)
        _take_or_set_aside(connection, batch, row, take)
    if new:
        head = Head(epoch=batch.epoch, seq=new[-1].seq, hash=new[-1].hash)
        write_head(connection, batch.stream, "head", head)
    return _acknowledged(connection, batch.stream, head, None)


async def give_back(reader: Reader, stream: str, missing: Missing) -> Batch:
    """Return what the copy of `stream` has beyond what its owner still has."""
    after = missing.after
    if after is not None:
        known = await reader.one(
            SQL["row_at"], {"stream": stream, "epoch": after.epoch, "seq": after.seq}
        )
        if known is None or known["hash"] != after.hash:
            own = await reader.one(SQL["head"], {"stream": stream, "name": "head"})
            return Batch(
                stream=stream,
                epoch=after.epoch,
                rows=(),
                fault="not in the copy",
                after=after,
                head=Head.model_validate(dict(own)) if own else None,
            )
    batch = await next_batch(reader, stream, after) or Batch(
        stream=stream, epoch=after.epoch if after else 0, rows=()
    )
    return batch.model_copy(update={"after": after})


async def next_batch(reader: Reader, stream: str, after: Head | None) -> Batch | None:
    """Return the rows of `stream` that come after `after`, or None when there are none.

    Where another epoch follows on that row or on one before it, the rows are those of the other
    epoch: what stands after its predecessor is superseded.
    """
    place = {"epoch": after.epoch if after else None, "seq": after.seq if after else None}
    begun = await reader.one(SQL["epoch_after"], {"stream": stream} | place)
    if begun:
        epoch, seq = int(begun["epoch"]), 0
    elif after:
        epoch, seq = after.epoch, after.seq
    else:
        return None
    found = await reader.all(
        SQL["rows_after"], {"stream": stream, "epoch": epoch, "seq": seq, "limit": MOST_ROWS}
    )
    rows: list[Row] = []
    size = 0
    for columns in found:
        row = Row.of(dict(columns))
        size += len(row.body) + len(row.personal or "") + 400
        if rows and size > MOST_BYTES:
            break
        rows.append(row)
    return Batch(stream=stream, epoch=epoch, rows=tuple(rows)) if rows else None


def retry_dead_letters(connection: sqlite3.Connection, stream: str, take: Take) -> int:
    """Take once more what was set aside, in order; return how many are left.

    For the start of a program, which may understand more than the one before it.
    """
    letters = connection.execute(SQL["dead_letters"], {"stream": stream, "limit": -1}).fetchall()
    connection.execute(SQL["forget_dead_letters"], {"stream": stream})
    for letter in letters:
        found = connection.execute(
            SQL["rows_after"],
            {"stream": stream, "epoch": letter["epoch"], "seq": letter["seq"] - 1, "limit": 1},
        ).fetchone()
        batch = Batch(stream=stream, epoch=letter["epoch"], rows=(Row.of(dict(found)),))
        _take_or_set_aside(connection, batch, batch.rows[0], take)
    return len(dead_letters(connection, stream, limit=-1))


def dead_letters(
    connection: sqlite3.Connection, stream: str, *, limit: int
) -> tuple[DeadLetter, ...]:
    """Return the rows of `stream` that were set aside, oldest first."""
    found = connection.execute(SQL["dead_letters"], {"stream": stream, "limit": limit})
    return tuple(DeadLetter.model_validate(dict(row)) for row in found)


def _begin(
    connection: sqlite3.Connection, batch: Batch, head: Head | None
) -> tuple[Head | None, str | None]:
    """Return the head before the first row of an epoch that the copy may take, or a fault."""
    start = Head(epoch=batch.epoch, seq=0, hash=GENESIS)
    if connection.execute(SQL["epoch"], {"stream": batch.stream, "epoch": batch.epoch}).fetchone():
        return None, f"epoch {batch.epoch} has ended"
    if not batch.rows or batch.rows[0].seq != 1:
        return None, f"epoch {batch.epoch} is not known; send it from its first row"
    if head is None:
        return start, None
    after = predecessor_in(batch)
    if after is None:
        return None, (
            f"epoch {batch.epoch} does not say what it follows on, and the copy has epoch"
            f" {head.epoch}: a person has to say which is right"
        )
    parameters = {"stream": batch.stream, "epoch": after.epoch, "seq": after.seq}
    row = connection.execute(SQL["row_at"], parameters).fetchone()
    if after.epoch != head.epoch or row is None or row["hash"] != after.hash:
        return None, (
            f"epoch {batch.epoch} follows on row {after.seq} of {after.epoch}, which is not in the"
            f" epoch {head.epoch} of the copy: a person has to say which is right"
        )
    return start, None


def predecessor_in(batch: Batch) -> Head | None:
    """Return the row on which the epoch that `batch` begins says that it follows, or None."""
    try:
        record = parse_record(batch.rows[0].body, None)
    except ValidationError:
        return None
    if not isinstance(record, EpochBegan) or record.predecessor is None:
        return None
    return Head.model_validate(record.predecessor.model_dump())


def _take_or_set_aside(connection: sqlite3.Connection, batch: Batch, row: Row, take: Take) -> None:
    connection.execute("SAVEPOINT one_row")
    try:
        _wait_for_subject(connection, batch, row)
        take(connection, lot_of(batch.stream), row, parse_record(row.body, row.personal))
    except UNAPPLICABLE as error:
        connection.execute("ROLLBACK TO one_row")
        letter = DeadLetter(epoch=batch.epoch, seq=row.seq, subject=row.subject, why=str(error))
        put_dead_letter(connection, batch.stream, letter)
        log.error("row_set_aside", stream=batch.stream, seq=row.seq, type=row.type, why=str(error))  # noqa: TRY400
    connection.execute("RELEASE one_row")


def _wait_for_subject(connection: sqlite3.Connection, batch: Batch, row: Row) -> None:
    """Raise where an earlier row of the subject was set aside.

    An epoch of a lot begins with all that is open, so there no row of an ended epoch holds it up.
    """
    is_of_lot = batch.stream == lot_of(batch.stream)
    epoch = batch.epoch if is_of_lot else None
    parameters = {"stream": batch.stream, "subject": row.subject, "epoch": epoch}
    first = connection.execute(SQL["dead_letter_of_subject"], parameters).fetchone()["seq"]
    if first is not None:
        raise FactsConflictError(f"waits for row {first} of the same subject, which was set aside")


def put_dead_letter(connection: sqlite3.Connection, stream: str, letter: DeadLetter) -> None:
    """Note a row of `stream` that could not be taken, here or at the other side."""
    connection.execute(SQL["put_dead_letter"], letter.model_dump() | {"stream": stream})


def _acknowledged(
    connection: sqlite3.Connection, stream: str, head: Head | None, fault: str | None
) -> Acknowledgement:
    letters = dead_letters(connection, stream, limit=MOST_DEAD_LETTERS_TOLD)
    return Acknowledgement(head=head, fault=fault, dead_letters=letters)
