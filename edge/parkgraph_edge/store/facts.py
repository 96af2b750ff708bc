"""The lot's facts, read inside the transaction that will hold what is decided on them."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from parkgraph.journal.apply import FactsConflictError
from parkgraph.journal.digests import damaged, fault_of
from parkgraph.journal.facts import boot_of, session_of
from parkgraph.journal.ledger import Moment
from parkgraph.model.elapsed import Boot, BootTime, Instant
from parkgraph.model.plates import Plate, fold
from parkgraph.model.rates import RateCard
from parkgraph.model.records import Means, Place, SpaceClass
from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.queries import load_queries
from parkgraph_edge.rules.identity import Confirmed
from parkgraph_edge.rules.presentations import Keypad
from parkgraph_edge.rules.spaces import FreeSpace

SQL: Final = load_queries("parkgraph_edge.store", "facts.sql")

# Less is no step: NTP slews it away, and nobody is charged for it.
SMALLEST_STEP: Final = timedelta(seconds=2)
_OVER: Final = frozenset(SessionState) - OPEN_STATES


class PastDamagedError(UnavailableError, FactsConflictError):
    """The facts of a stay that is over are damaged. Only who asks for that stay is turned away."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """A space that is lent. `asked_at` tells one renewal from the next."""

    session: str
    space_class: SpaceClass
    asked_at: str


@dataclass(frozen=True, slots=True)
class LostSpace:
    """An awaited stay and its space, which is no longer in the lot unless `is_listed`."""

    session: Session
    space_class: SpaceClass
    is_listed: bool


@dataclass(frozen=True, slots=True)
class Clocks:
    """The time that `passed` since an anchor, and by how much the wall clock differs from that."""

    passed: timedelta
    step: timedelta
    was_trusted: bool

    @property
    def is_stepped(self) -> bool:
        """Whether somebody set the wall clock."""
        return abs(self.step) > SMALLEST_STEP


@dataclass(frozen=True, slots=True)
class LotFacts:
    """The facts of one lot, through the writer's connection; each row fits its digest.

    Every method raises `CorruptError` where one does not, which ends the writer.
    """

    connection: sqlite3.Connection
    lot: str

    def session(self, session: str) -> Session | None:
        """Return one stay of this lot."""
        rows = self._rows("session", session=session)
        return session_of(rows[0]) if rows else None

    def boots(self) -> dict[str, Boot]:
        """Return the runs of the lot's machine that an open stay may need, by their ids."""
        return {row["boot"]: boot_of(row) for row in self._rows("boots")}

    def clocks_before(self, moment: Moment) -> Clocks | None:
        """Return what both clocks did since they were last anchored in this run of the machine."""
        rows = self._rows("boot", boot=moment.boot)
        if not rows:
            return None
        passed = timedelta(milliseconds=moment.boot_ms - rows[0]["last_ms"])
        step = moment.at - datetime.fromisoformat(rows[0]["last_at"]) - passed
        return Clocks(passed, step, bool(rows[0]["is_trusted"]))

    def steady_time(self, moment: Moment) -> datetime:
        """Return the time by which holds are made and judged: the wall clock's, but for steps.

        Those count once they are recorded, with the holds that they move.
        """
        before = self.clocks_before(moment)
        return moment.at - before.step if before and before.is_stepped else moment.at

    def reserved(self) -> list[Session]:
        """Return the stays whose vehicle is awaited."""
        return [session_of(row) for row in self._rows("reserved")]

    def sessions_by_plates(self, folded: Iterable[str]) -> list[Session]:
        """Return the open stays whose plate folds to one of `folded`: 64 times as many at most."""
        plates = json.dumps(sorted(set(folded)))
        return [session_of(row) for row in self._rows("sessions_by_plates", plates=plates)]

    def readings_confirmed(self, lane: str) -> list[Confirmed]:
        """Return what the camera of `lane` read of those who went through lately; 1,000 at most."""
        rows = self._rows("readings_confirmed", lane=lane)
        return [
            Confirmed(fold(row["reading"]), row["plate_folded"], by_code=row["means"] == Means.CODE)
            for row in rows
        ]

    def sessions_by_code(self, digits: str) -> list[Session]:
        """Return the open stay whose gate code is `digits`, if any."""
        return [session_of(row) for row in self._rows("sessions_by_code", gate_code=digits)]

    def open_session_of_vehicle(self, plate: Plate | None, vin: str | None) -> str | None:
        """Return the id of an open stay of that plate or that VIN."""
        letters, folded = (plate.letters, plate.folded) if plate else (None, None)
        rows = self._rows("open_session_of_vehicle", letters=letters, folded=folded, vin=vin)
        return rows[0]["session"] if rows else None

    def free_spaces(self, space_class: SpaceClass, *, limit: int) -> list[FreeSpace]:
        """Return the first free spaces of a class, by id."""
        rows = self._rows("free_spaces", space_class=space_class, limit=limit)
        return [FreeSpace(row["space"], SpaceClass(row["space_class"])) for row in rows]

    def keypad(self, lane: str) -> Keypad:
        """Return what the keypad of `lane` remembers of wrong guesses."""
        rows = self._rows("keypad", lane=lane)
        if not rows:
            return Keypad()
        until = rows[0]["locked_until"]
        return Keypad(rows[0]["wrong_codes"], datetime.fromisoformat(until) if until else None)

    def allotments(self) -> list[Allotment]:
        """Return every space that is lent and, as far as the lot has read, not sold."""
        return [
            Allotment(row["session"], SpaceClass(row["space_class"]), row["lent_asked_at"])
            for row in self._rows("allotments")
        ]

    def session_by_request(self, request: str | None) -> Session | None:
        """Return the stay that was made by the request with this digest."""
        rows = self._rows("session_by_request", request=request) if request else []
        return session_of(rows[0]) if rows else None

    def twins(self, session: Session) -> list[Session]:
        """Return the awaited stays of the same vehicle that `session` makes needless."""
        rows = self._rows("twins", session=session.session, twin=session.twin)
        return [session_of(row) for row in rows]

    def in_lost_spaces(self, occupied: Iterable[str], *, limit: int) -> list[LostSpace]:
        """Return awaited stays whose space is gone from the lot, or has somebody else in it."""
        rows = self._rows("in_lost_spaces", occupied=json.dumps(sorted(occupied)), limit=limit)
        return [
            LostSpace(session_of(row), SpaceClass(row["space_class"]), bool(row["is_listed"]))
            for row in rows
        ]

    def rate_card(self) -> RateCard | None:
        """Return what the cloud has set for the lot, if anything."""
        rows = self._rows("rate_card")
        return RateCard.model_validate_json(rows[0]["card"]) if rows else None

    def rates(self, configured: RateCard) -> RateCard:
        """Return what bookings cost from now on: what the cloud has set, else as `configured`.

        A card in other money than the lot's is not used: cloud and lot were told different things.
        """
        card = self.rate_card()
        return card if card and card.currency == configured.currency else configured

    def is_barred(self, key: str) -> bool:
        """Say whether the key was revoked."""
        return bool(self._rows("is_barred", key=key))

    def reserved_with(self, key: str, known: Place | None) -> list[str]:
        """Return the stays that `key` booked after the row `known`, at most 256."""
        epoch, seq = (known.epoch, known.seq) if known else (0, 0)
        rows = self._rows("reserved_with", actor=f"key:{key}", epoch=epoch, seq=seq)
        return [row["subject"] for row in rows]

    def next_order(self, token: int, *, after: int) -> int:
        """Return an order number above every other under `token`, and above `after`."""
        rows = self._rows("newest_order", token=token)
        return int(max(rows[0]["order_number"] if rows else 0, after)) + 1

    def orders_unfinished(self) -> list[tuple[int, str]]:
        """Return number and lane of every order whose end was not recorded."""
        return [(row["order_number"], row["lane"]) for row in self._rows("orders_unfinished")]

    def reservations_overdue(self, now: datetime, *, limit: int) -> list[str]:
        """Return reservations whose vehicle has not come in time."""
        rows = self._rows(
            "reservations_overdue", now=now.isoformat().replace("+00:00", "Z"), limit=limit
        )
        return [row["session"] for row in rows]

    def another_lot(self) -> str | None:
        """Return the id of a lot that is not this one and whose ledger this file is."""
        rows = self._rows("another_lot")
        return rows[0]["lot"] if rows else None

    def description(self) -> str | None:
        """Return the newest description of the lot, as recorded."""
        rows = self._rows("lot_description")
        return rows[0]["description"] if rows else None

    def admitted_at(self, admission: str) -> Instant | None:
        """Return when an admission was granted, by both clocks."""
        rows = self._rows("admission", admission=admission)
        if not rows:
            return None
        boot = rows[0]["granted_boot"]
        time = BootTime(boot, rows[0]["granted_boot_ms"]) if boot else None
        return Instant(datetime.fromisoformat(rows[0]["granted_at"]), time)

    def admission_open(self, lane: str) -> sqlite3.Row | None:
        """Return the admission of `lane` that was neither crossed nor lapsed."""
        rows = self._rows("admission_open", lane=lane)
        return rows[0] if rows else None

    def __contains__(self, code: object) -> bool:
        """Say whether an open stay has the gate code `code`."""
        return bool(self._rows("has_open_code", gate_code=code))

    def _rows(self, query: str, **parameters: Any) -> list[sqlite3.Row]:
        rows = self.connection.execute(SQL[query], {"lot": self.lot} | parameters).fetchall()
        for row in rows:
            if fault := fault_of(row):
                if "state" in row.keys() and row["state"] in _OVER:  # noqa: SIM118 (a row has no `in`)
                    raise PastDamagedError(f"the ledger is damaged: {fault}, which is over")
                raise damaged(f"{fault} does not fit its digest")
        return rows
