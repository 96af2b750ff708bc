"""The lot as a world of its own: cars, loops, spaces, and what the oracle counts."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkgraph.runtime.errors import RefusedError
from parkgraph_firmware_sim.barrier import Order
from parkgraph_firmware_sim.cars import Car, Where
from parkgraph_firmware_sim.lane import Fault, Lane
from parkgraph_firmware_sim.settings import Settings
from parkgraph_firmware_sim.truth import truth
from parkgraph_firmware_sim.world import World


def a_world(seed: int = 0) -> World:
    return World(
        Settings.model_validate(
            {
                "lot": {"spaces": ["S-01", "S-02"]},
                "lanes": {"in": {"direction": "entry"}, "out": {"direction": "exit"}},
            }
        ),
        seed=seed,
    )


def a_car_at_the_boom(world: World, lane: str = "in", **more: float) -> Car:
    car = world.spawn(lane=lane, painted_plate="AV1234", **more)  # type: ignore[arg-type]
    run_until(world, car, Where.AT_BOOM)
    return car


def run_until(world: World, car: Car, where: Where, limit_seconds: float = 60.0) -> None:
    end = world.seconds + limit_seconds
    while car.where is not where:
        assert world.seconds < end, f"{car.where} is not {where} after {limit_seconds} s"
        world.step(0.05)


def order(lane: Lane, open_seconds: float = 5.0) -> None:
    memory = lane.barrier.memory
    assert lane.barrier.accept(Order(1, memory.order_id + 1, open_seconds)) is None


def test_a_car_stops_at_the_line_with_its_body_on_the_arming_loop() -> None:
    world = a_world()

    car = a_car_at_the_boom(world)

    assert car.front_x == pytest.approx(-1.0, abs=0.02)
    assert world.lanes["in"].barrier.inputs.arming
    assert not world.lanes["in"].barrier.inputs.closing


def test_a_car_that_goes_through_is_one_passage() -> None:
    world = a_world()
    car = a_car_at_the_boom(world)

    order(world.lanes["in"])
    run_until(world, car, Where.INSIDE)

    assert world.lanes["in"].barrier.memory.passages == 1


def test_a_car_that_backs_out_over_the_loops_is_no_passage() -> None:
    world = a_world()
    car = a_car_at_the_boom(world)
    order(world.lanes["in"])
    while not world.lanes["in"].barrier.inputs.closing:
        world.step(0.05)

    world.back_away(car.id)
    run_until(world, car, Where.GONE)

    assert world.lanes["in"].barrier.memory.passages == 0


def test_a_follower_bumper_to_bumper_does_not_disturb_the_count() -> None:
    world = a_world()
    first = world.spawn(lane="in", painted_plate="AV1234")
    second = world.spawn(lane="in", painted_plate="BX5678", tailgates=True)
    run_until(world, first, Where.AT_BOOM)
    world.step(5.0)

    world.set_fault("in", Fault.FIRE, is_on=True)
    run_until(world, second, Where.INSIDE)

    assert world.lanes["in"].barrier.memory.passages == 2


def test_an_order_is_spent_by_one_car_and_the_boom_closes_behind_it() -> None:
    world = a_world()
    first = world.spawn(lane="in", painted_plate="AV1234")
    tailgater = world.spawn(lane="in", painted_plate="BX5678", tailgates=True)
    run_until(world, first, Where.AT_BOOM)

    order(world.lanes["in"], open_seconds=60.0)
    run_until(world, first, Where.INSIDE)
    world.step(5.0)

    assert world.lanes["in"].barrier.boom.is_closed
    assert tailgater.where is Where.AT_BOOM


def test_a_driver_waits_for_an_order_of_his_own() -> None:
    world = a_world()
    first = world.spawn(lane="in", painted_plate="AV1234")
    second = world.spawn(lane="in", painted_plate="BX5678")
    run_until(world, first, Where.AT_BOOM)

    order(world.lanes["in"], open_seconds=20.0)
    run_until(world, first, Where.INSIDE)
    world.step(10.0)

    assert second.where is Where.AT_BOOM


def test_a_car_parks_where_it_is_told_and_leaves_by_the_exit() -> None:
    world = a_world()
    car = a_car_at_the_boom(world)
    world.park(car.id, "S-02")
    order(world.lanes["in"])
    run_until(world, car, Where.SPACE)
    occupied = dict(truth(world)["spaces"])

    world.leave(car.id, "out")
    run_until(world, car, Where.AT_BOOM)
    order(world.lanes["out"])
    run_until(world, car, Where.GONE)

    assert occupied == {"S-01": False, "S-02": True}
    assert truth(world)["spaces"] == {"S-01": False, "S-02": False}


def test_a_car_that_backs_out_of_the_exit_is_inside_again() -> None:
    world = a_world()
    car = a_car_at_the_boom(world)
    order(world.lanes["in"])
    run_until(world, car, Where.INSIDE)
    world.leave(car.id, "out")
    run_until(world, car, Where.AT_BOOM)

    world.back_away(car.id)
    run_until(world, car, Where.INSIDE)

    assert world.lanes["out"].barrier.memory.passages == 0


def test_cars_that_wait_in_a_lane_do_not_touch() -> None:
    world = a_world()
    cars = [world.spawn(lane="in", painted_plate="AV1234") for _ in range(4)]

    world.step(60.0)

    gaps = [before.rear_x - after.front_x for before, after in pairwise(cars)]
    assert gaps == [pytest.approx(1.5, abs=0.1)] * 3


def test_a_stuck_arming_loop_shows_a_car_where_none_is() -> None:
    world = a_world()

    world.set_fault("in", Fault.ARMING_STUCK, is_on=True)
    world.step(0.1)

    assert world.lanes["in"].barrier.inputs.arming


def test_the_same_acts_at_the_same_times_make_the_same_world() -> None:
    fine, coarse = a_world(seed=7), a_world(seed=7)
    for world in (fine, coarse):
        world.spawn(lane="in", painted_plate="AV1234")

    coarse.step(6.0)
    for _ in range(600):
        fine.step(0.01)

    assert truth(fine) == truth(coarse)


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda world: world.spawn(lane="up", painted_plate="A1"), "lane"),
        (lambda world: world.park("nobody", "S-01"), "car"),
        (lambda world: world.leave("nobody", "out"), "car"),
        (lambda world: world.press("in", "12a"), "digits"),
        (lambda world: world.press("in", ""), "digits"),
    ],
)
def test_what_cannot_be_is_refused_and_the_field_is_named(
    act: Callable[[World], object], field: str
) -> None:
    with pytest.raises(RefusedError, match=f"^{field}: "):
        act(a_world())


acts = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.003, 3.0)),
    st.tuples(st.just("order"), st.floats(0.1, 6.0)),
    st.tuples(st.just("car"), st.floats(2.5, 8.0)),
    st.tuples(st.just("tailgater"), st.floats(2.5, 8.0)),
    st.tuples(st.just("back"), st.integers(0, 5)),
    st.tuples(st.just("fire"), st.booleans()),
    st.tuples(st.just("stuck"), st.booleans()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(acts, max_size=30), st.floats(0.3, 8.0))
def test_the_boom_never_comes_down_on_a_car(acts: list[tuple[str, float]], speed: float) -> None:
    world = a_world()
    lane = world.lanes["in"]
    for act, number in acts:
        match act:
            case "wait":
                world.step(number)
            case "order":
                order(lane, number)
            case "car" | "tailgater" if len(lane.cars) < 3:
                world.spawn(
                    lane="in",
                    painted_plate="A1",
                    length_m=number,
                    speed_m_s=speed,
                    tailgates=act == "tailgater",
                )
            case "back" if int(number) < len(lane.cars):
                world.back_away(lane.cars[int(number)].id)
            case "fire":
                world.set_fault("in", Fault.FIRE, is_on=bool(number))
            case "stuck":
                world.set_fault("in", Fault.ARMING_STUCK, is_on=bool(number))
        world.step(0.5)

    world.step(15.0)

    assert lane.collisions == 0
