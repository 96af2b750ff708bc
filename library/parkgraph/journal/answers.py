"""What was answered to a request that may be sent again, kept with what came of it."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from parkgraph.journal.ledger import SQL, Command, Decision, Moment
from parkgraph.model.errors import CallRefusedError, ErrorCode

Outcome = TypeVar("Outcome")

KEPT_FOR: Final = timedelta(hours=24)
MOST_FORGOTTEN: Final = 2048


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as it was sent, and whether it was sent before."""

    text: str
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class Seal(Generic[Outcome]):
    """How to answer with what comes of a command, and how to know the same request again.

    `request` is the digest of the caller's key and Idempotency-Key, None where he sent none;
    `fingerprint` that of what he asks. `show` makes the answer, `show_again` the one to be kept,
    where that is another.
    """

    request: str | None
    fingerprint: str
    show: Callable[[Outcome], str]
    show_again: Callable[[Outcome], str] | None = None

    def around(self, command: Command[Outcome]) -> "Sealed[Outcome]":
        """Return `command` as one that is decided once, and answered as often as it is sent."""
        return Sealed(command, self)


@dataclass(frozen=True, slots=True)
class Sealed(Generic[Outcome]):
    """A command whose answer is kept in the transaction of what it does.

    A refusal did nothing, so it is not kept: the same request is decided anew.
    """

    command: Command[Outcome]
    seal: Seal[Outcome]

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.command.actor

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Told]:
        """Return the answer, or the one that was given before.

        Raises:
            CallRefusedError: as the command does; the Idempotency-Key was used for another request.
        """
        seal = self.seal
        if seal.request and (told := _answered(connection, seal.request, seal.fingerprint)):
            return Decision(told)
        decision = self.command.decide(connection, moment)
        text = seal.show(decision.outcome)
        if seal.request:
            kept = seal.show_again(decision.outcome) if seal.show_again else text
            _keep(connection, seal.request, seal.fingerprint, kept, moment.at)
        return Decision(Told(text), decision.records)


def forget_answers(connection: sqlite3.Connection, now: datetime) -> None:
    """Forget answers that were given more than `KEPT_FOR` ago, some at a time."""
    before = (now - KEPT_FOR).isoformat()
    connection.execute(SQL["forget_answers"], {"before": before, "limit": MOST_FORGOTTEN})


def _answered(connection: sqlite3.Connection, request: str, fingerprint: str) -> Told | None:
    row = connection.execute(SQL["answer"], {"request": request}).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise CallRefusedError(
            ErrorCode.IDEMPOTENCY_MISMATCH,
            "this Idempotency-Key was sent with another request; send a new one",
            field="Idempotency-Key",
        )
    return Told(row["answer"], is_replayed=True)


def _keep(
    connection: sqlite3.Connection, request: str, fingerprint: str, answer: str, at: datetime
) -> None:
    parameters = {
        "request": request,
        "fingerprint": fingerprint,
        "answer": answer,
        "at": at.isoformat(),
    }
    connection.execute(SQL["keep_answer"], parameters)
