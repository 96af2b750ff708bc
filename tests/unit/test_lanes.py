"""One lane, told from the loops and the passage counter of its barrier."""

from dataclasses import replace
from typing import Any

import pytest

from parkgraph_edge.rules.lanes import (
    ADMISSION_LASTS_SECONDS,
    EXIT_PATIENCE_SECONDS,
    LOOP_HOLDS_SECONDS,
    ORDER_AGAIN_SECONDS,
    TRANSITIONS,
    Effect,
    Finding,
    Lane,
    LaneEvent,
    LaneState,
    Presence,
    grant,
    may_leave_unknown,
    observe,
    resume,
    wants_another_order,
)
from tests.builders import a_barrier_state, a_lane, an_admission

NOW = 1001.0


def after(lane: Lane, *looks: dict[str, Any], now: float = NOW) -> tuple[Lane, list[Finding]]:
    """Return the lane after `looks`, and what was found; what a look leaves out is as before."""
    findings: list[Finding] = []
    for number, changes in enumerate(looks):
        before = lane.barrier or a_barrier_state()
        barrier = replace(before, **changes)
        lane, found = observe(lane, barrier, now=now, new_presence=f"pres_new_{number}")
        findings += found
    return lane, findings


def effects(findings: list[Finding]) -> list[tuple[Effect, str | None]]:
    return [(f.effect, f.admission.admission if f.admission else None) for f in findings]


CROSSED = [(Effect.CROSSED, "adm_1")]
BACKED_OUT = [(Effect.BACKED_OUT, "adm_1")]
TAILGATED = (Effect.CROSSED_UNADMITTED, None)


def test_every_state_can_be_left_and_a_passage_is_missed_in_none() -> None:
    assert {state for state, _ in TRANSITIONS} == set(LaneState)
    assert {state for state, event in TRANSITIONS if event is LaneEvent.PASSED} == set(LaneState)


def test_a_vehicle_on_the_arming_loop_waits_with_an_id_of_its_own() -> None:
    lane, findings = after(a_lane(), {"is_armed": True})

    assert lane.state is LaneState.WAITING
    assert lane.presence
    assert (lane.presence.presence, lane.presence.since) == ("pres_new_0", NOW)
    assert findings == []


def test_a_vehicle_that_is_there_at_the_first_look_waits() -> None:
    lane, findings = observe(
        Lane(), a_barrier_state(is_armed=True, passages=77), now=NOW, new_presence="pres_1"
    )

    assert lane.state is LaneState.WAITING
    assert findings == []


def test_a_vehicle_that_leaves_before_it_is_admitted_leaves_nothing_behind() -> None:
    lane, findings = after(a_lane(LaneState.WAITING), {"is_armed": False})

    assert (lane.state, lane.presence, findings) == (LaneState.CLEAR, None, [])


def test_who_is_granted_is_admitted() -> None:
    lane = grant(a_lane(LaneState.WAITING), an_admission())

    assert lane.state is LaneState.ADMITTED
    assert lane.admission == an_admission()


@pytest.mark.parametrize("state", sorted(set(LaneState) - {LaneState.WAITING}))
def test_only_who_waits_can_be_granted(state: LaneState) -> None:
    with pytest.raises(KeyError):
        grant(a_lane(state), an_admission("adm_2"))


def test_a_passage_forward_is_one_crossing() -> None:
    lane, findings = after(
        a_lane(LaneState.ADMITTED),
        {"is_occupied": True},
        {"is_armed": False},
        {"is_occupied": False, "passages": 1},
    )

    assert effects(findings) == CROSSED
    assert (lane.state, lane.admission, lane.presence) == (LaneState.CLEAR, None, None)


def test_a_passage_between_two_looks_is_one_crossing() -> None:
    lane, findings = after(a_lane(LaneState.ADMITTED), {"is_armed": False, "passages": 1})

    assert effects(findings) == CROSSED
    assert lane.state is LaneState.CLEAR


def test_who_backs_out_has_not_crossed() -> None:
    lane, _ = after(a_lane(LaneState.ADMITTED), {"is_occupied": True}, {"is_occupied": False})
    lane, findings = after(lane, {"is_armed": False}, now=NOW + 1)

    assert effects(findings) == BACKED_OUT
    assert lane.state is LaneState.CLEAR


def test_a_loop_that_loses_a_high_vehicle_for_a_moment_ends_nothing() -> None:
    lane, _ = after(a_lane(LaneState.ADMITTED), {})
    lane, lost = after(lane, {"is_armed": False}, now=NOW + LOOP_HOLDS_SECONDS / 2)
    lane, found = after(lane, {"is_armed": True}, now=NOW + LOOP_HOLDS_SECONDS)

    assert (lost, found) == ([], [])
    assert lane.state is LaneState.ADMITTED


def test_who_backs_out_between_two_looks_has_not_crossed() -> None:
    lane, findings = after(a_lane(LaneState.CROSSING), {"is_armed": False, "is_occupied": False})

    assert effects(findings) == BACKED_OUT
    assert lane.state is LaneState.CLEAR


def test_who_rolls_back_to_the_arming_loop_is_still_admitted() -> None:
    lane, findings = after(a_lane(LaneState.CROSSING), {"is_occupied": False})

    assert (lane.state, findings) == (LaneState.ADMITTED, [])
    assert lane.admission == an_admission(has_entered=True)


def test_who_rolls_back_and_goes_on_under_the_open_boom_has_crossed() -> None:
    _, findings = after(
        a_lane(LaneState.CROSSING, is_closed=False),
        {"is_occupied": False},
        {"is_occupied": True},
        {"is_armed": False},
        {"is_occupied": False, "passages": 1},
    )

    assert effects(findings) == CROSSED


def test_no_order_is_repeated_for_who_stands_where_an_uncounted_car_was() -> None:
    lane, _ = after(a_lane(LaneState.CROSSING, is_closed=False), {"is_occupied": False})
    lane, findings = after(lane, {"is_closed": True})

    assert not wants_another_order(lane, now=NOW + 100)
    assert effects(findings) == [(Effect.TIMED_OUT, "adm_1")]
    assert lane.state is LaneState.WAITING


def test_a_rear_that_had_left_the_arming_loop_went_on_even_when_it_was_not_counted() -> None:
    _, findings = after(a_lane(LaneState.CROSSING, is_armed=False), {"is_occupied": False})

    assert effects(findings) == CROSSED


def test_after_a_blind_spell_under_a_closed_boom_another_car_may_stand_there() -> None:
    lane, findings = observe(
        a_lane(LaneState.ADMITTED),
        a_barrier_state(is_armed=True, is_closed=True),
        now=NOW,
        new_presence="pres_other",
        was_blind=True,
    )

    assert effects(findings) == BACKED_OUT
    assert lane.presence == Presence("pres_other", since=NOW)


def test_after_a_blind_spell_under_an_open_boom_the_admitted_car_is_still_there() -> None:
    lane, findings = observe(
        a_lane(LaneState.ADMITTED),
        a_barrier_state(is_armed=True, is_closed=False),
        now=NOW,
        new_presence="pres_other",
        was_blind=True,
    )

    assert (lane.state, findings) == (LaneState.ADMITTED, [])


def test_a_loop_that_sticks_at_an_exit_makes_the_lane_more_patient_each_time() -> None:
    lane = replace(a_lane(LaneState.ADMITTED), admission=an_admission(session=None, at=0.0))
    lane, _ = after(lane, {}, now=NOW)

    assert lane.state is LaneState.WAITING
    assert not may_leave_unknown(lane, now=NOW + 2 * EXIT_PATIENCE_SECONDS)
    assert may_leave_unknown(lane, now=NOW + 2 * EXIT_PATIENCE_SECONDS + 1)
    gone, _ = after(lane, {"is_armed": False}, now=NOW + 1)
    assert gone.let_out_in_vain == 0


def test_a_tailgater_is_found_beside_the_one_who_was_admitted() -> None:
    _, findings = after(
        a_lane(LaneState.CROSSING, is_armed=False), {"is_occupied": False, "passages": 2}
    )

    assert effects(findings) == [*CROSSED, TAILGATED]
    assert findings[1].vehicles == 1


def test_a_tailgater_that_is_still_under_the_boom_is_found_when_it_is_through() -> None:
    lane, first = after(a_lane(LaneState.CROSSING, is_armed=False), {"passages": 1})
    _, second = after(lane, {"is_occupied": False, "passages": 2})

    assert effects(first) == CROSSED
    assert effects(second) == [TAILGATED]


def test_who_follows_bumper_to_bumper_is_somebody_else() -> None:
    lane, findings = after(a_lane(LaneState.CROSSING), {"is_occupied": False, "passages": 1})

    assert effects(findings) == CROSSED
    assert lane.state is LaneState.WAITING
    assert lane.admission is None
    assert lane.presence
    assert lane.presence.presence == "pres_new_0"


def test_a_boom_that_is_held_open_lets_through_whom_nobody_admitted() -> None:
    lane, findings = after(a_lane(LaneState.WAITING), {"is_armed": False, "passages": 3})

    assert [(f.effect, f.admission, f.vehicles) for f in findings] == [
        (Effect.CROSSED_UNADMITTED, None, 1),
        (Effect.CROSSED_UNADMITTED, None, 2),
    ]
    assert lane.state is LaneState.CLEAR


def test_a_vehicle_from_inside_is_no_crossing() -> None:
    lane, findings = after(
        a_lane(LaneState.ADMITTED), {"is_occupied": True}, {"is_occupied": False}
    )

    assert (lane.state, findings) == (LaneState.ADMITTED, [])


def test_a_counter_that_began_anew_counts_nothing() -> None:
    _, findings = after(a_lane(passages=50), {"passages": 0})

    assert findings == []


def test_an_admission_times_out_and_its_vehicle_waits_anew() -> None:
    late = 1000.0 + ADMISSION_LASTS_SECONDS + 0.1
    lane, findings = after(a_lane(LaneState.ADMITTED), {}, now=late)

    assert effects(findings) == [(Effect.TIMED_OUT, "adm_1")]
    assert (lane.state, lane.admission) == (LaneState.WAITING, None)
    assert lane.presence
    assert lane.presence.since == late


def test_an_admission_lasts_to_its_end() -> None:
    lane, findings = after(a_lane(LaneState.ADMITTED), {}, now=1000.0 + ADMISSION_LASTS_SECONDS)

    assert (lane.state, findings) == (LaneState.ADMITTED, [])


def test_who_is_under_the_boom_does_not_time_out() -> None:
    lane, findings = after(a_lane(LaneState.CROSSING), {}, now=9000.0)

    assert (lane.state, findings) == (LaneState.CROSSING, [])


def test_who_crosses_when_the_time_is_over_has_crossed() -> None:
    _, findings = after(a_lane(LaneState.ADMITTED), {"is_armed": False, "passages": 1}, now=9000.0)

    assert effects(findings) == CROSSED


def restarted(passages_before: int = 7, **barrier: Any) -> tuple[Lane, list[Finding]]:
    """Return a lane whose gateway was away while `barrier` went on, after its first look."""
    state = a_barrier_state(**({"passages": 7} | barrier))
    lane = resume(an_admission(), passages_before, state)
    return observe(lane, state, now=NOW, new_presence="pres_2")


def test_after_a_restart_who_stands_there_is_still_admitted() -> None:
    lane, findings = restarted(is_armed=True)

    assert (lane.state, findings) == (LaneState.ADMITTED, [])
    assert lane.admission == an_admission()


@pytest.mark.parametrize("is_armed", [True, False])
def test_after_a_restart_who_is_under_the_boom_is_crossing(is_armed: bool) -> None:  # noqa: FBT001
    lane, findings = restarted(is_armed=is_armed, is_occupied=True)

    assert (lane.state, findings) == (LaneState.CROSSING, [])
    _, findings = after(lane, {"is_armed": False, "is_occupied": False, "passages": 8})
    assert effects(findings) == CROSSED


def test_after_a_restart_who_has_gone_through_has_crossed() -> None:
    lane, findings = restarted(passages=8)

    assert effects(findings) == CROSSED
    assert lane.state is LaneState.CLEAR


def test_after_a_restart_who_went_through_leaves_the_lane_to_who_waits_now() -> None:
    lane, findings = restarted(passages=8, is_armed=True)

    assert effects(findings) == CROSSED
    assert (lane.state, lane.admission) == (LaneState.WAITING, None)


def test_after_a_restart_who_has_backed_out_has_backed_out() -> None:
    lane, findings = restarted()

    assert effects(findings) == BACKED_OUT
    assert lane.state is LaneState.CLEAR


def test_after_a_restart_those_who_followed_are_found() -> None:
    _, findings = restarted(passages=10)

    assert effects(findings) == [*CROSSED, TAILGATED]
    assert findings[1].vehicles == 2


def test_another_order_is_due_when_the_boom_is_down_again() -> None:
    lane = a_lane(LaneState.ADMITTED)
    due = 1000.0 + ORDER_AGAIN_SECONDS + 0.1

    assert wants_another_order(lane, now=due)
    assert not wants_another_order(lane, now=1000.0 + ORDER_AGAIN_SECONDS)


@pytest.mark.parametrize(
    "lane",
    [a_lane(LaneState.ADMITTED, is_closed=False), a_lane(LaneState.CROSSING), a_lane(), Lane()],
)
def test_no_other_order_is_due_while_the_boom_is_up_or_nobody_is_admitted(lane: Lane) -> None:
    assert not wants_another_order(lane, now=9000.0)


def test_who_waits_at_an_exit_for_long_is_let_out_whoever_it_is() -> None:
    lane = a_lane(LaneState.WAITING)

    assert may_leave_unknown(lane, now=1000.0 + EXIT_PATIENCE_SECONDS + 0.1)
    assert not may_leave_unknown(lane, now=1000.0 + EXIT_PATIENCE_SECONDS)


@pytest.mark.parametrize("state", sorted(set(LaneState) - {LaneState.WAITING}))
def test_nobody_is_let_out_unknown_where_nobody_waits(state: LaneState) -> None:
    assert not may_leave_unknown(a_lane(state), now=9000.0)
