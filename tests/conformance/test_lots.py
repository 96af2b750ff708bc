"""Lots: found by distance, described, and counted."""

import httpx
import pytest

from tests.conformance.callers import LOTS, Caller, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import HERE, LENT, LOT, SPACES, World

pytestmark = pytest.mark.hurried


async def test_a_search_finds_the_lot_and_its_distance(caller: Caller) -> None:
    found = await caller.search(HERE[0] + 0.004, HERE[1], radius=500)

    (near,) = found["lots"]
    assert near["lot"]["lot_id"] == LOT
    assert near["distance_m"] == 445
    assert near["availability"]["bookable"] > 0


async def test_a_search_finds_nothing_where_nothing_is(caller: Caller) -> None:
    found = await caller.search(HERE[0] + 0.1, HERE[1], radius=500)

    assert found["lots"] == []


async def test_a_search_says_whose_scope_it_has(caller: Caller, side: str) -> None:
    assert (await caller.search(*HERE))["scope"] == side


async def test_a_lot_that_needs_hands_is_found_only_by_who_asks_for_it(
    calling: Calling, side: str
) -> None:
    careful = await calling("waymo").search(*HERE)
    anyhow = await calling("waymo").search(*HERE, av=False)

    ids = [[found["lot"]["lot_id"] for found in each["lots"]] for each in (careful, anyhow)]
    beside = {"lot": [], "cloud": ["manual-street"]}[side]
    assert "manual-street" not in ids[0]
    assert [lot for lot in ids[1] if lot not in ids[0]] == beside


async def test_the_cloud_finds_lots_the_nearest_first(world: World) -> None:
    async with world.http("cloud", "waymo") as wire:
        query = {"lat": str(HERE[0]), "lng": str(HERE[1]), "av": "false", "radius": "50000"}
        found = (await wire.get(f"{LOTS}/search", params=query)).json()["lots"]
        wide = (await wire.get(f"{LOTS}/search", params=query | {"limit": "2"})).json()["lots"]

    distances = [each["distance_m"] for each in found]
    assert [each["lot"]["lot_id"] for each in found] == [LOT, "manual-street", "oak-street"]
    assert distances == sorted(distances)
    assert [each["lot"]["lot_id"] for each in wide] == [LOT, "manual-street"]


BAD_SEARCHES: list[tuple[dict[str, str | None], str]] = [
    ({"lat": "91"}, "lat"),
    ({"lat": "nan"}, "lat"),
    ({"lat": None}, "lat"),
    ({"lng": "-180.5"}, "lng"),
    ({"lng": "inf"}, "lng"),
    ({"lng": "west"}, "lng"),
    ({"radius": "0"}, "radius"),
    ({"radius": "50001"}, "radius"),
    ({"limit": "0"}, "limit"),
    ({"av": "perhaps"}, "av"),
]


async def test_a_search_that_is_none_names_its_field(wire: httpx.AsyncClient) -> None:
    for change, field in BAD_SEARCHES:
        query = {"lat": "37.7", "lng": "-122.4"} | change
        given = {name: text for name, text in query.items() if text is not None}

        answer = await wire.get(f"{LOTS}/search", params=given)

        assert answer.status_code == 400
        assert error_of(answer)["field"] == field, field


async def test_who_has_no_key_may_search_and_nothing_else(wiring: Wiring, world: World) -> None:
    stranger = wiring(None)

    searched = await stranger.get(f"{LOTS}/search", params={"lat": HERE[0], "lng": HERE[1]})
    world.clock.advance(60)
    read = await stranger.get(f"{LOTS}/{LOT}")

    assert (searched.status_code, read.status_code) == (200, 401)


async def test_a_lot_says_who_can_use_it_and_how_it_is_entered(caller: Caller) -> None:
    lot = await caller.lot(LOT)

    assert lot["autonomous"] is True
    assert lot["gate"] == {"automated": True}
    assert (lot["latitude"], lot["longitude"]) == HERE
    assert (lot["currency"], lot["time_zone"]) == ("USD", "America/Los_Angeles")
    assert lot["spaces"] == len(SPACES)
    assert lot["spaces_by_class"] == {"autonomous": 4, "accessible": 1, "standard": 6}
    assert lot["synthetic"] is True


async def test_an_unknown_lot_is_not_found(caller: Caller) -> None:
    for wish in (
        caller.lot("elm-street"),
        caller.availability("elm-street"),
        caller.rates("elm-street"),
    ):
        refusal = await refused(wish)
        assert (refusal.status, refusal.code, refusal.field) == (404, "NOT_FOUND", "lot_id")


async def test_free_spaces_are_counted_by_class_without_who_uses_them(caller: Caller) -> None:
    counted = await caller.availability()

    assert counted["spaces"] == len(SPACES)
    assert counted["free"] == sum(counted["free_by_class"].values())
    assert counted["free_by_class"] == {"accessible": 1, "autonomous": 2, "standard": 3}
    assert (counted["stale"], counted["as_of"]) == (False, "2026-06-01T12:00:00Z")


async def test_a_booking_takes_one_of_what_can_be_booked(caller: Caller, world: World) -> None:
    before = (await caller.availability())["bookable"]

    await caller.book()

    assert (await caller.availability())["bookable"] == before - 1


async def test_what_can_be_booked_is_what_a_booking_gets(caller: Caller) -> None:
    bookable = (await caller.availability())["bookable"]

    made = [await caller.book(f"CAR {number}") for number in range(bookable)]
    refusal = await refused(caller.book("CAR 99"))

    assert len({stay["entry_instructions"]["assigned_space"] for stay in made}) == bookable
    assert (refusal.status, refusal.code) == (409, "LOT_FULL")
    assert (await caller.availability())["bookable"] == 0


async def test_each_side_sells_its_own_spaces_and_no_other_s(world: World) -> None:
    sold = []
    for side in ("lot", "cloud"):
        async with world.http(side, "waymo") as wire:
            for number in range(6):
                body = {"lot_id": LOT, "plate": f"{side} {number}", "vehicle": {"autonomous": True}}
                answer = await wire.post("/api/v1/sessions", json=body)
                if answer.status_code == 201:
                    way_in = answer.json()["session"]["entry_instructions"]
                    sold.append(way_in["assigned_space"])

    assert len(sold) == len(set(sold)) == len(SPACES) - 1
    assert sum(LENT.values()) == 5


async def test_a_space_that_was_seen_taken_is_not_promised_while_another_is_free(
    caller: Caller, world: World
) -> None:
    first = (await caller.book())["entry_instructions"]["assigned_space"]
    others = {"A-1", "A-2", "A-3", "A-4"} - {first}
    await caller.observe(*((space, True) for space in others))

    second = (await caller.book("CAR 2"))["entry_instructions"]["assigned_space"]

    assert second.startswith("S-")


async def test_an_upload_says_how_many_it_took_and_for_how_long_they_count(
    caller: Caller,
) -> None:
    taken = await caller.observe(("S-1", True), ("S-1", False), ("S-2", True))

    assert taken["accepted"] == 2
    assert taken["counts_for_seconds"] > 0


@pytest.mark.parametrize(
    ("observations", "field"),
    [
        ([], "observations"),
        ([{"space": "S-1"}], "observations.0.occupied"),
        ([{"space": "", "occupied": True}], "observations.0.space"),
        ([{"space": "S-1", "occupied": "yes"}], "observations.0.occupied"),
        ([{"space": "S-1", "occupied": True}] * 1001, "observations"),
        ("S-1", "observations"),
    ],
    ids=["none", "half", "nowhere", "words", "too many", "no list"],
)
async def test_an_upload_that_is_none_names_its_field(
    wire: httpx.AsyncClient, observations: object, field: str
) -> None:
    url = f"{LOTS}/{LOT}/observations"

    answer = await wire.post(url, json={"observations": observations})

    assert answer.status_code == 400
    assert error_of(answer)["field"] == field


async def test_what_the_cloud_heard_long_ago_is_stale_and_then_not_told_at_all(
    world: World,
) -> None:
    async with world.http("cloud", "waymo") as wire:
        world.cut_off()
        await world.hears("down")
        url = f"{LOTS}/{LOT}/availability"
        soon = (await wire.get(url)).json()
        world.clock.advance(1801)
        late = (await wire.get(url)).json()

    assert (soon["stale"], soon["free"]) == (True, 6)
    assert (late["stale"], late["free"], late["free_by_class"]) == (True, None, None)
    assert late["as_of"] == "2026-06-01T12:00:00Z"
    assert late["bookable"] == sum(LENT.values())


async def test_a_lot_that_falls_silent_is_stale_without_a_word(world: World) -> None:
    world.broker.hides_states = True
    world.clock.advance(31)

    async with world.http("cloud", "waymo") as wire:
        counted = (await wire.get(f"{LOTS}/{LOT}/availability")).json()

    assert counted["stale"] is True
    assert counted["stale_after_seconds"] == 30
