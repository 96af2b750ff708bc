"""A camera that does not see what it should is named within five seconds; cars and weather are not.

Pictures are those of the simulated lane. Time is passed in.
"""

import copy
import functools
from collections.abc import Sequence
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.messages import CameraMessage, RejectionReason
from parkgraph_edge.vision.motion import small_grey
from parkgraph_edge.vision.plates import Rejection
from parkgraph_edge.vision.views import View, ViewJudge, ViewState
from tests import lane_pictures as lane

EVERY_SECONDS = 0.2
LEARNED_SECONDS = 40.0
NAMED_WITHIN_SECONDS = 5.0
BACK_WITHIN_SECONDS = 5.0
TIMES_OF_DAY = pytest.mark.parametrize("is_night", [False, True], ids=["day", "night"])


class Camera:
    """A camera whose pictures a judge looks at; time is that of its pictures."""

    def __init__(self, judge: ViewJudge, *, seconds: float = 0.0) -> None:
        self.judge = judge
        self.seconds = seconds

    def shows(
        self, pictures: Sequence[Pixels], *, seconds: float, has_car: bool = False
    ) -> list[tuple[float, View]]:
        """Show `pictures` in turn; return each change of the view and how long it took."""
        began, changes = self.seconds, [(0.0, self.judge.view)]
        for grey in lane.in_turn(list(pictures)):
            self.seconds += EVERY_SECONDS
            view = self.judge.look(grey, self.seconds, has_car=has_car)
            if view != changes[-1][1]:
                changes.append((self.seconds - began, view))
            if self.seconds - began >= seconds:
                return changes[1:]
        return []


@functools.cache
def usual(*, is_night: bool) -> tuple[Pixels, ...]:
    return tuple(lane.greys(lane.a_scene(is_night=is_night), count=12))


@functools.cache
def _learned(*, is_night: bool) -> Camera:
    camera = Camera(ViewJudge())
    assert camera.shows(usual(is_night=is_night), seconds=LEARNED_SECONDS) == []
    return camera


def a_camera(*, is_night: bool = False) -> Camera:
    """One that knows its view."""
    return copy.deepcopy(_learned(is_night=is_night))


FAULTS = [
    ("black", lane.black, ViewState.DARK),
    ("lamp off", lane.dimmed(0.08), ViewState.DARK),
    ("white", lane.white, ViewState.BLINDED),
    ("sun", lane.glared, ViewState.BLINDED),
    ("haze", lane.hazed, ViewState.BLINDED),
    ("out of focus", lane.blurred(4), ViewState.DIRTY),
    ("far out of focus", lane.blurred(12), ViewState.DIRTY),
    ("smeared", lane.smeared, ViewState.DIRTY),
    ("moved a little", lane.moved(20, 7), ViewState.MISAIMED),
    ("moved far", lane.moved(-300, 120), ViewState.MISAIMED),
    ("turned a little", lane.turned(4), ViewState.MISAIMED),
    ("turned far", lane.turned(40), ViewState.MISAIMED),
    ("turned away", lambda pixels: pixels[::-1, ::-1].copy(), ViewState.MISAIMED),
]


@TIMES_OF_DAY
@pytest.mark.parametrize(
    ("change", "state"), [one[1:] for one in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_named_within_five_seconds_and_forgotten_when_it_is_over(
    change: lane.Change, state: ViewState, *, is_night: bool
) -> None:
    camera = a_camera(is_night=is_night)
    faulty = lane.greys(lane.a_scene(is_night=is_night), change, count=6)

    [(named, view)] = camera.shows(faulty, seconds=20)
    [(back, after)] = camera.shows(usual(is_night=is_night), seconds=10)

    assert view.state is state
    assert view.detail
    assert named <= NAMED_WITHIN_SECONDS
    assert after == View(ViewState.OK)
    assert back <= BACK_WITHIN_SECONDS


@TIMES_OF_DAY
def test_a_picture_that_stays_the_same_to_the_last_bit_is_frozen(*, is_night: bool) -> None:
    camera = a_camera(is_night=is_night)

    [(named, view)] = camera.shows(usual(is_night=is_night)[:1], seconds=20)
    was_stale = camera.judge.is_stale
    [(back, after)] = camera.shows(usual(is_night=is_night), seconds=10)

    assert view.state is ViewState.FROZEN
    assert "restart the camera" in view.detail
    assert named <= NAMED_WITHIN_SECONDS
    assert was_stale
    assert not camera.judge.is_stale
    assert (after.state, back <= BACK_WITHIN_SECONDS) == (ViewState.OK, True)


def test_a_frozen_picture_with_a_clock_that_runs_is_frozen() -> None:
    camera = a_camera()
    stuck = lane.picture()
    clocks = []
    for second in range(10):
        frame = stuck.copy()
        text = f"2026-11-22 20:15:{second:02}"
        cv2.putText(frame, text, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2)
        clocks.append(small_grey(lane.jpeg(frame)))

    [(named, view)] = camera.shows(clocks, seconds=20)

    assert view.state is ViewState.FROZEN
    assert named <= NAMED_WITHIN_SECONDS


def test_a_camera_is_frozen_from_its_first_picture_on() -> None:
    camera = Camera(ViewJudge())

    [(named, view)] = camera.shows(usual(is_night=False)[:1], seconds=20)

    assert view.state is ViewState.FROZEN
    assert named <= NAMED_WITHIN_SECONDS


@pytest.mark.parametrize("quality", [40, 82, 95])
def test_a_camera_that_smooths_its_noise_and_compresses_hard_is_not_frozen(quality: int) -> None:
    scene = cv2.GaussianBlur(lane.picture().astype(np.float32), (0, 0), 1.0)
    chance = np.random.default_rng(4)
    faint = [
        small_grey(lane.jpeg(lane._pixels(scene + 0.1 * noise), quality=quality))
        for noise in chance.standard_normal((8, *scene.shape), np.float32)
    ]

    assert Camera(ViewJudge()).shows(faint, seconds=30) == []


WEATHER = [
    ("empty", lane.unchanged),
    ("rain", lane.rained_on),
    ("dusk", lane.dimmed(0.5)),
    ("dim", lane.dimmed(0.3)),
    ("not quite in focus", lane.blurred(2)),
    ("shaken by wind", lane.moved(3, 2)),
]


@TIMES_OF_DAY
@pytest.mark.parametrize("change", [one[1] for one in WEATHER], ids=[one[0] for one in WEATHER])
def test_weather_and_light_are_no_fault(change: lane.Change, *, is_night: bool) -> None:
    camera = a_camera(is_night=is_night)
    pictures = lane.greys(lane.a_scene(is_night=is_night), change, count=8)

    assert camera.shows(pictures, seconds=60) == []


@TIMES_OF_DAY
def test_night_and_day_follow_each_other_at_once(*, is_night: bool) -> None:
    camera = a_camera(is_night=is_night)

    assert camera.shows(usual(is_night=not is_night), seconds=60) == []
    assert camera.shows(usual(is_night=is_night), seconds=30) == []


def test_dusk_that_falls_slowly_is_no_fault_and_a_cover_in_the_dark_is() -> None:
    camera = a_camera()

    for share in np.linspace(1.0, 0.3, 8):
        dusk = lane.greys(change=lane.dimmed(float(share)), count=4)
        assert camera.shows(dusk, seconds=30) == []
    [(named, view)] = camera.shows(lane.greys(change=lane.dimmed(0.05), count=4), seconds=10)

    assert (view.state, named <= NAMED_WITHIN_SECONDS) == (ViewState.DARK, True)


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(stands_at=st.floats(-14, 2.5), is_night=st.booleans(), is_on_loop=st.booleans())
@example(stands_at=-1.2, is_night=False, is_on_loop=False)
@example(stands_at=-1.2, is_night=True, is_on_loop=True)
def test_a_car_that_comes_stands_for_minutes_and_goes_is_no_fault(
    *, stands_at: float, is_night: bool, is_on_loop: bool
) -> None:
    camera = a_camera(is_night=is_night)
    way = [*np.arange(-24.0, stands_at, 0.9), stands_at]
    comes = [lane.greys(lane.a_scene(car_at=x, is_night=is_night), count=1)[0] for x in way]
    stands = lane.greys(lane.a_scene(car_at=stands_at, is_night=is_night), count=6)

    for grey in comes:
        assert camera.shows([grey], seconds=EVERY_SECONDS) == []
    assert camera.shows(stands, seconds=150, has_car=is_on_loop) == []
    for grey in reversed(comes):
        assert camera.shows([grey], seconds=EVERY_SECONDS) == []
    assert camera.shows(usual(is_night=is_night), seconds=30) == []


@TIMES_OF_DAY
@pytest.mark.parametrize(
    "near",
    [lane.behind_a_truck, lane.behind_a_wall, lane.behind_a_white_car],
    ids=["truck", "wall", "white car"],
)
def test_what_fills_the_picture_on_the_loop_is_no_fault(
    near: lane.Change, *, is_night: bool
) -> None:
    camera = a_camera(is_night=is_night)
    filled = lane.greys(lane.a_scene(is_night=is_night), near, count=6)

    assert camera.shows(filled, seconds=120, has_car=True) == []
    assert camera.shows(usual(is_night=is_night), seconds=30) == []


def test_a_truck_that_the_loop_has_not_seen_comes_in_more_than_a_moment_and_is_no_fault() -> None:
    camera = a_camera()
    truck = lane.picture(change=lane.behind_a_truck)

    for step in range(12):
        down = 720 - 60 * step
        frame = lane.picture()
        frame[down:] = truck[: 720 - down]
        assert camera.shows([small_grey(lane.jpeg(frame))], seconds=EVERY_SECONDS) == []
    assert camera.shows(lane.greys(change=lane.behind_a_truck, count=6), seconds=120) == []


def test_a_picture_that_shows_something_else_for_very_long_is_told() -> None:
    camera = a_camera()
    truck = lane.greys(change=lane.behind_a_truck, count=6)
    camera.shows(truck, seconds=10, has_car=True)

    [(named, view)] = camera.shows(truck, seconds=700)

    assert view.state is ViewState.MISAIMED
    assert named > 500


@settings(max_examples=15)
@given(st.lists(st.tuples(st.floats(0.2, 2.0), st.floats(1.0, 6.0)), min_size=1, max_size=6))
def test_headlights_that_pass_are_no_fault(passing: list[tuple[float, float]]) -> None:
    camera = a_camera(is_night=True)
    lit = blinding()

    for lasts, pause in passing:
        assert camera.shows(lit, seconds=lasts) == []
        assert camera.shows(usual(is_night=True), seconds=pause) == []


@functools.cache
def blinding() -> list[Pixels]:
    return lane.greys(lane.a_scene(is_night=True), lane.glared, count=4)


def a_strip_of(white_share: float) -> lane.Change:
    def change(pixels: Pixels) -> Pixels:
        lit = pixels.copy()
        lit[: round(lane.HEIGHT * white_share)] = 255
        return lit

    return change


@pytest.mark.parametrize(
    ("bad", "little_better", "state"),
    [
        (a_strip_of(0.4), a_strip_of(0.2), ViewState.BLINDED),
        (lane.dimmed(0.1), lane.dimmed(0.16), ViewState.DARK),
    ],
    ids=["blinded", "dark"],
)
def test_a_view_that_is_a_little_better_is_not_yet_well(
    bad: lane.Change, little_better: lane.Change, state: ViewState
) -> None:
    camera = a_camera()
    before = camera.shows(lane.greys(change=little_better, count=4), seconds=10)

    [(_, view)] = camera.shows(lane.greys(change=bad, count=4), seconds=10)
    after = camera.shows(lane.greys(change=little_better, count=4), seconds=30)

    assert before == []
    assert view.state is state
    assert after == []


def test_one_fault_that_follows_another_is_named() -> None:
    camera = a_camera()

    [(_, first)] = camera.shows(lane.greys(change=lane.black, count=4), seconds=10)
    [(named, second)] = camera.shows(lane.greys(change=lane.blurred(8), count=4), seconds=10)

    assert (first.state, second.state) == (ViewState.DARK, ViewState.DIRTY)
    assert named <= NAMED_WITHIN_SECONDS


def test_a_camera_that_has_not_learned_its_view_is_not_misaimed() -> None:
    camera = Camera(ViewJudge())
    camera.shows(usual(is_night=False), seconds=5)

    assert camera.shows(lane.greys(change=lane.moved(200, 80), count=6), seconds=60) == []


def test_what_way_a_picture_has_moved_is_told() -> None:
    camera = a_camera()

    [(_, view)] = camera.shows(lane.greys(change=lane.moved(128, -72), count=6), seconds=10)

    assert "moved by 10 % to the right and 10 % up" in view.detail


def test_looking_changes_nothing_that_the_next_look_needs() -> None:
    camera = a_camera()
    before = copy.deepcopy(camera.judge.reference)

    camera.shows(lane.greys(change=lane.moved(40, 10), count=6), seconds=30)

    assert np.array_equal(before._edges, camera.judge.reference._edges)


def test_the_words_on_the_wire_are_those_of_the_judge_and_of_the_reader() -> None:
    states = CameraMessage.model_fields["state"].annotation

    assert set(get_args(states)) == {*ViewState, "away"}
    assert set(get_args(RejectionReason)) == set(Rejection)


def test_states_are_told_in_order_of_what_hides_what() -> None:
    """Of a black and a white picture, nobody can say whether it is frozen."""
    for change, state in [(lane.black, ViewState.DARK), (lane.white, ViewState.BLINDED)]:
        still = small_grey(lane.jpeg(change(lane.picture())))
        changes = a_camera().shows([still], seconds=20)
        assert [view.state for _, view in changes] == [state]
