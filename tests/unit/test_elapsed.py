"""How long a stay lasted: never more than it did, whatever the wall clock says."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.elapsed import Anchor, Boot, BootTime, Elapsed, Instant, elapsed
from parkgraph.model.sessions import SessionState
from parkgraph_edge.rules.bills import TIME_TO_LEAVE, bill
from tests.builders import NOON, a_session

HOUR: Final = timedelta(hours=1)
HOUR_MS: Final = 3_600_000
YEAR: Final = timedelta(days=365)


def at(hours: float, boot: str, boot_hours: float) -> Instant:
    """Return an instant so many hours after noon by the wall clock, and after a boot."""
    return Instant(NOON + hours * HOUR, BootTime(boot, int(boot_hours * HOUR_MS)))


def a_boot(number: int, hours: float, *, right_at: float | None = None) -> Boot:
    """Return a boot that lasted so long; `right_at` hours after noon it began, if that is known."""
    anchor = None if right_at is None else Anchor(NOON + right_at * HOUR, 0)
    return Boot(number, int(hours * HOUR_MS), anchor)


def hours(count: float, *, is_in_doubt: bool = False) -> Elapsed:
    return Elapsed(count * HOUR, is_in_doubt)


@pytest.mark.parametrize("wall", [8, 7, 9, -2, 0, 365 * 24])
def test_within_a_boot_its_clock_alone_counts(wall: float) -> None:
    assert elapsed(at(0, "a", 1), at(wall, "a", 9), {}) == hours(8)


def test_between_boots_that_knew_the_time_the_time_counts() -> None:
    boots = {"a": a_boot(1, 2, right_at=-1), "b": a_boot(2, 0, right_at=6)}

    assert elapsed(at(50, "a", 1), at(-50, "b", 2), boots) == hours(8)


def test_otherwise_only_the_hours_count_for_which_the_machine_is_known_to_have_run() -> None:
    boots = {"a": a_boot(1, 3), "b": a_boot(2, 4), "c": a_boot(3, 0.5)}

    found = elapsed(at(0, "a", 1), at(20, "c", 1), boots)

    assert found == hours(2 + 4 + 1, is_in_doubt=True)


def test_a_boot_of_before_the_entry_is_none_of_its_time() -> None:
    boots = {"z": a_boot(1, 100), "a": a_boot(2, 1), "b": a_boot(3, 0)}

    assert elapsed(at(0, "a", 1), at(20, "b", 2), boots) == hours(2, is_in_doubt=True)


@pytest.mark.parametrize(("wall", "proven"), [(1, 1), (3, 3), (9, 5), (0, 5), (-2, 5)])
def test_in_doubt_the_wall_clock_counts_where_it_says_less_but_something(
    wall: float, proven: float
) -> None:
    boots = {"a": a_boot(1, 3), "b": a_boot(2, 2)}

    assert elapsed(at(0, "a", 1), at(wall, "b", 3), boots) == hours(proven, is_in_doubt=True)


def test_of_a_boot_that_was_never_anchored_nothing_is_proven_but_the_present_one() -> None:
    boots = {"z": a_boot(1, 9), "b": a_boot(2, 0)}

    assert elapsed(at(0, "a", 1), at(20, "b", 2), boots) == hours(2, is_in_doubt=True)


def test_without_a_boot_clock_the_wall_clock_counts_and_is_doubted() -> None:
    entered = Instant(NOON, None)

    assert elapsed(entered, at(2, "a", 1), {}) == hours(2, is_in_doubt=True)
    assert elapsed(entered, at(-2, "a", 1), {}) == hours(0, is_in_doubt=True)


def test_part_of_a_second_is_given_away() -> None:
    now = Instant(NOON, BootTime("a", 2999))

    assert elapsed(at(0, "a", 0), now, {}).duration == timedelta(seconds=2)


@dataclass
class World:
    """A machine with an honest boot clock, a wall clock that may be wrong, and the true time."""

    true_ms: int = 0
    boot: int = 1
    boot_ms: int = 0
    wrong: timedelta = timedelta(0)
    has_trust: bool = True
    boots: dict[str, Boot] = field(default_factory=dict)

    @property
    def now(self) -> Instant:
        wall = NOON + timedelta(milliseconds=self.true_ms) + self.wrong
        return Instant(wall, BootTime(str(self.boot), self.boot_ms))

    def anchor(self) -> None:
        known = self.boots.get(str(self.boot))
        anchor = known.anchor if known else None
        if self.has_trust:
            anchor = Anchor(self.now.at, self.boot_ms)
        self.boots[str(self.boot)] = Boot(self.boot, self.boot_ms, anchor)

    def let(self, what: str, ms: int) -> None:
        match what:
            case "run":
                self.true_ms += ms
                self.boot_ms += ms
            case "reboot":
                self.true_ms += ms
                self.boot, self.boot_ms = self.boot + 1, 0
            case "anchor":
                self.anchor()
            case "ahead" | "back":
                self.wrong += timedelta(milliseconds=ms if what == "ahead" else -ms)
                self.has_trust = False
            case "right":
                self.wrong, self.has_trust = timedelta(0), True


MILLISECONDS = st.integers(0, 10 * 24 * HOUR_MS)
EVENTS = st.tuples(
    st.sampled_from(["run", "reboot", "anchor", "ahead", "back", "right"]), MILLISECONDS
)
HONEST = st.tuples(st.sampled_from(["run", "reboot"]), MILLISECONDS)


@given(st.lists(EVENTS), st.lists(EVENTS))
def test_nobody_pays_for_more_than_his_time(
    before: list[tuple[str, int]], during: list[tuple[str, int]]
) -> None:
    world = World()
    for event in before:
        world.let(*event)
    entered, entered_ms = world.now, world.true_ms

    for event in during:
        world.let(*event)

    true = timedelta(seconds=(world.true_ms - entered_ms) // 1000)
    found = elapsed(entered, world.now, world.boots)
    assert timedelta(0) <= found.duration <= true
    assert found.is_in_doubt or found.duration == true


@given(st.lists(HONEST), st.lists(HONEST))
def test_where_the_time_is_always_known_it_is_exact(
    before: list[tuple[str, int]], during: list[tuple[str, int]]
) -> None:
    world = World()
    world.anchor()
    for event in before:
        world.let(*event)
        world.anchor()
    entered, entered_ms = world.now, world.true_ms

    for event in during:
        world.let(*event)
        world.anchor()

    true = timedelta(seconds=(world.true_ms - entered_ms) // 1000)
    assert elapsed(entered, world.now, world.boots) == Elapsed(true, is_in_doubt=False)


# What it costs

PARKED: Final = a_session(SessionState.PARKED, entered_boot="a", entered_boot_ms=0)
ENDED: Final = replace(PARKED, ended_at=NOON + HOUR, elapsed_seconds=3600, amount_minor=350)


def test_a_bill_is_for_the_time_that_passed() -> None:
    owed = bill(PARKED, at(365 * 24, "a", 8), {})

    assert owed is not None
    assert (owed.amount_minor, owed.elapsed_seconds, owed.is_in_doubt) == (2800, 28_800, False)


def test_who_never_came_in_owes_nothing() -> None:
    assert bill(a_session(), at(1, "a", 1), {}) is None


@pytest.mark.parametrize(("minutes", "over"), [(0, None), (15, None), (16, 960)])
def test_who_ended_his_stay_has_time_to_leave_and_pays_no_more(
    minutes: float, over: int | None
) -> None:
    assert timedelta(minutes=15) == TIME_TO_LEAVE

    owed = bill(ENDED, at(0, "a", 1 + minutes / 60), {})

    assert owed is not None
    assert (owed.amount_minor, owed.over_seconds) == (350, over)


def test_what_was_proven_when_it_was_told_stays_proven() -> None:
    owed = bill(ENDED, at(2, "b", 0), {})

    assert owed is not None
    assert (owed.amount_minor, owed.elapsed_seconds, owed.is_in_doubt) == (350, 3600, True)
