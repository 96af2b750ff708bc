"""One lane: looks at its barrier, presents who stands there, and carries out what was committed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from parkgraph.journal.ledger import Command, Ledger, Outcome
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.plates import Plate, PlateError, parse_plate
from parkgraph.model.records import Direction, Reason, VendOutcome
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_edge.devices.barrier import Barrier
from parkgraph_edge.rules.barriers import BarrierState, VendOrder
from parkgraph_edge.rules.identity import ENOUGH_FRAMES
from parkgraph_edge.rules.lanes import (
    Finding,
    Lane,
    LaneState,
    OpenAdmission,
    Presence,
    grant,
    is_first,
    may_leave_unknown,
    observe,
    resume,
    wants_another_order,
)
from parkgraph_edge.rules.sightings import Sighting, is_of
from parkgraph_edge.store.opening import FindOpenAdmission
from parkgraph_edge.store.passages import (
    VEND_DEADLINE,
    Admitted,
    CodeTyped,
    FinishVend,
    Gate,
    OrderVend,
    PlateSeen,
    Present,
    Presented,
    RecordFindings,
    StandsThere,
)

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS: Final = 0.05
BOOM_MOVES_WITHIN_SECONDS: Final = 3.0
ATTEND_SECONDS: Final = 2.0
# A plate that was refused is presented again after this while: its booking may have come meanwhile.
PRESENT_AGAIN_SECONDS: Final = 2.0
RECORD_AGAIN_SECONDS: Final = 1.0
# A disk that hangs for longer is as good as none: nobody waits for it at an exit.
DECIDED_WITHIN_SECONDS: Final = 2.0
ASK_AGAIN_SECONDS: Final = 1.0
MOST_UNRECORDED: Final = 1000
GATEWAYS: Final = 256
THIS_GATEWAY: Final = 1


@dataclass(frozen=True, slots=True)
class LaneConfiguration:
    """What the installer said of a lane."""

    lot: str
    lane: str
    direction: Direction
    open_seconds: float


@dataclass(frozen=True, slots=True)
class Eyes:
    """What a lane asks of its camera: the newest sighting, and to look closely for some seconds."""

    newest: Callable[[], Sighting | None]
    attend: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Vending:
    """An order that the barrier has taken and whose boom has not moved yet. Boot clock seconds.

    `was_closed` is how the boom was before: one that was up already cannot be seen to rise.
    """

    order: int
    decided_at: float
    was_closed: bool


class _NoAnswerError(UnavailableError):
    """The ledger has not answered in time: what was asked may have been recorded, or may be yet."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """What was last presented, and what came of it, for the presence `presence`."""

    presence: str = ""
    refused: frozenset[Reason] = frozenset()
    text: str = ""
    frames: int = 0
    at: float = 0.0


class LaneLoop:
    """The one task that owns a lane."""

    def __init__(
        self,
        configuration: LaneConfiguration,
        barrier: Barrier,
        eyes: Eyes,
        ledger: Ledger,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        """Work the lane of `configuration` through `barrier` and `eyes`; decide in `ledger`."""
        self._configuration = configuration
        self._barrier = barrier
        self._eyes = eyes
        self._ledger = ledger
        self._clock = clock
        self._random = random
        self._lane: Lane | None = None
        self._token = 0
        self._keypad_entries = 0
        self._vending: Vending | None = None
        self._unrecorded: list[Finding] = []
        self._record_at = 0.0
        self._recording: asyncio.Task[bool] | None = None
        self._recorded_then = 0
        self._ask_at = 0.0
        self._unsure_since: int | None = None
        self._last = Presentation()
        self.looked_at = clock.boot_seconds()
        self.away: str | None = None
        self.trouble: str | None = None

    @property
    def name(self) -> str:
        """The lane's id."""
        return self._configuration.lane

    async def run(self) -> None:
        """Look and act until cancelled."""
        async with asyncio.TaskGroup() as group:
            await self._run(group)

    async def _run(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                barrier = await self._barrier.read()
            except (UnavailableError, CorruptError) as error:
                if self.away is None:
                    log.warning("barrier_away", lane=self.name, reason=str(error))
                self.away = str(error)
                await asyncio.sleep(10 * LOOK_EVERY_SECONDS)
            else:
                was_away = self.away is not None
                if was_away:
                    log.info("barrier_back", lane=self.name)
                self.away = None
                self.trouble = trouble(barrier)
                await self._turn(barrier, group, was_blind=was_away or self._lane is None)
            self.looked_at = self._clock.boot_seconds()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _turn(
        self, barrier: BarrierState, group: asyncio.TaskGroup, *, was_blind: bool
    ) -> None:
        """Take one look: record what happened, then do what is due."""
        lane = self._lane or await self._first_look(barrier)
        if self._unsure_since is not None and (found := await self._find_out(barrier)):
            lane, was_blind = found, True
        presence = new_id("pres", at=self._clock.now(), random=self._random(RANDOM_BYTES))
        now = self._clock.boot_seconds()
        self._lane, findings = observe(
            lane, barrier, now=now, new_presence=presence, was_blind=was_blind
        )
        await self._record(findings, barrier, now, group)
        await self._watch_boom(barrier, now)
        lane = self._lane
        if lane.state is LaneState.WAITING and not is_first(lane, now=now):
            return
        has_typed = barrier.keypad_entries != self._keypad_entries
        self._keypad_entries = barrier.keypad_entries
        if lane.state is LaneState.WAITING and lane.presence:
            digits = barrier.keypad_digits if has_typed else None
            await self._present(lane, lane.presence, digits, barrier, now)
        elif lane.admission and wants_another_order(lane, now=now):
            await self._order_again(lane, lane.admission, barrier)

    async def hand_over(self, ledger: Ledger) -> None:
        """Record in `ledger`, which is back, what could not be recorded before."""
        barrier = self._lane.barrier if self._lane else None
        if barrier and self._unrecorded:
            findings, self._unrecorded = self._unrecorded, []
            await ledger.submit(RecordFindings(self._gate(barrier), findings), urgent=True)

    async def _record(
        self, findings: list[Finding], barrier: BarrierState, now: float, group: asyncio.TaskGroup
    ) -> None:
        """Record what the loops confirmed; keep it until the ledger is back when it is away."""
        if findings:
            log.info("lane_found", lane=self.name, what=[f.effect.value for f in findings])
        self._forget_recorded(now)
        self._unrecorded = [*self._unrecorded, *findings]
        if self._recording is None:
            self._unrecorded = self._unrecorded[-MOST_UNRECORDED:]
        is_due = self._unrecorded and now >= self._record_at and self._unsure_since is None
        if is_due and self._recording is None:
            # Not cancelled when it takes too long: recorded twice, a crossing would be two.
            self._recorded_then = len(self._unrecorded)
            command = RecordFindings(self._gate(barrier), list(self._unrecorded))
            self._recording = group.create_task(self._is_recorded(command))
            await asyncio.wait([self._recording], timeout=DECIDED_WITHIN_SECONDS)
            self._forget_recorded(self._clock.boot_seconds())

    def _forget_recorded(self, now: float) -> None:
        """Forget what has been recorded meanwhile; wait a while before what has not is tried."""
        if self._recording is None or not self._recording.done():
            return
        if self._recording.result():
            self._unrecorded = self._unrecorded[self._recorded_then :]
        else:
            self._record_at = now + RECORD_AGAIN_SECONDS
        self._recording = None

    async def _is_recorded(self, command: RecordFindings) -> bool:
        try:
            await self._ledger.submit(command, urgent=True)
        except UnavailableError as error:
            log.error("findings_not_recorded_yet", lane=self.name, reason=str(error))  # noqa: TRY400
            return False
        return True

    async def _decide(self, command: Command[Outcome]) -> Outcome:
        """Let the ledger decide, and give up soon.

        Raises:
            UnavailableError: there is no ledger now, or it has not answered in time.
        """
        now = self._clock.boot_seconds()
        if now < self._ask_at or self._recording is not None:
            raise UnavailableError("the ledger does not answer; look at its disk")
        try:
            async with asyncio.timeout(DECIDED_WITHIN_SECONDS):
                return await self._ledger.submit(command, urgent=True)
        except TimeoutError as error:
            self._ask_at = self._clock.boot_seconds() + ASK_AGAIN_SECONDS
            raise _NoAnswerError(
                f"the ledger has not answered for {DECIDED_WITHIN_SECONDS:g} s; look at its disk"
            ) from error

    async def _first_look(self, barrier: BarrierState) -> Lane:
        """Take the lane: a token above every other, and the admission that was left open."""
        self._token = (barrier.token // GATEWAYS + 1) * GATEWAYS + THIS_GATEWAY
        self._keypad_entries = barrier.keypad_entries
        try:
            found = await self._resumed(barrier)
        except UnavailableError as error:
            log.error("lane_without_ledger", lane=self.name, reason=str(error))  # noqa: TRY400
            self._unsure_since = 0
            return Lane()
        return found or Lane()

    async def _resumed(self, barrier: BarrierState) -> Lane | None:
        """Return the lane with the admission that it has open in the ledger, or None."""
        found = await self._decide(
            FindOpenAdmission(self._configuration.lot, self.name, self._clock.boot_seconds())
        )
        if found is None:
            return None
        admission, passages_before = found
        log.info("lane_resumed", lane=self.name, admission=admission.admission)
        return resume(admission, passages_before, barrier)

    async def _find_out(self, barrier: BarrierState) -> Lane | None:
        """Ask whether what got no answer was committed all the same.

        Its order is not sent any more: who stands there is looked at anew, as after a restart, and
        the counter tells who went through since.
        """
        try:
            found = await self._resumed(barrier)
        except UnavailableError:
            return None
        since, self._unsure_since = self._unsure_since, None
        if found:
            self._unrecorded = self._unrecorded[:since]
        return found

    async def _present(
        self, lane: Lane, presence: Presence, digits: str | None, barrier: BarrierState, now: float
    ) -> None:
        if self._last.presence != presence.presence:
            self._last = Presentation(presence.presence)
        self._eyes.attend(ATTEND_SECONDS)
        presented = self._what_is_presented(lane, presence, digits, now)
        if presented is None:
            return
        command = Present(self._gate(barrier), presence.presence, presented, self._last.refused)
        try:
            outcome = await self._decide(command)
        except UnavailableError as error:
            if isinstance(error, _NoAnswerError):
                self._unsure_since = len(self._unrecorded)
            await self._go_on_without_ledger(barrier, str(error))
            return
        if isinstance(outcome, Admitted):
            decided_at = self._clock.boot_seconds()
            admission = OpenAdmission(outcome.admission, outcome.session, decided_at, decided_at)
            self._lane = grant(lane, admission)
            log.info("admitted", lane=self.name, session=outcome.session, order=outcome.order)
            await self._vend(outcome.order, barrier, decided_at=decided_at)
        else:
            self._last = replace(self._last, refused=self._last.refused | {outcome.reason})
            log.info("refused", lane=self.name, reason=outcome.reason.value)

    def _what_is_presented(
        self, lane: Lane, presence: Presence, digits: str | None, now: float
    ) -> Presented | None:
        sighting = self._eyes.newest()
        is_usable = sighting and is_of(sighting, since=presence.since, now=now)
        if digits:
            return CodeTyped(digits, _plate(sighting) if sighting and is_usable else None)
        if sighting and is_usable and self._is_news(sighting, now):
            self._last = replace(self._last, text=sighting.text, frames=sighting.frames, at=now)
            return _seen(sighting, now)
        if self._configuration.direction is Direction.EXIT and may_leave_unknown(lane, now=now):
            return StandsThere()
        return None

    def _is_news(self, sighting: Sighting, now: float) -> bool:
        agrees_now = sighting.frames >= ENOUGH_FRAMES > self._last.frames
        is_due = now - self._last.at > PRESENT_AGAIN_SECONDS
        return sighting.text != self._last.text or agrees_now or is_due

    async def _go_on_without_ledger(self, barrier: BarrierState, reason: str) -> None:
        """Open an exit for whoever stands there; an entry stays shut. Nobody is trapped."""
        if self._configuration.direction is Direction.ENTRY:
            log.error("entry_refused_without_ledger", lane=self.name, reason=reason)
            await asyncio.sleep(1.0)
            return
        log.error("exit_opened_without_ledger", lane=self.name, reason=reason)
        await self._send(barrier.last_order + 1, self._clock.boot_seconds())
        await asyncio.sleep(BOOM_MOVES_WITHIN_SECONDS)

    async def _order_again(
        self, lane: Lane, admission: OpenAdmission, barrier: BarrierState
    ) -> None:
        command = OrderVend(self._gate(barrier), admission.admission)
        try:
            order = await self._decide(command)
        except UnavailableError as error:
            await self._go_on_without_ledger(barrier, str(error))
            return
        decided_at = self._clock.boot_seconds()
        self._lane = replace(lane, admission=replace(admission, ordered_at=decided_at))
        log.info("ordered_again", lane=self.name, order=order)
        await self._vend(order, barrier, decided_at=decided_at)

    async def _vend(self, order: int, barrier: BarrierState, *, decided_at: float) -> None:
        """Carry out one committed order, once, before its deadline."""
        # An exit may open a little late for nobody; it must not stay shut because commits are slow.
        is_entry = self._configuration.direction is Direction.ENTRY
        outcome = await self._send(order, barrier.asked_at if is_entry else decided_at)
        if outcome is None:
            self._vending = Vending(order, decided_at, was_closed=barrier.is_closed)
        else:
            await self._finish(order, outcome)

    async def _send(self, order: int, since: float) -> VendOutcome | None:
        """Send it, unless `since` is long ago: a commit can take its time."""
        deadline = since + VEND_DEADLINE.total_seconds()
        if self._clock.boot_seconds() >= deadline:
            log.warning("vend_too_late", lane=self.name, order=order)
            return VendOutcome.TOO_LATE
        vend = VendOrder(self._token, order, self._configuration.open_seconds, deadline)
        try:
            await self._barrier.vend(vend)
        except (UnavailableError, CorruptError) as error:
            log.warning("vend_failed", lane=self.name, order=order, reason=str(error))
            return VendOutcome.FAILED
        except RefusedError as error:
            log.warning("vend_refused", lane=self.name, order=order, reason=str(error))
            return VendOutcome.REFUSED
        return None

    async def _watch_boom(self, barrier: BarrierState, now: float) -> None:
        """Record whether the boom has moved: what was sent is not what happened."""
        vending = self._vending
        if vending is None:
            return
        elapsed = now - vending.decided_at
        if not barrier.is_closed:
            self._vending = None
            after_ms = round(elapsed * 1000) if vending.was_closed else None
            await self._finish(vending.order, VendOutcome.OPENED, after_ms)
        elif elapsed > BOOM_MOVES_WITHIN_SECONDS:
            self._vending = None
            await self._finish(vending.order, VendOutcome.FAILED)

    async def _finish(self, order: int, outcome: VendOutcome, after_ms: int | None = None) -> None:
        command = FinishVend(f"lane:{self.name}", order, self.name, outcome, after_ms)
        try:
            await self._decide(command)
        except UnavailableError as error:
            # The next start finds the order unfinished and records it as too late.
            log.error("order_end_not_recorded", lane=self.name, reason=str(error))  # noqa: TRY400

    def _gate(self, barrier: BarrierState) -> Gate:
        configuration = self._configuration
        return Gate(
            lot=configuration.lot,
            lane=configuration.lane,
            direction=configuration.direction,
            token=self._token,
            last_order=barrier.last_order,
            passages=barrier.passages,
            open_seconds=configuration.open_seconds,
        )


def _seen(sighting: Sighting, now: float) -> PlateSeen | None:
    plate = _plate(sighting)
    if plate is None:
        return None
    age_ms = round((now - sighting.taken_at) * 1000)
    return PlateSeen(plate, sighting.confidence, age_ms, sighting.frames, sighting.alternatives)


def _plate(sighting: Sighting) -> Plate | None:
    try:
        return parse_plate(sighting.text)
    except PlateError:
        return None


def trouble(barrier: BarrierState) -> str | None:
    """Return what the controller reports that people should know; None when all is well."""
    reports = {
        "the boom has a fault": barrier.has_fault,
        "the cabinet is open": barrier.has_tamper,
        "the fire input is on": barrier.has_fire,
    }
    return ", ".join(report for report, is_on in reports.items() if is_on) or None
