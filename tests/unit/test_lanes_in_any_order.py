"""Whatever cars do, whenever one looks: each admission ends once, each passage counts once."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parkgraph_edge.rules.barriers import BarrierState
from parkgraph_edge.rules.lanes import (
    LOOP_HOLDS_SECONDS,
    Effect,
    Finding,
    Lane,
    LaneState,
    OpenAdmission,
    grant,
    observe,
    resume,
)
from parkgraph_firmware_sim.passages import Passage, follow
from tests.builders import a_barrier_state

# In decimetres along the lane, as the simulated lot has them.
ARMING_LOOP = (-40, -8)
CLOSING_LOOP = (-3, 22)
FAR_OFF = -80
THROUGH = 100
STEP = 3


@dataclass(slots=True)
class Car:
    """Where its front is, and how long it is."""

    front: int
    length: int

    def covers(self, loop: tuple[int, int]) -> bool:
        return self.front > loop[0] and self.front - self.length < loop[1]


class AnyLane(RuleBasedStateMachine):
    """Cars in a row before a controller that counts, and a gateway that looks now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.cars: list[Car] = []
        self.controller = a_barrier_state(passages=3)
        self.passage = Passage.NONE
        self.now = 1000.0
        self.lane = Lane()
        self.granted = 0
        self.passages_at_grant = 0
        self.open: set[str] = set()
        self.is_seen = False
        self.recorded = self.controller.passages
        self.look(self.controller)

    @rule(gap=st.integers(2, 40), length=st.integers(36, 60))
    def a_car_comes(self, gap: int, length: int) -> None:
        last = self.cars[-1].front - self.cars[-1].length - gap if self.cars else FAR_OFF
        self.cars.append(Car(min(FAR_OFF, last), length))

    @precondition(lambda self: self.cars)
    @rule(steps=st.integers(1, 60), which=st.integers(0, 2))
    def cars_go_forward(self, steps: int, which: int) -> None:
        for _ in range(steps):
            for place, car in enumerate(self.cars[which:], start=which):
                ahead = self.cars[place - 1] if place else None
                room = ahead.front - ahead.length - 2 - car.front if ahead else STEP
                car.front += max(0, min(STEP, room))
            self.controller_steps()

    @precondition(lambda self: self.cars)
    @rule(steps=st.integers(1, 30))
    def the_last_car_backs(self, steps: int) -> None:
        for _ in range(steps):
            self.cars[-1].front -= STEP
            self.controller_steps()
        self.cars = [car for car in self.cars if car.front > FAR_OFF]

    def controller_steps(self) -> None:
        arming = any(car.covers(ARMING_LOOP) for car in self.cars)
        closing = any(car.covers(CLOSING_LOOP) for car in self.cars)
        self.passage, has_ended = follow(self.passage, arming=arming, closing=closing)
        self.controller = replace(
            self.controller,
            is_armed=arming,
            is_occupied=closing,
            passages=self.controller.passages + has_ended,
        )
        self.cars = [car for car in self.cars if car.front - car.length < THROUGH]
        self.is_seen = False

    @rule(seconds=st.sampled_from([0.05, 0.05, 1.0, 50.0]))
    def the_gateway_looks(self, seconds: float) -> None:
        self.now += seconds
        self.look(self.controller)

    def look(self, barrier: BarrierState) -> None:
        self.lane, findings = observe(self.lane, barrier, now=self.now, new_presence="pres_1")
        for finding in findings:
            self.note(finding)
        self.is_seen = True
        assert self.recorded == barrier.passages

    def note(self, finding: Finding) -> None:
        if finding.admission:
            self.open.remove(finding.admission.admission)
        if finding.effect in {Effect.CROSSED, Effect.CROSSED_UNADMITTED}:
            self.recorded += finding.vehicles
        assert (finding.admission is None) == (finding.effect is Effect.CROSSED_UNADMITTED)

    @precondition(lambda self: self.lane.state is LaneState.WAITING)
    @rule()
    def the_vehicle_is_admitted(self) -> None:
        self.granted += 1
        admission = f"adm_{self.granted}"
        self.lane = grant(self.lane, OpenAdmission(admission, None, self.now, self.now))
        self.open.add(admission)
        assert self.lane.barrier
        self.passages_at_grant = self.lane.barrier.passages

    @rule()
    def the_gateway_starts_anew(self) -> None:
        admission = self.lane.admission
        if admission:
            self.lane = resume(admission, self.passages_at_grant, self.controller)
        else:
            self.lane = Lane()
            self.recorded = self.controller.passages
        self.look(self.controller)

    @invariant()
    def the_lane_holds_what_is_open_and_nothing_else(self) -> None:
        held = {self.lane.admission.admission} if self.lane.admission else set()
        assert self.open == held
        assert bool(held) == (self.lane.state in {LaneState.ADMITTED, LaneState.CROSSING})
        assert (self.lane.presence is None) == (self.lane.state is LaneState.CLEAR)

    @precondition(lambda self: self.is_seen)
    @invariant()
    def nobody_is_waited_for_who_is_not_there_and_who_is_there_is_not_overlooked(self) -> None:
        waits = self.lane.state in {LaneState.WAITING, LaneState.ADMITTED}
        holds = self.now - self.lane.armed_at < LOOP_HOLDS_SECONDS
        assert not waits or self.controller.is_armed or holds
        assert self.lane.state is not LaneState.CLEAR or not self.controller.is_armed

    def teardown(self) -> None:
        self.cars = []
        self.controller_steps()
        self.now += 2 * LOOP_HOLDS_SECONDS
        self.look(self.controller)
        assert not self.open
        assert self.lane.state is LaneState.CLEAR


TestAnyLane = AnyLane.TestCase
TestAnyLane.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
