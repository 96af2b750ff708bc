"""Which expected plate stands there, by how likely each reading is."""

from hypothesis import given
from hypothesis import strategies as st

from parkgraph_edge.rules.identity import (
    ENOUGH_FRAMES,
    FEWEST_CONFIRMED,
    MOST_LEARNED,
    MU,
    TAU,
    Alternative,
    Confirmed,
    confusions,
    contenders,
    identify,
    may_say,
    reweighed,
)
from tests.builders import a_reading

PLATES = st.text("0123ABC", min_size=1, max_size=3)
READINGS = st.lists(st.builds(Alternative, PLATES, st.floats(-20, 0)), max_size=8)
LOTS = st.frozensets(PLATES, max_size=8)


def test_the_plate_that_was_read_is_found() -> None:
    assert identify(a_reading("ABC1234"), {"ABC1234", "XYZ9876"}) == "ABC1234"


def test_a_plate_that_may_have_been_read_is_found() -> None:
    assert identify(a_reading("ABC1234", A8C1234=-TAU), {"A8C1234"}) == "A8C1234"


def test_a_plate_that_was_hardly_read_is_not() -> None:
    assert identify(a_reading("ABC1234", A8C1234=-TAU - 0.01), {"A8C1234"}) is None


def test_a_plate_that_only_looks_alike_is_not() -> None:
    assert identify(a_reading("ABC1234"), {"ABC1235", "ABC123", "8BC1234"}) is None


def test_two_that_are_about_as_likely_are_not_told_apart() -> None:
    read = a_reading("ABC1234", A8C1234=-1.0, A3C1234=-1.0 - MU + 0.01)

    assert identify(read, {"A8C1234", "A3C1234"}) is None
    assert contenders(read, {"A8C1234", "A3C1234"}) == {"A8C1234", "A3C1234"}


def test_one_that_is_much_likelier_than_the_next_is_found() -> None:
    read = a_reading("ABC1234", A8C1234=-1.0, A3C1234=-1.0 - MU)

    assert identify(read, {"A8C1234", "A3C1234"}) == "A8C1234"


def test_the_next_keeps_its_rival_out_also_where_it_is_too_unlikely_itself() -> None:
    read = a_reading("ABC1234", A8C1234=-TAU, A3C1234=-TAU - 1.0)

    assert identify(read, {"A8C1234", "A3C1234"}) is None


def test_one_frame_says_only_what_it_reads() -> None:
    others = a_reading("ABC1234", A8C1234=-0.5)

    alone = may_say("ABC1234", others, ENOUGH_FRAMES - 1)
    together = may_say("ABC1234", others, ENOUGH_FRAMES)

    assert (identify(alone, {"ABC1234"}), identify(alone, {"A8C1234"})) == ("ABC1234", None)
    assert identify(together, {"A8C1234"}) == "A8C1234"


def test_without_alternatives_a_plate_says_itself() -> None:
    assert identify(may_say("ABC1234", (), 3), {"ABC1234"}) == "ABC1234"


def test_a_reading_that_its_alternatives_leave_out_counts() -> None:
    assert identify(may_say("ABC1234", a_reading("A8C1234"), 3), {"ABC1234"}) == "ABC1234"


def misread(vehicles: int = FEWEST_CONFIRMED, *, by_code: bool = True) -> list[Confirmed]:
    """Return how a B was read as 8 on so many plates."""
    return [Confirmed(f"X8X{number}", f"XBX{number}", by_code) for number in range(vehicles)]


def read_right(vehicles: int) -> list[Confirmed]:
    """Return how an 8 was read on so many plates."""
    plates = [f"8YY{number}" for number in range(vehicles)]
    return [Confirmed(plate, plate, by_code=False) for plate in plates]


def test_a_plate_that_this_camera_is_known_to_misread_is_found() -> None:
    read = a_reading("A8C1234", ABC1234=-TAU - 1.0)
    known = confusions(misread())

    assert identify(read, {"ABC1234"}) is None
    assert identify(reweighed(read, known), {"ABC1234"}) == "ABC1234"


def test_what_a_camera_mostly_reads_right_is_hardly_doubted() -> None:
    read = a_reading("A8C1234", ABC1234=-TAU - 1.0)
    known = confusions(misread() + read_right(1000))

    assert identify(reweighed(read, known), {"ABC1234"}) is None


def test_less_than_enough_codes_teach_nothing() -> None:
    assert confusions(misread(FEWEST_CONFIRMED - 1)) == {}


def test_who_was_let_in_by_a_reading_does_not_confirm_it() -> None:
    assert confusions(misread(50, by_code=False)) == {}


def test_one_vehicle_teaches_nothing_however_often_it_comes() -> None:
    assert confusions(misread(1) * 50) == {}


def test_the_plate_of_another_vehicle_teaches_nothing() -> None:
    another = [Confirmed("FULL5", f"XBX{number}", by_code=True) for number in range(10, 60)]
    longer = [Confirmed("8BX999", f"BBX{number}", by_code=True) for number in range(10, 60)]

    assert confusions(another + longer) == {}


def test_a_confusion_that_was_learned_still_keeps_rivals_apart() -> None:
    known = confusions(misread())
    both = {"A8C1234", "ABC1234"}

    assert identify(reweighed(a_reading("A8C1234", ABC1234=-MU - 1.0), known), both) is None


CONFIRMED = st.lists(st.builds(Confirmed, PLATES, PLATES, by_code=st.booleans()), max_size=60)


@given(READINGS.filter(bool), CONFIRMED)
def test_what_is_learned_has_a_bound(read: list[Alternative], passages: list[Confirmed]) -> None:
    known = reweighed(read, confusions(passages))

    for before, after in zip(read, known, strict=True):
        wrong = sum(a != b for a, b in zip(read[0].folded, before.folded, strict=False))
        assert before.nats <= after.nats <= min(max(0.0, before.nats), before.nats + MOST_LEARNED)
        assert wrong == 1 or after == before


@given(READINGS.flatmap(lambda read: st.tuples(st.just(read), st.permutations(read))), LOTS)
def test_the_order_of_what_was_read_is_nothing(
    read: tuple[list[Alternative], list[Alternative]], expected: frozenset[str]
) -> None:
    one, other = read

    assert contenders(one, expected) == contenders(other, expected)


@given(READINGS, LOTS)
def test_whoever_is_found_was_expected_and_may_have_been_read(
    read: list[Alternative], expected: frozenset[str]
) -> None:
    found = contenders(read, expected)

    assert found <= expected & {one.folded for one in read}
    assert not found or max(one.nats for one in read if one.folded in found) >= -TAU


@given(LOTS, st.floats(-20, -TAU, exclude_max=True))
def test_a_stranger_that_was_read_clearly_is_nobody_in_whatever_lot(
    expected: frozenset[str], nats: float
) -> None:
    clearly = [Alternative("XYZ", 0.0), *(Alternative(plate, nats) for plate in expected)]

    assert identify(clearly, expected) is None


@given(READINGS, LOTS, LOTS)
def test_more_expected_never_turn_who_is_found_into_another_that_was_expected_before(
    read: list[Alternative], expected: frozenset[str], more: frozenset[str]
) -> None:
    before, after = identify(read, expected), identify(read, expected | more)

    assert after is None or after == before or after in more


@given(READINGS, LOTS, LOTS)
def test_plates_that_nobody_read_change_nothing(
    read: list[Alternative], expected: frozenset[str], strangers: frozenset[str]
) -> None:
    unread = strangers - {one.folded for one in read}

    assert contenders(read, expected | unread) == contenders(read, expected)
