"""The boom, its interlock and its orders, without any wire."""

import pytest

from parkgraph_firmware_sim.barrier import REBOOT_SECONDS, Barrier, Order, Refusal

TICK = 0.01


def an_order(token: int = 1, number: int = 1, open_seconds: float = 5.0) -> Order:
    return Order(token=token, id=number, open_seconds=open_seconds)


def let_pass(barrier: Barrier, seconds: float) -> None:
    for _ in range(round(seconds / TICK)):
        barrier.step(TICK)


def an_open_barrier(open_seconds: float = 5.0) -> Barrier:
    barrier = Barrier()
    barrier.accept(an_order(open_seconds=open_seconds))
    let_pass(barrier, 1.6)
    return barrier


def test_the_boom_does_not_move_when_the_power_comes() -> None:
    barrier = Barrier()

    let_pass(barrier, 5.0)

    assert barrier.boom.angle_degrees == 0.0
    assert barrier.boom.is_closed


def test_the_boom_takes_one_and_a_half_seconds_to_open() -> None:
    barrier = Barrier()
    barrier.accept(an_order())

    let_pass(barrier, 1.4)
    on_its_way = barrier.boom.is_open
    let_pass(barrier, 0.1)

    assert not on_its_way
    assert barrier.boom.is_open


def test_the_boom_stays_open_for_the_seconds_of_the_order_and_then_closes() -> None:
    barrier = Barrier()
    barrier.accept(an_order(open_seconds=5.0))

    let_pass(barrier, 1.5 + 4.9)
    at_the_end = barrier.boom.angle_degrees
    let_pass(barrier, 0.2 + 2.0)

    assert at_the_end == 90.0
    assert barrier.boom.is_closed


def test_the_boom_never_begins_to_close_while_the_closing_loop_is_occupied() -> None:
    barrier = an_open_barrier(open_seconds=0.1)
    barrier.inputs.closing = True

    let_pass(barrier, 60.0)

    assert barrier.boom.angle_degrees == 90.0


def test_a_closing_boom_opens_again_as_soon_as_the_closing_loop_is_occupied() -> None:
    barrier = an_open_barrier(open_seconds=0.1)
    let_pass(barrier, 1.0)
    half_way = barrier.boom.angle_degrees

    barrier.inputs.closing = True
    barrier.step(TICK)

    assert 0.0 < half_way < 90.0
    assert barrier.boom.angle_degrees > half_way


def test_something_on_the_closing_loop_does_not_open_a_closed_boom() -> None:
    barrier = an_open_barrier(open_seconds=0.1)
    let_pass(barrier, 4.0)

    barrier.inputs.closing = True
    let_pass(barrier, 1.0)

    assert barrier.boom.is_closed


def test_fire_opens_the_boom_and_keeps_it_open() -> None:
    barrier = Barrier()
    barrier.inputs.fire = True

    let_pass(barrier, 120.0)

    assert barrier.boom.is_open


@pytest.mark.parametrize(
    ("token", "number"), [(5, 7), (5, 6), (4, 8)], ids=["repeated id", "older id", "older token"]
)
def test_what_is_not_newer_than_the_last_order_is_refused(token: int, number: int) -> None:
    barrier = Barrier()
    barrier.accept(an_order(token=5, number=7))

    refusal = barrier.accept(an_order(token=token, number=number))

    assert refusal is Refusal.SEEN_BEFORE
    assert barrier.orders_accepted == 1


def test_a_newer_token_may_begin_its_ids_anew() -> None:
    barrier = Barrier()
    barrier.accept(an_order(token=5, number=7))

    assert barrier.accept(an_order(token=6, number=1)) is None


def test_the_last_order_is_remembered_over_a_reboot() -> None:
    barrier = Barrier()
    barrier.accept(an_order(token=5, number=7))

    barrier.reboot()
    let_pass(barrier, REBOOT_SECONDS + TICK)

    assert barrier.accept(an_order(token=5, number=7)) is Refusal.SEEN_BEFORE
    assert barrier.memory.boots == 2


def test_the_boom_rests_where_a_reboot_found_it_until_there_is_an_order() -> None:
    barrier = Barrier()
    barrier.accept(an_order())
    let_pass(barrier, 0.75)
    before = barrier.boom.angle_degrees

    barrier.reboot()
    let_pass(barrier, 30.0)

    assert barrier.boom.angle_degrees == before == pytest.approx(45.0)


def test_a_jam_is_noticed_within_two_seconds_and_refuses_orders_from_then_on() -> None:
    barrier = Barrier()
    barrier.boom.is_jammed = True

    first = barrier.accept(an_order(number=1))
    let_pass(barrier, 2.0)
    second = barrier.accept(an_order(number=2))

    assert first is None
    assert second is Refusal.FAULT


def test_an_order_that_met_a_jam_does_not_open_the_boom_later() -> None:
    barrier = Barrier()
    barrier.boom.is_jammed = True
    barrier.accept(an_order(open_seconds=5.0))
    let_pass(barrier, 6.0)

    barrier.boom.is_jammed = False
    let_pass(barrier, 6.0)

    assert barrier.boom.is_closed
