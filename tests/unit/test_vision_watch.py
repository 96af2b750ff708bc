"""Every picture is looked at, few are decoded, and none that shows what came before is read."""

import functools
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.vision.mjpeg import Part
from parkgraph_edge.vision.views import ViewJudge, ViewState
from parkgraph_edge.vision.watch import Watch
from tests import lane_pictures as lane


@functools.cache
def live(*, car_at: float | None = None) -> tuple[bytes, ...]:
    return tuple(lane.jpeg(lane.picture(lane.a_scene(car_at=car_at))) for _ in range(6))


@pytest.mark.parametrize("per_second", [5, 10, 15, 25, 30])
def test_a_car_is_seen_within_a_fifth_of_a_second(per_second: int) -> None:
    watch = Watch(ViewJudge())
    for at in range(3 * per_second):
        watch.glance(Part(live()[at % 6], at / per_second), has_car=False)

    comes_at = 3.0
    seen_at = next(
        at / per_second
        for at in range(3 * per_second, 6 * per_second)
        if watch.glance(Part(live(car_at=-6.0)[at % 6], at / per_second), has_car=False).moves
    )

    assert seen_at - comes_at <= 0.2


def test_while_nothing_moves_every_other_of_ten_pictures_a_second_is_decoded() -> None:
    watch = Watch(ViewJudge())
    bad_inside = b"\xff\xd8" + b"no picture"

    watch.glance(Part(live()[0], 0.0), has_car=False)
    watch.glance(Part(bad_inside, 0.1), has_car=False)

    with pytest.raises(CorruptError):
        watch.glance(Part(bad_inside, 0.2), has_car=False)


def test_what_is_no_picture_is_refused_at_once() -> None:
    watch = Watch(ViewJudge())
    watch.glance(Part(live()[0], 0.0), has_car=False)

    with pytest.raises(CorruptError, match="cannot be decoded"):
        watch.glance(Part(b"no picture", 0.01), has_car=False)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_a_picture_that_is_repeated_is_never_new(order: list[int]) -> None:
    watch = Watch(ViewJudge())

    new = [
        watch.glance(Part(live()[n], at / 10), has_car=True).is_new for at, n in enumerate(order)
    ]

    repeated = [False, *(one == other for one, other in pairwise(order))]
    assert not any(is_new and again for is_new, again in zip(new, repeated, strict=True))
    assert new[0]


def test_of_a_frozen_camera_nothing_is_new_also_when_it_hangs_up_and_comes_back() -> None:
    judge = ViewJudge()
    stuck = live()[0]
    watch = Watch(judge)
    for at in range(50):
        watch.glance(Part(stuck, at / 10), has_car=True)

    after = [Watch(judge).glance(Part(stuck, 5.0 + at), has_car=True) for at in range(3)]

    assert judge.view.state is ViewState.FROZEN
    assert not any(glance.is_new for glance in after)


def test_the_first_live_picture_after_a_frozen_one_is_new() -> None:
    judge = ViewJudge()
    watch = Watch(judge)
    for at in range(50):
        watch.glance(Part(live()[0], at / 10), has_car=True)

    glances = [
        watch.glance(Part(live()[1 + at % 2], 5.0 + at / 10), has_car=True) for at in range(8)
    ]

    assert np.flatnonzero([glance.is_new for glance in glances])[0] <= 4
    assert glances[-1].is_new
