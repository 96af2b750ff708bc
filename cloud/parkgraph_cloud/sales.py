"""Commands of the cloud: it sells what a lot has lent, and nothing else."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.epochs import RECOVERING, is_recovering
from parkgraph.journal.facts import same_request, session_of
from parkgraph.journal.ledger import SQL as JOURNAL
from parkgraph.journal.ledger import Decision, Moment
from parkgraph.journal.observations import recently_occupied
from parkgraph.model.api import DEFAULT_STAY
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.loans import CLASSES_FOR, HOLD, LEAST_MARGIN, may_sell
from parkgraph.model.plates import Plate
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    AnyRecord,
    CancelAsked,
    Personal,
)
from parkgraph.model.sessions import Session, SessionState
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

SQL: Final = load_queries("parkgraph_cloud", "sales.sql")
# Less than the margin of a loan, which covers it.
LEAST_SLIP: Final = LEAST_MARGIN / 3
ASK_AGAIN: Final = timedelta(seconds=30)
# A lot that had nothing left to lend may have something by then.
ASK_THE_EMPTY: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Sell:
    """Sell one of a lot's allotments to a vehicle. Whether the lot can be reached is no matter."""

    lot: str
    key: str
    plate: Plate | None
    vin: str | None
    fleet: str | None
    autonomous: bool
    stay: timedelta | None
    request: str | None = None

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return f"key:{self.key}"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the stay: its id, space and code are those that the lot prepared.

        Raises:
            CallRefusedError: there is no such lot, the vehicle has a stay there, or the lot has
                lent nothing that may be sold now.
        """
        if made := _one(connection, "session_by_request", lot=self.lot, request=self.request):
            return Decision(same_request(made, self.plate, self.vin))
        self._check(connection, moment.at)
        allotment = self._choose(connection, moment.at)
        if allotment is None:
            raise _nothing_lent(connection, self.lot)
        assert isinstance(allotment.rate, RateCard)
        rate = allotment.rate.rate_for(autonomous=self.autonomous)
        stay = self.stay or DEFAULT_STAY
        personal = Personal(
            plate=self.plate.raw if self.plate else None,
            vin=self.vin,
            gate_code=allotment.gate_code,
        )
        record = AllotmentSold(
            session=allotment.session,
            space=allotment.space,
            entry_lane=allotment.entry_lane,
            rate=rate,
            fleet=self.fleet,
            autonomous=self.autonomous,
            expected_minutes=stay // timedelta(minutes=1),
            estimated_minor=rate.price(stay).total_minor,
            arrive_within_seconds=int(HOLD.total_seconds()),
            hold_until=moment.at + HOLD,
            sold_at=moment.at,
            request=self.request,
            personal=personal,
        )
        return Decision(self._sold(allotment, record, moment.at), [record])

    def _check(self, connection: sqlite3.Connection, now: datetime) -> None:
        if not connection.execute(SQL["lot"], {"lot": self.lot}).fetchone():
            raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such lot", field="lot_id")
        if is_recovering(connection, stream_of_cloud(self.lot)):
            raise CallRefusedError(
                ErrorCode.LOT_OFFLINE, "the cloud was restored and waits for the lot; ask the lot"
            )
        if _ran_backwards(connection.execute(SQL["newest_time"]).fetchone(), now):
            raise CallRefusedError(
                ErrorCode.LOT_OFFLINE, "the cloud's clock ran backwards; ask the lot"
            )
        letters = self.plate.letters if self.plate else None
        known = _one(
            connection, "open_session_of_vehicle", lot=self.lot, letters=letters, vin=self.vin
        )
        if known:
            raise CallRefusedError(
                ErrorCode.CONFLICT, f"this vehicle has the open session {known.session} there"
            )

    def _choose(self, connection: sqlite3.Connection, now: datetime) -> Session | None:
        restored_at = _restored_at(connection, self.lot)
        occupied = recently_occupied(connection, self.lot, now)
        second_choice: Session | None = None
        for space_class in CLASSES_FOR[self.autonomous]:
            parameters = {"lot": self.lot, "space_class": space_class}
            for row in connection.execute(SQL["allotments_of_class"], parameters):
                allotment = session_of(row)
                if not _is_sellable(allotment, restored_at, now):
                    continue
                if allotment.space not in occupied:
                    return allotment
                second_choice = second_choice or allotment
        return second_choice

    def _sold(self, allotment: Session, record: AllotmentSold, now: datetime) -> Session:
        plate = self.plate
        return replace(
            allotment,
            state=SessionState.RESERVED,
            fleet=record.fleet,
            autonomous=record.autonomous,
            vin=self.vin,
            plate=plate.raw if plate else None,
            plate_letters=plate.letters if plate else None,
            plate_folded=plate.folded if plate else None,
            rate=record.rate,
            expected_minutes=record.expected_minutes,
            estimated_minor=record.estimated_minor,
            reserved_at=now,
            hold_until=record.hold_until,
            request=self.request,
        )


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back a booking whose vehicle has not come, as far as the cloud knows."""

    lot: str
    key: str
    session: str

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return f"key:{self.key}"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the stay, cancelled; the lot may have let the vehicle in, and is right then.

        Raises:
            CallRefusedError: the cloud did not sell it, its vehicle has come, or the cloud was
                restored and waits for the lot.
        """
        if is_recovering(connection, stream_of_cloud(self.lot)):
            raise CallRefusedError(
                ErrorCode.LOT_OFFLINE, "the cloud was restored and waits for the lot; ask the lot"
            )
        stay = _one(connection, "session", lot=self.lot, session=self.session)
        if stay is None or stay.state is not SessionState.RESERVED or stay.lent_asked_at is None:
            raise CallRefusedError(
                ErrorCode.CONFLICT, "only a booking of the cloud that is awaited can be cancelled"
            )
        cancelled = replace(stay, state=SessionState.CANCELLED)
        return Decision(cancelled, [CancelAsked(session=stay.session)])


@dataclass(frozen=True, slots=True)
class Tend:
    """Ask a lot for spaces when half are sold or a quarter of the time is over; return stale ones.

    `is_clock_wrong` says that this clock ran backwards: then nothing unsold can be trusted. What
    was lent before a restore of the cloud may have been sold: it is neither sold, renewed nor
    returned.
    """

    lot: str
    is_clock_wrong: bool
    is_linked: bool
    actor: str = "cloud"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return how many records came of it."""
        if is_recovering(connection, stream_of_cloud(self.lot)):
            return Decision(0)
        rows = connection.execute(SQL["allotments"], {"lot": self.lot}).fetchall()
        restored_at = _restored_at(connection, self.lot)
        unsold = [s for s in map(session_of, rows) if _is_trusted(s, restored_at)]
        fresh: list[Session] = []
        records: list[AnyRecord] = []
        for session in unsold:
            if self.is_clock_wrong or _is_of_the_future(session, moment.at):
                records.append(AllotmentReturned(session=session.session))
            else:
                fresh.append(session)
        stream = {"stream": stream_of_cloud(self.lot)}
        asked = connection.execute(SQL["asked"], stream).fetchone()
        sold = connection.execute(SQL["sold_since"], stream | {"seq": asked["seq"] if asked else 0})
        asked_at = datetime.fromisoformat(asked["at"]) if asked else None
        if self.is_linked and wants_more(fresh, sold.fetchone()["sold"], asked_at, moment.at):
            ids = tuple(session.session for session in fresh)
            records.append(AllotmentsAsked(asked_at=moment.at, unsold=ids))
        return Decision(len(records), records)


def wants_more(
    unsold: Sequence[Session], sold: int, asked_at: datetime | None, now: datetime
) -> bool:
    """Say whether to ask a lot for allotments, which it was last asked for at `asked_at`.

    It then filled up what it lends, so half is sold when `sold` since are as many as `unsold`.
    """
    if asked_at is None or asked_at > now:
        return True
    loans = [timedelta(seconds=s.lent_seconds) for s in unsold if s.lent_seconds]
    long = min([*(loan / 4 for loan in loans), *([] if unsold else [ASK_THE_EMPTY])])
    is_half_sold = sold > 0 and sold >= len(unsold)
    return now - asked_at > (min(ASK_AGAIN, long) if is_half_sold else long)


async def count_sellable(reader: Reader, lot: str, now: datetime) -> int:
    """Return how many spaces of `lot` could be sold now, to whomever."""
    newest = await reader.one(SQL["newest_time"], {})
    stream = {"stream": stream_of_cloud(lot)}
    is_waiting = await reader.one(JOURNAL["head"], stream | {"name": RECOVERING})
    if is_waiting or _ran_backwards(newest, now):
        return 0
    restored = await reader.one(SQL["restored"], stream)
    restored_at = datetime.fromisoformat(restored["at"]) if restored else None
    rows = [
        row
        for space_class in CLASSES_FOR[True]
        for row in await reader.all(
            SQL["allotments_of_class"], {"lot": lot, "space_class": space_class}
        )
    ]
    return sum(_is_sellable(session_of(row), restored_at, now) for row in rows)


def _is_sellable(allotment: Session, restored_at: datetime | None, now: datetime) -> bool:
    assert allotment.lent_asked_at is not None
    assert allotment.lent_seconds is not None
    loan = timedelta(seconds=allotment.lent_seconds)
    is_in_time = may_sell(now, asked_at=allotment.lent_asked_at, loan=loan)
    return is_in_time and _is_trusted(allotment, restored_at)


def _ran_backwards(newest: sqlite3.Row | None, now: datetime) -> bool:
    return newest is not None and datetime.fromisoformat(newest["newest"]) - now > LEAST_SLIP


def _restored_at(connection: sqlite3.Connection, lot: str) -> datetime | None:
    """Return when the cloud last had its decisions for `lot` back from there, having lost some."""
    found = connection.execute(SQL["restored"], {"stream": stream_of_cloud(lot)}).fetchone()
    return datetime.fromisoformat(found["at"]) if found else None


def _is_trusted(allotment: Session, restored_at: datetime | None) -> bool:
    """Say whether the cloud would know if it had sold the allotment."""
    asked_at = allotment.lent_asked_at
    return restored_at is None or (asked_at is not None and asked_at >= restored_at)


def _is_of_the_future(session: Session, now: datetime) -> bool:
    return session.lent_asked_at is not None and session.lent_asked_at > now


def _one(connection: sqlite3.Connection, query: str, **parameters: str | None) -> Session | None:
    row = connection.execute(SQL[query], parameters).fetchone()
    return session_of(row) if row else None


def _nothing_lent(connection: sqlite3.Connection, lot: str) -> CallRefusedError:
    row = connection.execute(SQL["is_linked"], {"lot": lot}).fetchone()
    if row and row["is_linked"]:
        return CallRefusedError(
            ErrorCode.LOT_FULL, "the lot has lent no space that is left; ask the lot itself"
        )
    others = connection.execute(SQL["lots_with_allotments"], {"lot": lot}).fetchall()
    where = ", ".join(other["lot"] for other in others) or "no other lot now"
    return CallRefusedError(
        ErrorCode.LOT_OFFLINE,
        f"the lot cannot be reached and has lent no space that is left; spaces at: {where}",
    )
