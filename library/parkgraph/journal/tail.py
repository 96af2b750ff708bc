"""The tail: a second copy of a lot's newest rows, in a file of its own.

It is written after each commit and before the answer. So a page of the database that goes bad takes
no row that somebody was told of, and a tail ahead of the database says that it was rolled back.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import GENESIS, Count, Head, Row, first_fault, lot_of
from parkgraph.journal.copies import UNAPPLICABLE
from parkgraph.journal.epochs import begin_epoch, begin_recovery, is_recovering
from parkgraph.journal.ledger import SQL, Moment, read_head, store_row, write_head
from parkgraph.model.records import EpochBegan, parse_record
from parkgraph.runtime.appended_file import NO_ROOM
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import CorruptError, UnavailableError

log = structlog.get_logger(__name__)

FILE_NAME: Final = "ledger.tail"
# A tail of more rows is written anew once at most one in eight is still unacknowledged.
LARGE_ROWS: Final = 512
# A lot that nobody acknowledges keeps its newest rows only, so that a start stays quick.
MOST_ROWS: Final = 65_536
KEPT_ROWS: Final = 16_384
TRY_AGAIN_SECONDS: Final = 5.0


class TailFile(Protocol):
    """The file of a tail. Its errors are `OSError`."""

    def read(self) -> bytes:
        """Return all it holds; nothing where it does not exist."""
        ...

    def append(self, data: bytes) -> None:
        """Add `data` at the end; it is durable after `sync`."""
        ...

    def sync(self) -> None:
        """Make durable what was appended."""
        ...

    def replace(self, data: bytes) -> None:
        """Put `data` in its place, all or nothing; it is durable on return."""
        ...


class _Line(BaseModel):
    """One row as the file has it. `previous` is the hash that it is chained to.

    The first row of an epoch says on which row that follows, as `after`: epoch and seq.
    """

    model_config = ConfigDict(frozen=True)

    epoch: Count
    previous: str
    after: tuple[Count, Count] | None = None
    row: Row

    @property
    def head(self) -> Head:
        return Head(epoch=self.epoch, seq=self.row.seq, hash=self.row.hash)

    def follows(self, other: "_Line") -> bool:
        """Say whether it stands right behind `other`."""
        if self.epoch == other.epoch:
            return self.row.seq == other.row.seq + 1 and self.previous == other.row.hash
        return self.row.seq == 1 and self.after is not None

    def first_fault(self, stream: str) -> str | None:
        """Return why the row is not what was written, or None."""
        before = Head(epoch=self.epoch, seq=self.row.seq - 1, hash=self.previous)
        if self.row.seq == 1 and self.previous != GENESIS:
            return "row 1: it is chained to a row before the first"
        return first_fault(stream, before, [self.row])


class Tail:
    """The newest rows of one stream in a file, at least those that nobody has acknowledged.

    Works on the writer's thread, or before there is one.
    """

    def __init__(
        self,
        file: TailFile,
        stream: str,
        *,
        clock: Clock,
        has_copy: bool,
        set_aside: Callable[[bytes], str],
    ) -> None:
        """Keep the tail of `stream` in `file`. `has_copy`: somebody can return what was lost.

        `set_aside` keeps, for a person, what no ledger takes any more, and says where.
        """
        self._file = file
        self._stream = stream
        self._clock = clock
        self._has_copy = has_copy
        self._set_aside = set_aside
        self._last: Head | None = None
        self._rows = 0
        self._is_waiting = False
        self._retry_at = 0.0
        self.trouble: str | None = None

    def reconcile(self, connection: sqlite3.Connection) -> int:
        """Bring database and file together before anything is decided; return the rows taken back.

        What the database lost and the file has is appended and applied. Where rows are missing
        between the two, the stream is marked as recovering, and the file left as it is.

        Raises:
            CorruptError: the two contradict each other.
            UnavailableError: rows are missing that nobody can return, or the file cannot be used.
        """
        connection.execute("BEGIN IMMEDIATE")
        try:
            count = self._take_back_or_wait(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self._is_waiting = is_recovering(connection, self._stream)
        if count:
            log.warning("rows_taken_from_tail", stream=self._stream, rows=count)
        if not self._is_waiting:
            self._set_rest_aside(connection)
            self._write_anew(connection)
        return count

    def after_commit(self, connection: sqlite3.Connection) -> None:
        """Copy what was recorded since the last call, durably.

        A full disk is no reason not to answer: the commit stands, and the tail is written when
        there is room.

        Raises:
            UnavailableError: the file cannot be written; nothing may be answered any more.
        """
        if self._is_waiting:
            if is_recovering(connection, self._stream):
                return
            self._set_rest_aside(connection)
            self._is_waiting = False
        head = read_head(connection, self._stream, "head")
        if head is not None:
            self._copy(connection, head)

    def follow(self, connection: sqlite3.Connection, moment: Moment) -> None:
        """Append what only the file has; for the transaction in which a recovery is over.

        Where even then rows are missing between the two, an epoch begins that says so.
        """
        missing = self._missing(connection)
        match self._place(connection, missing[0]) if missing else "past":
            case "next":
                self._take_back(connection, missing)
                log.warning("rows_taken_from_tail", stream=self._stream, rows=len(missing))
            case "beyond":
                begin_epoch(connection, self._stream, moment, why="lost")

    def _take_back_or_wait(self, connection: sqlite3.Connection) -> int:
        missing = self._missing(connection)
        if not missing:
            return 0
        match self._place(connection, missing[0]):
            case "next":
                self._take_back(connection, missing)
                return len(missing)
            case "beyond":
                self._wait_for_copy(connection, missing[0])
        return 0

    def _wait_for_copy(self, connection: sqlite3.Connection, first: _Line) -> None:
        head = read_head(connection, self._stream, "head")
        has = f"row {head.seq}" if head else "nothing"
        gap = f"the ledger has {has} of {self._stream}, and its tail begins at row {first.row.seq}"
        if not self._has_copy:
            raise UnavailableError(
                f"{gap}: it was rolled back, and no cloud can return what lies between; put a newer"
                " backup back, or give that up: parkgraph-edge journal recover --alone CONFIG"
            )
        log.error("ledger_rolled_back", stream=self._stream, reason=gap)
        begin_recovery(connection, self._stream)

    def _missing(self, connection: sqlite3.Connection) -> list[_Line]:
        """Return what the file has and the database has not, each row behind the one before.

        Raises:
            CorruptError: one of them cannot be right.
        """
        missing: list[_Line] = []
        for line in self._lines():
            fault = line.first_fault(self._stream)
            place = {"stream": self._stream, "epoch": line.epoch, "seq": line.row.seq}
            stored = connection.execute(SQL["row_at"], place).fetchone()
            if stored is not None and fault:
                log.warning("tail_row_damaged", stream=self._stream, seq=line.row.seq, why=fault)
            elif stored is not None and stored["hash"] != line.row.hash:
                raise self._contradiction(f"row {line.row.seq} is another one in each")
            elif stored is not None and missing:
                self._check_forgotten(connection, missing)
                missing = []
            elif stored is None and fault:
                raise self._contradiction(f"the ledger has not row {line.row.seq}, and {fault}")
            elif stored is None:
                if missing and not line.follows(missing[-1]):
                    raise self._contradiction(f"no row before row {line.row.seq} can be read")
                missing.append(line)
        return missing

    def _check_forgotten(self, connection: sqlite3.Connection, lines: list[_Line]) -> None:
        """See that `lines`, behind which the database has others, were of epochs it forgot."""
        for line in lines:
            place = {"stream": self._stream, "epoch": line.epoch}
            if connection.execute(SQL["epoch"], place).fetchone() is not None:
                raise self._contradiction(
                    f"the ledger has lost row {line.row.seq} and has later ones"
                )

    def _lines(self) -> Iterator[_Line]:
        """Yield the rows of the file; what cannot be read was torn before anybody was answered.

        So the database has it, and where it has not, the rows that come behind it say so.
        """
        for text in self._read().split(b"\n")[:-1]:
            with contextlib.suppress(ValidationError):
                yield _Line.model_validate_json(text)

    def _place(self, connection: sqlite3.Connection, first: _Line) -> str:
        """Say where `first`, which the database has not, belongs: "next", "beyond" or "past"."""
        head = read_head(connection, self._stream, "head")
        if first.row.seq == 1:
            return self._place_of_epoch(connection, first, head)
        if head is None:
            return "beyond"
        if first.epoch == head.epoch:
            if first.row.seq == head.seq + 1 and first.previous != head.hash:
                raise self._contradiction(f"row {head.seq} is another one in each")
            return "next" if first.row.seq == head.seq + 1 else "beyond"
        place = {"stream": self._stream, "epoch": first.epoch}
        is_known = connection.execute(SQL["epoch"], place).fetchone() is not None
        return "past" if is_known else "beyond"

    def _place_of_epoch(
        self, connection: sqlite3.Connection, first: _Line, head: Head | None
    ) -> str:
        if head is None:
            return "next" if first.after is None else "beyond"
        if first.after is not None:
            epoch, seq = first.after
            place = {"stream": self._stream, "epoch": epoch, "seq": seq}
            if connection.execute(SQL["row_at"], place).fetchone() is None:
                return "beyond"
            if (epoch, seq) == (head.epoch, head.seq):
                return "next"
        if isinstance(parse_record(first.row.body, None), EpochBegan):
            return "next"  # it tells all that was open, whatever the database has beyond
        raise self._contradiction("they are of two different journals")

    def _take_back(self, connection: sqlite3.Connection, lines: list[_Line]) -> None:
        for line in lines:
            row = line.row
            if row.seq == 1:
                epoch, seq = line.after or (None, None)
                begun = {"stream": self._stream, "epoch": line.epoch}
                follows = {"after_epoch": epoch, "after_seq": seq}
                connection.execute(SQL["put_epoch"], begun | follows)
            store_row(connection, self._stream, line.epoch, row)
            self._apply(connection, row)
        write_head(connection, self._stream, "head", lines[-1].head)

    def _apply(self, connection: sqlite3.Connection, row: Row) -> None:
        """Apply `row`; where a copy's rows before it did not fit, it may not fit either."""
        connection.execute("SAVEPOINT one_row")
        try:
            record = parse_record(row.body, row.personal)
            apply(lot_of(self._stream), row.at, record, connection)
        except UNAPPLICABLE as error:
            connection.execute("ROLLBACK TO one_row")
            log.error("tail_row_not_applied", stream=self._stream, seq=row.seq, why=str(error))  # noqa: TRY400
        connection.execute("RELEASE one_row")

    def _set_rest_aside(self, connection: sqlite3.Connection) -> None:
        """Keep what the journal went on without, before the file is written anew."""
        if missing := self._missing(connection):
            with self._translated():
                where = self._set_aside(self._read())
            log.error("tail_set_aside", stream=self._stream, rows=len(missing), where=where)

    def _copy(self, connection: sqlite3.Connection, head: Head) -> None:
        last = self._last
        if last is None or head.epoch != last.epoch:
            if self.trouble is None or self._clock.boot_seconds() >= self._retry_at:
                self._write_anew(connection)
            return
        if head != last:
            self._append(connection, last, head)
        if self._rows > LARGE_ROWS and self._is_too_long(connection, head):
            self._write_anew(connection)

    def _is_too_long(self, connection: sqlite3.Connection, head: Head) -> bool:
        known = read_head(connection, self._stream, "acknowledged")
        is_known = known is not None and known.epoch == head.epoch
        left = head.seq - known.seq if known and is_known else self._rows
        return 8 * left <= self._rows or self._rows > MOST_ROWS

    def _append(self, connection: sqlite3.Connection, last: Head, head: Head) -> None:
        """Add the rows after `last`, of the same epoch, up to `head`."""
        place = {"stream": self._stream, "epoch": last.epoch, "seq": last.seq, "limit": -1}
        lines: list[bytes] = []
        previous = last.hash
        for columns in connection.execute(SQL["rows_after"], place):
            lines.append(_line(last.epoch, previous, None, columns))
            previous = columns["hash"]
        self._last = None  # should it fail
        with self._full_is_no_reason():
            self._file.append(b"".join(lines))
            self._file.sync()
            self._last, self._rows = head, self._rows + len(lines)

    def _write_anew(self, connection: sqlite3.Connection) -> None:
        """Write the unacknowledged rows, and the newest one in any case: it tells a rollback."""
        head = read_head(connection, self._stream, "head")
        if head is None:
            return
        lines = list(_unacknowledged(connection, self._stream, head))
        self._last = None  # should it fail
        with self._full_is_no_reason():
            self._file.replace(b"".join(lines))
            self._last, self._rows = head, len(lines)
            if self.trouble:
                log.info("tail_complete", stream=self._stream)
            self.trouble = None

    @contextlib.contextmanager
    def _full_is_no_reason(self) -> Iterator[None]:
        """Go on where the disk is full; the tail is incomplete until it is written anew."""
        try:
            with self._translated():
                yield
        except UnavailableError as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and cause.errno in NO_ROOM):
                raise
            if self.trouble is None:
                log.error("tail_incomplete", stream=self._stream, reason=str(cause))  # noqa: TRY400
            self.trouble = "no room for the second copy of the newest rows; make room on its disk"
            self._retry_at = self._clock.boot_seconds() + TRY_AGAIN_SECONDS

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnavailableError(
                f"the tail of {self._stream}: {error}; check its disk"
            ) from error

    def _read(self) -> bytes:
        with self._translated():
            return self._file.read()

    def _contradiction(self, what: str) -> CorruptError:
        return CorruptError(
            f"the ledger and the tail of {self._stream} contradict each other: {what}; put back the"
            " newest backup, or let the cloud decide: parkgraph-edge journal recover CONFIG"
        )


def _unacknowledged(connection: sqlite3.Connection, stream: str, head: Head) -> Iterator[bytes]:
    """Yield the lines of the rows after the acknowledged one, on the way that leads to `head`."""
    for epoch, after, first, last in _segments(connection, stream, head):
        previous = GENESIS
        if first > 1:
            place = {"stream": stream, "epoch": epoch, "seq": first - 1}
            previous = connection.execute(SQL["row_at"], place).fetchone()["hash"]
        count = last - first + 1
        place = {"stream": stream, "epoch": epoch, "seq": first - 1, "limit": count}
        for columns in connection.execute(SQL["rows_after"], place):
            yield _line(epoch, previous, after if columns["seq"] == 1 else None, columns)
            previous = columns["hash"]


def _segments(
    connection: sqlite3.Connection, stream: str, head: Head
) -> list[tuple[int, tuple[int, int] | None, int, int]]:
    """Return each epoch to copy: its number, what it follows on, its first and last row to copy."""
    known = read_head(connection, stream, "acknowledged")
    found: list[tuple[int, tuple[int, int] | None, int, int]] = []
    epoch, last, room = head.epoch, head.seq, KEPT_ROWS
    while room > 0:
        place = {"stream": stream, "epoch": epoch}
        begun = connection.execute(SQL["epoch"], place).fetchone()
        has_before = begun is not None and begun["after_epoch"] is not None
        after = (begun["after_epoch"], begun["after_seq"]) if has_before else None
        is_known = known is not None and known.epoch == epoch
        first = max(1, last - room + 1, known.seq + 1 if known and is_known else 1)
        if not found:
            first = min(first, last)
        if first <= last:
            found.append((epoch, after, first, last))
        if is_known or after is None:
            break
        room -= last - first + 1
        epoch, last = after
    return found[::-1]


def _line(
    epoch: int, previous: str, after: tuple[int, int] | None, columns: Mapping[str, Any]
) -> bytes:
    told = {"epoch": epoch, "previous": previous, "after": after, "row": dict(columns)}
    return json.dumps(told).encode() + b"\n"
