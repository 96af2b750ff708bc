"""The ledger of one lot: decides a command and records it, in one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import (
    GENESIS,
    Head,
    Row,
    digest_personal,
    hash_row,
    lot_of,
    text_of_time,
)
from parkgraph.model.elapsed import BootTime, Instant
from parkgraph.model.records import AnyRecord, subject_of
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.writer import Writer

SQL: Final = load_queries("parkgraph.journal", "ledger.sql")
MIGRATIONS: Final = "parkgraph.journal.migrations"

Outcome = TypeVar("Outcome")
Outcome_co = TypeVar("Outcome_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a decision may know beside the facts: the time, and a source of randomness.

    `boot_ms` is the boot clock's time in the boot `boot`; without one only the wall clock is known.
    """

    at: datetime
    random: Callable[[int], bytes]
    boot: str | None = None
    boot_ms: int = 0

    @property
    def instant(self) -> Instant:
        """The time by both clocks."""
        return Instant(self.at, BootTime(self.boot, self.boot_ms) if self.boot else None)


@dataclass(frozen=True, slots=True)
class Decision(Generic[Outcome_co]):
    """What was decided: the answer, and the records that make it so. A refusal is an answer too."""

    outcome: Outcome_co
    records: Sequence[AnyRecord] = ()


class Command(Protocol[Outcome_co]):
    """A wish that enters. It reads facts and decides by a rule; it changes nothing itself."""

    @property
    def actor(self) -> str:
        """Who wishes, for the journal: `key:…`, `lane:…` or `system`."""
        ...

    def decide(self, facts: sqlite3.Connection, moment: Moment) -> Decision[Outcome_co]:
        """Read `facts` and return the decision, on the writer's thread in its transaction.

        Raises:
            RefusedError: what is asked may not be; nothing is recorded.
        """
        ...


class Ledger(Protocol):
    """Where commands are decided. Nothing is answered before it is on disk."""

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        """Decide `command` and record it; return its outcome once that is durable.

        Lanes are `urgent`: a flood of calls never delays an exit.

        Raises:
            RefusedError: the rule says no.
            UnavailableError: there is no ledger now, or too many commands wait.
        """
        ...


class JournalLedger:
    """The ledger over a journal in SQLite."""

    def __init__(
        self, writer: Writer, stream: str, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        """Keep `stream` through `writer`, whose database has been migrated."""
        self._writer = writer
        self._stream = stream
        self._clock = clock
        self._random = random

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        """See `Ledger.submit`."""
        return await self._writer.submit(
            lambda connection: self.decide(connection, command), urgent=urgent
        )

    def moment(self) -> Moment:
        """Return now, in milliseconds as the journal keeps it: what is answered is what is kept."""
        now = self._clock.now()
        return Moment(
            now.replace(microsecond=now.microsecond // 1000 * 1000),
            self._random,
            self._clock.boot_id(),
            int(self._clock.boot_seconds() * 1000),
        )

    def decide(self, connection: sqlite3.Connection, command: Command[Outcome]) -> Outcome:
        """Decide `command` and record it, inside a transaction that somebody else commits."""
        moment = self.moment()
        decision = command.decide(connection, moment)
        if decision.records:
            head = read_head(connection, self._stream, "head") or first_head(
                connection, self._stream, moment
            )
            record_all(connection, self._stream, head, decision.records, command.actor, moment)
        return decision.outcome


class NoLedger:
    """Stands where a ledger could not be opened: refuses everything, so that only exits go on."""

    def __init__(self, reason: str) -> None:
        """Refuse with `reason`."""
        self._reason = reason

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        """Raise `UnavailableError`."""
        raise UnavailableError(self._reason)


def first_head(
    connection: sqlite3.Connection, stream: str, moment: Moment, *, after: Head | None = None
) -> Head:
    """Begin an epoch of `stream` that follows on `after`, and return the head before its first row.

    Its number says nothing but which it is, so that no two clocks have to agree.
    """
    head = Head(epoch=int.from_bytes(moment.random(6)), seq=0, hash=GENESIS)
    put_epoch(connection, stream, head.epoch, after)
    return head


def put_epoch(connection: sqlite3.Connection, stream: str, epoch: int, after: Head | None) -> None:
    """Note that `epoch` of `stream` follows on `after`."""
    parameters = {
        "stream": stream,
        "epoch": epoch,
        "after_epoch": after.epoch if after else None,
        "after_seq": after.seq if after else None,
    }
    connection.execute(SQL["put_epoch"], parameters)


def record_all(
    connection: sqlite3.Connection,
    stream: str,
    head: Head,
    records: Sequence[AnyRecord],
    actor: str,
    moment: Moment,
) -> None:
    """Append `records` to `stream` after `head` and apply them."""
    for record in records:
        row = chained(stream, head, record, actor=actor, moment=moment)
        store_row(connection, stream, head.epoch, row)
        apply(lot_of(stream), row.at, record, connection)
        head = Head(epoch=head.epoch, seq=row.seq, hash=row.hash)
    write_head(connection, stream, "head", head)


def chained(stream: str, head: Head, record: AnyRecord, *, actor: str, moment: Moment) -> Row:
    """Return `record` as the row that follows on `head`."""
    salt = moment.random(16).hex()
    personal = record.personal.model_dump_json(exclude_none=True) if record.personal else None
    row = Row(
        seq=head.seq + 1,
        at=text_of_time(moment.at),
        actor=actor,
        subject=subject_of(record),
        type=record.type,
        body=record.model_dump_json(),
        personal=personal,
        salt=salt,
        digest=digest_personal(salt, personal),
        hash="",
    )
    return row.model_copy(update={"hash": hash_row(stream, head.epoch, row, previous=head.hash)})


def store_row(connection: sqlite3.Connection, stream: str, epoch: int, row: Row) -> None:
    """Append `row` to `stream`."""
    connection.execute(SQL["append"], row.model_dump() | {"stream": stream, "epoch": epoch})


def read_head(connection: sqlite3.Connection, stream: str, name: str) -> Head | None:
    """Return the cursor `name` of `stream`: `head` or `acknowledged`."""
    row = connection.execute(SQL["head"], {"stream": stream, "name": name}).fetchone()
    return Head(epoch=row["epoch"], seq=row["seq"], hash=row["hash"]) if row else None


def write_head(connection: sqlite3.Connection, stream: str, name: str, head: Head) -> None:
    """Move the cursor `name` of `stream`."""
    connection.execute(SQL["put_head"], head.model_dump() | {"stream": stream, "name": name})
