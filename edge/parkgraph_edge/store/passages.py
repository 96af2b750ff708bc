"""Commands of a lane: present a vehicle, order a vend, record what the loops confirmed."""

import sqlite3
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.loans import HOLD
from parkgraph.model.plates import Plate
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AnyRecord,
    Crossed,
    CrossedUnadmitted,
    Direction,
    HoldExtended,
    Means,
    Personal,
    PresentationRefused,
    Reason,
    SessionVoided,
    VendFinished,
    VendOrdered,
    VendOutcome,
)
from parkgraph.model.sessions import TRANSITIONS, Session, SessionState
from parkgraph_edge.rules.bills import bill
from parkgraph_edge.rules.identity import Alternative, confusions, may_say, reweighed
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.rules.presentations import lock_after, match_code, match_plate
from parkgraph_edge.store.facts import LotFacts

# An order that the barrier has not taken by then is not wanted any more.
VEND_DEADLINE: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Gate:
    """The barrier of a lane, as an order needs it. `last_order` is the newest id it accepted."""

    lot: str
    lane: str
    direction: Direction
    token: int
    last_order: int
    passages: int
    open_seconds: float

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return f"lane:{self.lane}"


@dataclass(frozen=True, slots=True)
class PlateSeen:
    """A plate that was read; `frame_to_decision_ms` is filled by the lane.

    `frames` agree on it. `alternatives` are what it may say as well, see `Sighting`.
    """

    plate: Plate
    confidence: float
    frame_to_decision_ms: int
    frames: int
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeTyped:
    """Digits from the lane's keypad, and the plate that was read meanwhile, if one was."""

    digits: str
    plate: Plate | None = None


@dataclass(frozen=True, slots=True)
class StandsThere:
    """A vehicle at an exit that nothing else lets out."""


Presented = PlateSeen | CodeTyped | StandsThere


@dataclass(frozen=True, slots=True)
class Admitted:
    """The vehicle may go through, and this order is to open the barrier for it."""

    admission: str
    session: str | None
    order: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The vehicle may not go through."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Present:
    """Present the vehicle of `presence`. A reason in `already` is not recorded again."""

    gate: Gate
    presence: str
    presented: Presented
    already: frozenset[Reason] = frozenset()

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.gate.actor

    def decide(
        self, connection: sqlite3.Connection, moment: Moment
    ) -> Decision[Admitted | Refused]:
        """Admit the vehicle and order the vend, or say why not."""
        facts = LotFacts(connection, self.gate.lot)
        found = self._find(facts, facts.steady_time(moment))
        if isinstance(found, Reason):
            return self._refuse(found, facts, facts.steady_time(moment))
        return self._admit(found, facts, moment)

    def _find(self, facts: LotFacts, now: datetime) -> Session | Reason | None:
        direction = self.gate.direction
        match self.presented:
            case PlateSeen(plate=plate, alternatives=alternatives, frames=frames):
                read = may_say(plate.folded, alternatives, frames)
                candidates = facts.sessions_by_plates(one.folded for one in read)
                if any(session.plate_folded != plate.folded for session in candidates):
                    known = confusions(facts.readings_confirmed(self.gate.lane))
                    read = reweighed(read, known)
                return match_plate(read, candidates, direction, now=now)
            case CodeTyped(digits=digits):
                candidates = facts.sessions_by_code(digits)
                keypad = facts.keypad(self.gate.lane)
                return match_code(digits, candidates, keypad, direction, now=now)
            case StandsThere():
                return None

    def _admit(
        self, session: Session | None, facts: LotFacts, moment: Moment
    ) -> Decision[Admitted | Refused]:
        seen = self.presented if isinstance(self.presented, PlateSeen) else None
        plate = None if isinstance(self.presented, StandsThere) else self.presented.plate
        admission = AdmissionGranted(
            admission=new_id("adm", at=moment.at, random=moment.random(RANDOM_BYTES)),
            session=session.session if session else None,
            lane=self.gate.lane,
            direction=self.gate.direction,
            presence=self.presence,
            means=_means(self.presented),
            passages_before=self.gate.passages,
            boot=moment.boot,
            boot_ms=moment.boot_ms,
            confidence=seen.confidence if seen else None,
            frame_to_decision_ms=seen.frame_to_decision_ms if seen else None,
            personal=Personal(plate=plate.raw) if plate else None,
        )
        order = _vend(self.gate, admission.admission, facts, moment.at)
        return Decision(
            Admitted(admission.admission, admission.session, order.order),
            [
                *_void_twins(session, facts, self.gate.direction),
                admission,
                *_hold_unknown(session, facts.steady_time(moment)),
                order,
            ],
        )

    def _refuse(
        self, reason: Reason, facts: LotFacts, now: datetime
    ) -> Decision[Admitted | Refused]:
        if reason in self.already and reason is not Reason.WRONG_CODE:
            return Decision(Refused(reason))
        is_guess = reason is Reason.WRONG_CODE
        plate = self.presented.plate.raw if isinstance(self.presented, PlateSeen) else None
        refusal = PresentationRefused(
            lane=self.gate.lane,
            presence=self.presence,
            means=_means(self.presented),
            reason=reason,
            locked_until=lock_after(facts.keypad(self.gate.lane), now=now) if is_guess else None,
            personal=Personal(plate=plate) if plate else None,
        )
        return Decision(Refused(reason), [refusal])


@dataclass(frozen=True, slots=True)
class OrderVend:
    """Order one more vend for an admission whose vehicle has not gone through yet."""

    gate: Gate
    admission: str

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.gate.actor

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return the number of the order."""
        facts = LotFacts(connection, self.gate.lot)
        order = _vend(self.gate, self.admission, facts, moment.at)
        return Decision(order.order, [order])


@dataclass(frozen=True, slots=True)
class FinishVend:
    """Record how an order ended."""

    actor: str
    order: int
    lane: str
    outcome: VendOutcome
    decision_to_boom_ms: int | None = None

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[None]:
        """Record it."""
        finished = VendFinished(
            order=self.order,
            lane=self.lane,
            outcome=self.outcome,
            decision_to_boom_ms=self.decision_to_boom_ms,
        )
        return Decision(None, [finished])


@dataclass(frozen=True, slots=True)
class RecordFindings:
    """Record what the loops confirmed, in the order in which it happened."""

    gate: Gate
    findings: Sequence[Finding]

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.gate.actor

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[None]:
        """Record them all."""
        facts = LotFacts(connection, self.gate.lot)
        records: list[AnyRecord] = []
        gone: set[str] = set()
        for finding in self.findings:
            record = self._record(finding, facts, moment, gone)
            if isinstance(record, Crossed) and record.session:
                gone.add(record.session)
            records.append(record)
        return Decision(None, records)

    def _record(
        self, finding: Finding, facts: LotFacts, moment: Moment, gone: Container[str]
    ) -> AnyRecord:
        """Return the record of `finding`; the stays in `gone` crossed in the same decision."""
        admission = finding.admission
        if finding.effect is Effect.CROSSED_UNADMITTED or admission is None:
            return CrossedUnadmitted(
                lane=self.gate.lane, direction=self.gate.direction, vehicles=finding.vehicles
            )
        session = self._still_moving(admission.session, facts)
        session = None if session in gone else session
        if finding.effect is Effect.CROSSED:
            return self._crossed(admission.admission, session, facts, moment)
        return AdmissionLapsed(
            admission=admission.admission,
            session=session,
            lane=self.gate.lane,
            why="backed_out" if finding.effect is Effect.BACKED_OUT else "timed_out",
        )

    def _still_moving(self, session: str | None, facts: LotFacts) -> str | None:
        """Return `session`, or None where another exit that let the same stay out was first."""
        stay = facts.session(session) if session else None
        return stay.session if stay and (stay.state, Crossed) in TRANSITIONS else None

    def _crossed(
        self, admission: str, session: str | None, facts: LotFacts, moment: Moment
    ) -> Crossed:
        stay = facts.session(session) if session else None
        leaves = stay is not None and self.gate.direction is Direction.EXIT
        until = facts.admitted_at(admission) or moment.instant
        owed = bill(stay, until, facts.boots()) if stay and leaves else None
        return Crossed(
            admission=admission,
            session=session,
            lane=self.gate.lane,
            direction=self.gate.direction,
            amount_minor=owed.amount_minor if owed else None,
            boot=moment.boot,
            boot_ms=moment.boot_ms,
            elapsed_seconds=owed.elapsed_seconds if owed else None,
            is_in_doubt=owed.is_in_doubt if owed else None,
            over_seconds=owed.over_seconds if owed else None,
        )


def _void_twins(
    session: Session | None, facts: LotFacts, direction: Direction
) -> list[SessionVoided]:
    """Return the end of what else was booked for a vehicle that has come under `session`."""
    if session is None or direction is Direction.EXIT:
        return []
    return [
        SessionVoided(session=twin.session, kept=session.session) for twin in facts.twins(session)
    ]


def _hold_unknown(session: Session | None, now: datetime) -> list[HoldExtended]:
    """Hold the space of one who came before his booking did: he may back out and try again."""
    if session is None or session.state is not SessionState.ALLOTTED:
        return []
    return [HoldExtended(session=session.session, hold_until=now + HOLD)]


def _means(presented: Presented) -> Means:
    match presented:
        case PlateSeen():
            return Means.PLATE
        case CodeTyped():
            return Means.CODE
        case StandsThere():
            return Means.PRESENCE


def _vend(gate: Gate, admission: str, facts: LotFacts, at: datetime) -> VendOrdered:
    return VendOrdered(
        order=facts.next_order(gate.token, after=gate.last_order),
        token=gate.token,
        admission=admission,
        lane=gate.lane,
        open_seconds=gate.open_seconds,
        before=at + VEND_DEADLINE,
    )
