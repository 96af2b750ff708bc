"""Calls about stays that a lot owns: the lot is asked, and its answer is waited for."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from parkgraph.front.contract import Principal
from parkgraph.journal.answers import KEPT_FOR, MOST_FORGOTTEN, Seal, Told
from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.changes import Changes, Follower
from parkgraph.journal.epochs import is_recovering
from parkgraph.journal.facts import find_session, session_of
from parkgraph.journal.ledger import Decision, Ledger, Moment, read_head
from parkgraph.model.api import LONGEST_EXTENSION, LONGEST_STAY
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import CancelAsked, ConflictFound, EndAsked, ExtensionAsked
from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph_cloud.lot_states import SQL as STATES
from parkgraph_cloud.lot_states import heard_of
from parkgraph_cloud.sales import Cancel

SQL: Final = load_queries("parkgraph_cloud", "asking.sql")

PATIENCE_SECONDS: Final = 5.0
# A lot that is linked and took so long took the directive and said nothing of it.
UNANSWERED_AFTER: Final = timedelta(minutes=1)

Wish = EndAsked | CancelAsked | ExtensionAsked

_AWAITED_OR_INSIDE: Final = frozenset(
    {SessionState.RESERVED, SessionState.ARRIVING, SessionState.PARKED}
)
# In which states a lot does what is asked.
_FIT: Final[Mapping[type[Wish], frozenset[SessionState]]] = {
    EndAsked: frozenset({SessionState.RESERVED, SessionState.PARKED}),
    CancelAsked: frozenset({SessionState.RESERVED}),
    ExtensionAsked: _AWAITED_OR_INSIDE,
}
_WHEN: Final[Mapping[type[Wish], str]] = {
    EndAsked: "a session ends while it is awaited or parked",
    CancelAsked: "only a session whose vehicle is awaited is cancelled",
    ExtensionAsked: "a session is extended before its vehicle leaves",
}
_ENDED: Final = frozenset(SessionState) - OPEN_STATES | {SessionState.LEAVING}
_GONE: Final = frozenset({"session_cancelled", "session_voided", "no_show_declared"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The lot was asked when its journal was known up to a row."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a lot said of a stay."""

    type: str
    actor: str
    body: str


class _OwnedByLotError(RefusedError):
    """The cloud cannot decide it alone."""


@dataclass(frozen=True, slots=True)
class _DecideHere:
    """Do what the cloud may: what it sold and is awaited, it cancels."""

    lot: str
    principal: Principal
    wish: Wish
    request: str | None

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.principal.actor

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the stay as it is then.

        Raises:
            _OwnedByLotError: its vehicle has come, the lot booked it, or more time is asked for.
        """
        stay = _stay(connection, self.lot, self.wish.session)
        is_end = isinstance(self.wish, EndAsked)
        if is_end and self.request and stay.end_request == self.request:
            return Decision(stay)
        is_own = stay.state is SessionState.RESERVED and stay.lent_asked_at is not None
        if is_own and not isinstance(self.wish, ExtensionAsked):
            cancel = Cancel(self.lot, self.principal.key_id, stay.session)
            return cancel.decide(connection, moment)
        raise _OwnedByLotError


@dataclass(frozen=True, slots=True)
class Ask:
    """Do what the cloud may decide; else ask the lot, once for each request."""

    lot: str
    principal: Principal
    wish: Wish
    seal: Seal[Session]

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.principal.actor

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Told | Asked]:
        """Return the answer, or from where on the lot's is to be looked for.

        Raises:
            CallRefusedError: it may not be; the lot cannot be reached; the Idempotency-Key was
                used for another request.
        """
        here = _DecideHere(self.lot, self.principal, self.wish, self.seal.request)
        try:
            return self.seal.around(here).decide(connection, moment)
        except _OwnedByLotError:
            pass
        if asked := self._asked_before(connection):
            return Decision(asked)
        self._check(connection, moment.at)
        asked = self._note(connection, moment)
        return Decision(asked, [self.wish])

    def _asked_before(self, connection: sqlite3.Connection) -> Asked | None:
        row = connection.execute(SQL["ask"], {"ask": self.seal.request}).fetchone()
        if row is None:
            return None
        if row["fingerprint"] != self.seal.fingerprint:
            raise CallRefusedError(
                ErrorCode.IDEMPOTENCY_MISMATCH,
                "this Idempotency-Key was sent with another request; send a new one",
                field="Idempotency-Key",
            )
        return Asked(row["heard_epoch"], row["heard_seq"])

    def _check(self, connection: sqlite3.Connection, now: datetime) -> None:
        heard = heard_of(connection.execute(STATES["state"], {"lot": self.lot}).fetchone())
        if is_recovering(connection, stream_of_cloud(self.lot)) or not heard.is_linked(now):
            raise CallRefusedError(
                ErrorCode.LOT_OFFLINE,
                "the lot decides this and cannot be reached now; nothing was asked of it. Ask the"
                " lot itself, or try again later. The exit opens all the same",
            )
        stay = _stay(connection, self.lot, self.wish.session)
        check_wish(self.wish, stay, now)
        before = {
            "lot": self.lot,
            "session": stay.session,
            "since": (now - UNANSWERED_AFTER).isoformat(),
        }
        row = connection.execute(SQL["newest_ask"], before).fetchone()
        if row is None:
            return
        place = {"epoch": row["heard_epoch"], "seq": row["heard_seq"]}
        said = connection.execute(SQL["said_since"], before | place)
        if not any(each["actor"] == "cloud" for each in said):
            # Whose answer comes next nobody could tell.
            raise CallRefusedError(
                ErrorCode.UNAVAILABLE, "the lot has not answered another call about this session"
            )

    def _note(self, connection: sqlite3.Connection, moment: Moment) -> Asked:
        head = read_head(connection, self.lot, "head")
        asked = Asked(head.epoch, head.seq) if head else Asked(0, 0)
        parameters = {
            "ask": self.seal.request or moment.random(16).hex(),
            "fingerprint": self.seal.fingerprint,
            "lot": self.lot,
            "session": self.wish.session,
            "epoch": asked.epoch,
            "seq": asked.seq,
            "at": moment.at.isoformat(),
        }
        connection.execute(SQL["put_ask"], parameters)
        return asked


@dataclass(frozen=True, slots=True)
class _Show:
    """Find a stay: its answer is kept with the request."""

    lot: str
    session: str
    actor: str

    def decide(self, connection: sqlite3.Connection, _: Moment) -> Decision[Session]:
        """Return the stay."""
        return Decision(_stay(connection, self.lot, self.session))


class Asking:
    """Asks lots about stays, and waits a while for what they say."""

    def __init__(
        self, reader: Reader, ledger_of: Callable[[str], Ledger], changes: Changes
    ) -> None:
        """Decide in the ledger of the cloud for a lot; hear of answers through `changes`."""
        self._reader = reader
        self._ledger_of = ledger_of
        self._changes = changes

    async def ask(self, principal: Principal, lot: str, wish: Wish, seal: Seal[Session]) -> Told:
        """Return the answer to `wish`, once it is done.

        Raises:
            CallRefusedError: cloud or lot refuse it, or the lot cannot be reached; where it does
                not answer in time, it may still do it: the same request tells.
            UnavailableError: too many wait already; nothing was asked.
        """
        ledger = self._ledger_of(lot)
        with self._changes.follow(lot) as follower:
            asked = await ledger.submit(Ask(lot, principal, wish, seal))
            if isinstance(asked, Told):
                return asked
            await self._wait(follower, lot, wish, asked)
        return await ledger.submit(seal.around(_Show(lot, wish.session, principal.actor)))

    async def _wait(self, follower: Follower, lot: str, wish: Wish, asked: Asked) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await self._is_done(lot, wish, asked):
                    await follower.has_more(within_seconds=PATIENCE_SECONDS)
        except TimeoutError:
            raise CallRefusedError(
                ErrorCode.UNAVAILABLE,
                "the lot was asked and has not answered yet; it may still do it. Read the session,"
                " or send the same request with the same Idempotency-Key, to find out",
            ) from None

    async def _is_done(self, lot: str, wish: Wish, asked: Asked) -> bool:
        place = {"epoch": asked.epoch, "seq": asked.seq}
        about = {"lot": lot, "session": wish.session}
        said = [
            Said(row["type"], row["actor"], row["body"])
            for row in await self._reader.all(SQL["said_since"], about | place)
        ]
        stay = await find_session(self._reader, wish.session)
        return stay is not None and is_done(wish, stay.state, said)


def check_wish(wish: Wish, stay: Session, now: datetime) -> None:
    """See that a lot would do it, as far as the cloud knows: each refusal there troubles a person.

    Raises:
        CallRefusedError: it would not.
    """
    if stay.state not in _FIT[type(wish)]:
        raise CallRefusedError(ErrorCode.CONFLICT, f"{_WHEN[type(wish)]}; it is {stay.state}")
    if not isinstance(wish, ExtensionAsked):
        return
    more = timedelta(minutes=wish.minutes)
    is_awaited = stay.state is SessionState.RESERVED
    if is_awaited and stay.hold_until + more > now + LONGEST_EXTENSION:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST,
            f"a space is held for at most {LONGEST_EXTENSION.days} days from now",
            field="minutes",
        )
    if timedelta(minutes=stay.expected_minutes) + more > LONGEST_STAY:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST,
            f"a session lasts for at most {LONGEST_STAY.days} days",
            field="minutes",
        )


def is_done(wish: Wish, state: SessionState, said: Sequence[Said]) -> bool:
    """Say whether a lot did what it was asked, by what it has `said` of the stay since.

    Raises:
        CallRefusedError: it refused.
    """
    for each in said:
        if each.type == "conflict_found" and each.actor == "cloud":
            conflict = ConflictFound.model_validate_json(each.body)
            if conflict.kind == "directive_refused":
                raise CallRefusedError(ErrorCode.CONFLICT, f"the lot refused: {conflict.what}")
    match wish:
        case EndAsked():
            return state in _ENDED
        case CancelAsked() if state in OPEN_STATES or state is SessionState.COMPLETED:
            raise CallRefusedError(
                ErrorCode.CONFLICT, f"{_WHEN[CancelAsked]}; it is {state}: end it instead"
            )
        case CancelAsked():
            return any(each.type in _GONE for each in said)
        case ExtensionAsked():
            return any(each.type == "session_extended" and each.actor == "cloud" for each in said)


def forget_asks(connection: sqlite3.Connection, now: datetime) -> None:
    """Forget what was asked as long ago as answers are forgotten, some at a time."""
    before: dict[str, Any] = {"before": (now - KEPT_FOR).isoformat(), "limit": MOST_FORGOTTEN}
    connection.execute(SQL["forget_asks"], before)


def _stay(connection: sqlite3.Connection, lot: str, session: str) -> Session:
    row = connection.execute(SQL["session"], {"lot": lot, "session": session}).fetchone()
    if row is None:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
    return session_of(row)
