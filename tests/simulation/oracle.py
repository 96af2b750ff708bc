"""The oracle: what was acknowledged and what is true, and whether the two ever contradict."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph_edge.rules.barriers import VendOrder
from parkgraph_firmware_sim.lane import CLOSING_LOOP_X
from tests.simulation.lots import LotSite
from tests.simulation.streets import STEP_SECONDS, Street

if TYPE_CHECKING:
    from tests.simulation.vehicles import Vehicle

HOLD_SECONDS: Final = 1800.0
# So long may a car stand first at an exit whose gateway and barrier are well.
LONGEST_AT_EXIT_SECONDS: Final = 120.0
LATE_BY_SECONDS: Final = 0.05
_OPEN_BY_REQUEST: Final = """\
SELECT session FROM sessions
 WHERE lot = ? AND request = ? AND state IN ('reserved', 'arriving', 'parked', 'leaving')
"""
# A barrier never moves for a stale reason: an entry opens for what was seen this moment.
LONGEST_REASON_SECONDS: Final = 2.0 + LATE_BY_SECONDS


class Violation(NamedTuple):
    """Something that must never be. `kind` is what the last line of a run counts."""

    kind: str
    at_seconds: float
    what: str


@dataclass(slots=True)
class Promise:
    """An acknowledged booking, as its vehicle has it."""

    vehicle: "Vehicle"
    lot: LotSite
    side: str
    digest: str
    session: str
    space: str
    code: str
    at: float
    # How far the lot's wall clock was off, least and most, since then; and in which of its boots.
    least_offset: float
    most_offset: float
    boot: str
    hold_seconds: float = HOLD_SECONDS
    is_over: bool = False
    is_forgiven: bool = False


@dataclass(slots=True)
class Ended:
    """An acknowledged end of a stay."""

    lot: LotSite
    session: str
    digest: str
    amount_minor: int
    at: float
    is_forgiven: bool = False


@dataclass(slots=True)
class Oracle:
    """Knows all, and says when something is wrong."""

    now: float = 0.0
    acked: int = 0
    violations: list[Violation] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)
    # Accepted orders: lot, lane, token, id.
    orders: list[tuple[LotSite, Street, int, int, float]] = field(default_factory=list)
    # Stays of which no machine knows everything any more, since a backup was put back.
    forgotten: set[str] = field(default_factory=set)
    rolled_back: set[str] = field(default_factory=set)
    restored_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _by_space: dict[tuple[str, str], list[Promise]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _by_digest: dict[tuple[str, str, str], Promise] = field(default_factory=dict)
    _orders_seen: set[tuple[str, str, int, int]] = field(default_factory=set)
    _at_exit: dict[str, tuple[str, float]] = field(default_factory=dict)
    _collisions: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def accuse(self, kind: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(kind, self.now, what))

    # Acknowledgements.

    def booked(
        self, vehicle: "Vehicle", lot: LotSite, side: str, digest: str, session: Session
    ) -> Promise:
        """Hear that `vehicle` was promised a space; check it against all other promises."""
        key = (lot.name, side, digest)
        before = self._by_digest.get(key)
        if before and before.session == session.session:
            return before
        if before and not before.is_forgiven:
            self.accuse(
                "duplicated",
                f"{vehicle.plate}: {side} answered one request with {before.session} and"
                f" {session.session}",
            )
        offset = lot.machine.clock.offset_seconds
        promise = Promise(
            vehicle=vehicle,
            lot=lot,
            side=side,
            digest=digest,
            session=session.session,
            space=session.space,
            code=session.gate_code,
            at=self.now,
            least_offset=offset,
            most_offset=offset,
            boot=lot.machine.clock.boot_id(),
        )
        promise.is_forgiven = session.session in self.forgotten  # answered before, heard now
        if side == "lot":  # it was told until when, perhaps late
            left = (session.hold_until - lot.machine.clock.now()).total_seconds()
            promise.hold_seconds = min(HOLD_SECONDS, left)
        # Told late, of a stay that was over by then.
        is_old = session.state not in OPEN_STATES
        promise.is_over = is_old or (side == "lot" and lot.machine.clock.now() > session.hold_until)
        self.acked += 1
        self._by_digest[key] = promise
        self.promises.append(promise)
        if not promise.is_over:
            self._check_oversold(promise)
        vehicle.promises.append(promise)
        self._by_space[lot.name, session.space].append(promise)
        return promise

    def refused_as_known(
        self, lot: LotSite, side: str, digest: str, ledger: sqlite3.Connection | None
    ) -> None:
        """Hear that a vehicle was refused as it has a stay; that must not be of this request."""
        if ledger is None:
            return
        made = ledger.execute(_OPEN_BY_REQUEST, (lot.name, digest)).fetchone()
        if made and made["session"] not in self.forgotten:
            self.accuse(
                "duplicated", f"{side} refused again the request that made {made['session']}"
            )

    def ended(self, lot: LotSite, digest: str, session: Session) -> None:
        """Hear that a stay was ended."""
        self.acked += 1
        if session.state is SessionState.CANCELLED:
            for promise in self.promises:
                promise.is_over |= promise.lot is lot and promise.session == session.session
        amount = session.amount_minor or 0
        is_forgotten = session.session in self.forgotten
        ended = Ended(lot, session.session, digest, amount, self.now, is_forgiven=is_forgotten)
        self.ends.append(ended)

    def clock_jumped(self, lot: LotSite) -> None:
        """Hear that the wall clock of `lot` was changed."""
        offset = lot.machine.clock.offset_seconds
        for promise in self.promises:
            if promise.lot is lot and not promise.is_over:
                promise.least_offset = min(promise.least_offset, offset)
                promise.most_offset = max(promise.most_offset, offset)

    def _check_oversold(self, promise: Promise) -> None:
        others = self._by_space[promise.lot.name, promise.space]
        active = [other for other in others if not other.is_over]
        self._by_space[promise.lot.name, promise.space] = active
        for other in active:
            if other.vehicle is promise.vehicle or not self._holds(other):
                continue
            same = "the same session " if other.session == promise.session else ""
            self.accuse(
                "oversold",
                f"{same}{promise.space} of {promise.lot.name} promised to"
                f" {promise.vehicle.plate} ({promise.side} {promise.session}) while"
                f" {other.vehicle.plate} has it ({other.side} {other.session},"
                f" {self.now - other.at:.0f} s ago, {other.vehicle.where})",
            )

    def _holds(self, promise: Promise) -> bool:
        """Say whether a promise still binds."""
        if promise.is_over or promise.is_forgiven:
            return False
        vehicle = promise.vehicle
        if vehicle.lot is promise.lot and vehicle.is_inside:
            if _has_all_but_left(vehicle, promise.lot):
                return False
            # It may be in by another booking, or at the exit, its stay closed by a misread plate.
            has_another = len([p for p in vehicle.promises if not p.is_over]) > 1
            has_left_space = vehicle.where == promise.lot.exit.lane.name
            return state_at_lot(promise) in OPEN_STATES or not (has_another or has_left_space)
        swing = promise.most_offset - promise.least_offset
        if promise.side == "lot" and promise.boot == promise.lot.machine.clock.boot_id():
            swing = 0.0  # it moves what it holds with its clock
        if self.now - promise.at + swing >= promise.hold_seconds - 5:
            return False
        if len(vehicle.promises) > 1:
            return state_at_lot(promise) != "void"
        return True

    # What happens in the lanes.

    def accepted(
        self, lot: LotSite, street: Street, order: VendOrder, boot: float, age_seconds: float
    ) -> None:
        """See that a controller took an order, for what was seen `age_seconds` ago."""
        lane = street.lane
        key = (lot.name, lane.name, order.token, order.order)
        if key in self._orders_seen:
            self.accuse("duplicated", f"order {key} was accepted twice")
        self._orders_seen.add(key)
        self.orders.append((lot, street, order.token, order.order, self.now))
        if boot > order.deadline + LATE_BY_SECONDS:
            self.accuse("violation", f"order {key} carried out {boot - order.deadline:.2f} s late")
        if lane.direction == "entry" and age_seconds > LONGEST_REASON_SECONDS:
            self.accuse("violation", f"order {key} for what was seen {age_seconds:.1f} s ago")

    def stepped(self, lot: LotSite, street: Street) -> None:
        """See each step of a lane."""
        self.now = street.loop.time()
        lane = street.lane
        key = (lot.name, lane.name)
        if lane.collisions != self._collisions[key]:
            self._collisions[key] = lane.collisions
            self.accuse("violation", f"the boom of {key} came down on a car")
        if lane.direction == "exit":
            self._watch_exit(lot, street)

    def _watch_exit(self, lot: LotSite, street: Street) -> None:
        cars = street.lane.cars
        first = cars[0] if cars else None
        if first is None or not street.lane.barrier.inputs.arming or first.is_backing:
            self._at_exit.pop(lot.name, None)
            return
        name, since = self._at_exit.get(lot.name, ("", 0.0))
        is_well = (
            lot.machine.is_up
            and not lot.machine.process.is_frozen
            and lot.machine.process.disk_slowness <= 1
            and lot.front is not None
            and not street.is_at_fault
        )
        if name != first.id or not is_well:
            self._at_exit[lot.name] = (first.id, self.now)
        elif self.now - since > LONGEST_AT_EXIT_SECONDS:
            self._at_exit[lot.name] = (first.id, self.now + 3600)
            vehicle = street.vehicles[first.id]
            self.accuse("trapped", f"{vehicle.plate} at the exit of {lot.name}")

    def parked(self, vehicle: "Vehicle", lot: LotSite, space: str, promise: Promise | None) -> None:
        """See where a vehicle parks, or cannot."""
        other = lot.spaces.get(space)
        if other and not (promise and promise.is_forgiven) and not self._is_stray(other):
            self.accuse(
                "oversold",
                f"{vehicle.plate} was sent to {space} of {lot.name}, where {other} stands",
            )

    def _is_stray(self, vehicle: str) -> bool:
        return any(p.vehicle.plate == vehicle and p.is_forgiven for p in self.promises)


def state_at_lot(promise: Promise) -> str | None:
    """Return the state in which the lot's ledger has the session, if it can be read now."""
    connection = promise.lot.connection
    if connection is None:
        return None
    row = connection.execute(
        "SELECT state FROM sessions WHERE session = ?", (promise.session,)
    ).fetchone()
    return row["state"] if row else None


def _has_all_but_left(vehicle: "Vehicle", lot: LotSite) -> bool:
    car = vehicle.car
    if car is None or car not in lot.exit.lane.cars:
        return False
    return car.rear_x > CLOSING_LOOP_X[1] - 4.0 * STEP_SECONDS * 5
