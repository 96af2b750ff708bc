"""One lane: what stands in it, told from the loops and the passage counter of its barrier."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from parkgraph_edge.rules.barriers import BarrierState

ADMISSION_LASTS_SECONDS: Final = 45.0
ORDER_AGAIN_SECONDS: Final = 3.0
LOOP_HOLDS_SECONDS: Final = 0.4
EXIT_PATIENCE_SECONDS: Final = 20.0
UNDER_BOOM_SECONDS: Final = 10.0
DOUBLINGS: Final = 5


class LaneState(StrEnum):
    """What a lane is doing."""

    CLEAR = "clear"
    WAITING = "waiting"  # a vehicle on the arming loop, not admitted
    ADMITTED = "admitted"  # it may cross and has not begun to
    CROSSING = "crossing"  # it is on the closing loop


class LaneEvent(StrEnum):
    """What can happen to a lane."""

    ARRIVED = "arrived"  # arming loop on
    LEFT = "left"  # arming loop off
    ENTERED = "entered"  # closing loop on
    CLEARED = "cleared"  # closing loop off, and nobody went through
    PASSED = "passed"  # the counter says that one went through
    GRANTED = "granted"
    TIMED_OUT = "timed_out"


class Effect(StrEnum):
    """What has to be recorded about the admission that was open."""

    CROSSED = "crossed"
    CROSSED_UNADMITTED = "crossed_unadmitted"
    BACKED_OUT = "backed_out"
    TIMED_OUT = "timed_out"


_S, _E = LaneState, LaneEvent
# All states, all events that mean something in them. Whatever is not listed changes nothing.
TRANSITIONS: Final[Mapping[tuple[LaneState, LaneEvent], tuple[LaneState, Effect | None]]] = {
    (_S.CLEAR, _E.ARRIVED): (_S.WAITING, None),
    (_S.CLEAR, _E.PASSED): (_S.CLEAR, Effect.CROSSED_UNADMITTED),
    (_S.WAITING, _E.LEFT): (_S.CLEAR, None),
    (_S.WAITING, _E.GRANTED): (_S.ADMITTED, None),
    (_S.WAITING, _E.PASSED): (_S.CLEAR, Effect.CROSSED_UNADMITTED),
    (_S.ADMITTED, _E.ENTERED): (_S.CROSSING, None),
    (_S.ADMITTED, _E.PASSED): (_S.CLEAR, Effect.CROSSED),
    (_S.ADMITTED, _E.LEFT): (_S.CLEAR, Effect.BACKED_OUT),
    (_S.ADMITTED, _E.TIMED_OUT): (_S.WAITING, Effect.TIMED_OUT),
    (_S.CROSSING, _E.PASSED): (_S.CLEAR, Effect.CROSSED),
    (_S.CROSSING, _E.CLEARED): (_S.ADMITTED, None),
}


@dataclass(frozen=True, slots=True)
class Presence:
    """A vehicle on the arming loop, from on to off. `since` is the boot clock in seconds."""

    presence: str
    since: float


@dataclass(frozen=True, slots=True)
class OpenAdmission:
    """An admission that has not been crossed. Times are the boot clock in seconds.

    `has_entered`: a vehicle was on the closing loop and left it uncounted. Who stands on the arming
    loop then may be the next one, so there are no more orders without a new look at it.
    """

    admission: str
    session: str | None
    granted_at: float
    ordered_at: float
    has_entered: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as its one task knows it. `barrier` is the last look, None before the first.

    `armed_at` is when the arming loop was last on, by the boot clock in seconds. `let_out_in_vain`
    counts openings for whoever stood there that nobody used: a loop that sticks.
    """

    state: LaneState = LaneState.CLEAR
    presence: Presence | None = None
    admission: OpenAdmission | None = None
    barrier: BarrierState | None = None
    armed_at: float = 0.0
    let_out_in_vain: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to record: `admission` is the one concerned, if any."""

    effect: Effect
    admission: OpenAdmission | None
    vehicles: int = 1


def resume(admission: OpenAdmission, passages_before: int, barrier: BarrierState) -> Lane:
    """Return the lane as it was left with `admission` open, to be observed with `barrier`, blind.

    Nothing is done again: what the counter and the loops say since is what happened.
    """
    before = replace(barrier, passages=passages_before, is_armed=True, is_occupied=False)
    presence = Presence(presence="", since=admission.granted_at)
    return Lane(LaneState.ADMITTED, presence, admission, before)


def observe(
    lane: Lane, barrier: BarrierState, *, now: float, new_presence: str, was_blind: bool = False
) -> tuple[Lane, list[Finding]]:
    """Return the lane after one more look at its barrier, and what has to be recorded.

    `now` is the boot clock in seconds; `new_presence` is the id for a vehicle that has come. After
    a blind spell with the boom down, whoever is on the arming loop is taken for somebody else.
    """
    findings: list[Finding] = []
    passed = max(0, barrier.passages - lane.barrier.passages) if lane.barrier else 0
    if barrier.is_armed:
        lane = replace(lane, armed_at=now)
    elif not passed and _flickers(lane, barrier, now):
        barrier = replace(barrier, is_armed=True)
    is_other = was_blind and barrier.is_closed
    for event in _events(lane, barrier, now=now, passed=passed, is_other=is_other):
        lane, finding = _step(lane, event, now=now, new_presence=new_presence)
        if finding:
            findings.append(finding)
    if passed > 1:
        findings.append(Finding(Effect.CROSSED_UNADMITTED, None, vehicles=passed - 1))
    return replace(lane, barrier=barrier), findings


def grant(lane: Lane, admission: OpenAdmission) -> Lane:
    """Return the lane with its vehicle admitted."""
    state, _ = TRANSITIONS[lane.state, LaneEvent.GRANTED]
    return replace(lane, state=state, admission=admission)


def wants_another_order(lane: Lane, *, now: float) -> bool:
    """Say whether the boom is down again before the admitted vehicle went through."""
    return (
        lane.state is LaneState.ADMITTED
        and lane.admission is not None
        and not lane.admission.has_entered
        and lane.barrier is not None
        and lane.barrier.is_closed
        and now - lane.admission.ordered_at > ORDER_AGAIN_SECONDS
    )


def is_first(lane: Lane, *, now: float) -> bool:
    """Say whether nobody is under the boom before the vehicle that waits.

    Who is there may not be counted yet, after a restart or an opening without a ledger; admitted
    now, the one who waits would be taken for him. A closing loop that sticks is not waited for.
    """
    if lane.barrier is None or lane.presence is None:
        return False
    return not lane.barrier.is_occupied or now - lane.presence.since > UNDER_BOOM_SECONDS


def may_leave_unknown(lane: Lane, *, now: float) -> bool:
    """Say whether a vehicle has stood at an exit so long that it is let out whoever it is.

    Each time that nobody used it the patience doubles: the loop may stick.
    """
    patience = EXIT_PATIENCE_SECONDS * 2.0 ** min(lane.let_out_in_vain, DOUBLINGS)
    return (
        lane.state is LaneState.WAITING
        and lane.presence is not None
        and now - lane.presence.since > patience
    )


def _events(
    lane: Lane, barrier: BarrierState, *, now: float, passed: int, is_other: bool
) -> list[LaneEvent]:
    """Tell what happened between two looks, in the order in which it can have happened."""
    before = lane.barrier
    was_armed = before.is_armed if before else False
    was_occupied = before.is_occupied if before else False
    events: list[LaneEvent] = []
    if barrier.is_occupied and not was_occupied:
        events.append(LaneEvent.ENTERED)
    has_cleared = not passed and was_occupied and not barrier.is_occupied
    # Whose rear had left the arming loop went on, even where the controller did not count it.
    went_on = has_cleared and lane.state is LaneState.CROSSING and not was_armed
    if passed or (went_on and not barrier.is_armed):
        events.append(LaneEvent.PASSED)
    elif has_cleared:
        events.append(LaneEvent.CLEARED)
    if (was_armed or has_cleared) and (is_other or not barrier.is_armed):
        events.append(LaneEvent.LEFT)
    # After a passage whoever is on the arming loop is somebody else.
    if barrier.is_armed and (not was_armed or passed or is_other):
        events.append(LaneEvent.ARRIVED)
    if _is_over(lane.admission, barrier, now):
        events.append(LaneEvent.TIMED_OUT)
    return events


def _flickers(lane: Lane, barrier: BarrierState, now: float) -> bool:
    """Say whether an arming loop that is off may be one that lost a high vehicle for a moment."""
    was_armed = lane.barrier is not None and lane.barrier.is_armed
    return was_armed and not barrier.is_occupied and now - lane.armed_at < LOOP_HOLDS_SECONDS


def _is_over(admission: OpenAdmission | None, barrier: BarrierState, now: float) -> bool:
    if admission is None:
        return False
    is_late = now - admission.granted_at > ADMISSION_LASTS_SECONDS
    return is_late or (admission.has_entered and barrier.is_closed)


def _step(
    lane: Lane, event: LaneEvent, *, now: float, new_presence: str
) -> tuple[Lane, Finding | None]:
    state, effect = TRANSITIONS.get((lane.state, event), (lane.state, None))
    finding = Finding(effect, lane.admission) if effect else None
    presence, admission, in_vain = lane.presence, lane.admission, lane.let_out_in_vain
    if event is LaneEvent.ARRIVED and state is LaneState.WAITING:
        presence = Presence(new_presence, since=now)
    elif presence and effect is Effect.TIMED_OUT:
        presence = replace(presence, since=now)
        in_vain += admission is not None and admission.session is None
    elif state is LaneState.CLEAR:
        presence, in_vain = None, 0
    if admission and event is LaneEvent.CLEARED:
        admission = replace(admission, has_entered=True)
    if state not in {LaneState.ADMITTED, LaneState.CROSSING}:
        admission = None
    return (
        replace(lane, state=state, presence=presence, admission=admission, let_out_in_vain=in_vain),
        finding,
    )
