"""The ledger of one lot: decides a command and records it, in one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, TypeVar

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import GENESIS, Head, Row, digest_personal, hash_row
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
    """What a decision may know beside the facts: the time, and a source of randomness."""

    at: datetime
    random: Callable[[int], bytes]


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
        self, writer: Writer, lot: str, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        """Keep the ledger of `lot` through `writer`, whose database has been migrated."""
        self._writer = writer
        self._lot = lot
        self._clock = clock
        self._random = random

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        """See `Ledger.submit`."""

        def decide(connection: sqlite3.Connection) -> Outcome:
            now = self._clock.now()
            # The journal keeps milliseconds; what is answered has to be what is kept.
            at = now.replace(microsecond=now.microsecond // 1000 * 1000)
            moment = Moment(at, self._random)
            decision = command.decide(connection, moment)
            if decision.records:
                self._record(connection, decision.records, command.actor, moment)
            return decision.outcome

        return await self._writer.submit(decide, urgent=urgent)

    def _record(
        self,
        connection: sqlite3.Connection,
        records: Sequence[AnyRecord],
        actor: str,
        moment: Moment,
    ) -> None:
        head = read_head(connection, self._lot, "head") or Head(
            epoch=int(moment.at.timestamp()), seq=0, hash=GENESIS
        )
        for record in records:
            row = chained(self._lot, head, record, actor=actor, moment=moment)
            store_row(connection, self._lot, head.epoch, row)
            apply(self._lot, row.at, record, connection)
            head = Head(epoch=head.epoch, seq=row.seq, hash=row.hash)
        write_head(connection, self._lot, "head", head)


class NoLedger:
    """Stands where a ledger could not be opened: refuses everything, so that only exits go on."""

    def __init__(self, reason: str) -> None:
        """Refuse with `reason`."""
        self._reason = reason

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        """Raise `UnavailableError`."""
        raise UnavailableError(self._reason)


def chained(lot: str, head: Head, record: AnyRecord, *, actor: str, moment: Moment) -> Row:
    """Return `record` as the row that follows on `head`."""
    salt = moment.random(16).hex()
    personal = record.personal.model_dump_json(exclude_none=True) if record.personal else None
    row = Row(
        seq=head.seq + 1,
        at=moment.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        actor=actor,
        subject=subject_of(record),
        type=record.type,
        body=record.model_dump_json(),
        personal=personal,
        salt=salt,
        digest=digest_personal(salt, personal),
        hash="",
    )
    return row.model_copy(update={"hash": hash_row(lot, head.epoch, row, previous=head.hash)})


def store_row(connection: sqlite3.Connection, lot: str, epoch: int, row: Row) -> None:
    """Append `row` to the journal of `lot`."""
    connection.execute(SQL["append"], row.model_dump() | {"lot": lot, "epoch": epoch})


def read_head(connection: sqlite3.Connection, lot: str, name: str) -> Head | None:
    """Return the cursor `name` of `lot`: `head` or `acknowledged`."""
    row = connection.execute(SQL["head"], {"lot": lot, "name": name}).fetchone()
    return Head(epoch=row["epoch"], seq=row["seq"], hash=row["hash"]) if row else None


def write_head(connection: sqlite3.Connection, lot: str, name: str, head: Head) -> None:
    """Move the cursor `name` of `lot`."""
    connection.execute(SQL["put_head"], head.model_dump() | {"lot": lot, "name": name})
