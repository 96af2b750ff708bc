"""Which space for whom."""

from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.records import SpaceClass
from parkgraph_edge.rules.spaces import FreeSpace, assign

frees = st.lists(
    st.builds(
        FreeSpace, st.sampled_from([f"S-{n:02}" for n in range(20)]), st.sampled_from(SpaceClass)
    ),
    unique_by=lambda free: free.space,
)
occupied_spaces = st.frozensets(st.sampled_from([f"S-{n:02}" for n in range(20)]))


def standard(*spaces: str) -> list[FreeSpace]:
    return [FreeSpace(space, SpaceClass.STANDARD) for space in spaces]


def test_the_first_by_id_is_taken() -> None:
    assert assign(standard("S-03", "S-01"), autonomous=False, occupied=()) == FreeSpace(
        "S-01", SpaceClass.STANDARD
    )


def test_a_space_where_a_sensor_sees_somebody_is_left_out() -> None:
    assigned = assign(standard("S-01", "S-02"), autonomous=False, occupied={"S-01"})

    assert assigned == FreeSpace("S-02", SpaceClass.STANDARD)


def test_where_every_space_is_occupied_there_is_none() -> None:
    assert assign(standard("S-01"), autonomous=False, occupied={"S-01"}) is None


def test_an_autonomous_vehicle_takes_its_own_class_first_and_then_a_standard_space() -> None:
    own = FreeSpace("Z-99", SpaceClass.AUTONOMOUS)

    assert assign([*standard("S-01"), own], autonomous=True, occupied=()) == own
    assert assign(standard("S-01"), autonomous=True, occupied=()) == standard("S-01")[0]


def test_a_space_for_autonomous_vehicles_is_for_nobody_else() -> None:
    own = FreeSpace("Z-99", SpaceClass.AUTONOMOUS)

    assert assign([own], autonomous=False, occupied=()) is None


@given(free=frees, autonomous=st.booleans(), occupied=occupied_spaces)
def test_no_overflow_ever_uses_an_accessible_or_an_occupied_space(
    *, free: list[FreeSpace], autonomous: bool, occupied: frozenset[str]
) -> None:
    assigned = assign(free, autonomous=autonomous, occupied=occupied)

    assert assigned is None or assigned in free
    assert assigned is None or assigned.space_class is not SpaceClass.ACCESSIBLE
    assert assigned is None or assigned.space not in occupied


@given(data=st.data(), free=frees, autonomous=st.booleans(), occupied=occupied_spaces)
def test_the_order_in_which_spaces_are_listed_makes_no_difference(
    *, data: st.DataObject, free: list[FreeSpace], autonomous: bool, occupied: frozenset[str]
) -> None:
    shuffled = data.draw(st.permutations(free))

    assert assign(free, autonomous=autonomous, occupied=occupied) == assign(
        shuffled, autonomous=autonomous, occupied=occupied
    )
