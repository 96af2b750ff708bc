"""The lot is cut off from the cloud: what each side still does, and what it is afterwards."""

import pytest

from tests.conformance.callers import HttpCaller, Json, SdkCaller, refused
from tests.conformance.world import LENT, LOT, World

pytestmark = pytest.mark.hurried


def http(world: World, side: str) -> HttpCaller:
    return HttpCaller(world.http(side, "waymo"))


async def cut_off(world: World) -> None:
    world.cut_off()
    await world.hears("down")


async def test_the_cloud_books_at_a_lot_that_is_cut_off_with_code_and_space(
    world: World,
) -> None:
    await cut_off(world)

    stay = await http(world, "cloud").book()

    way_in = stay["entry_instructions"]
    assert len(way_in["gate_code"]) == 9
    assert way_in["assigned_space"].startswith("A-")
    assert way_in["entry_lane"] == "north-in"


async def test_who_booked_in_the_cloud_enters_a_lot_that_has_not_heard_of_him(
    world: World,
) -> None:
    await cut_off(world)
    stay = await http(world, "cloud").book()

    await world.parks(stay["id"])

    assert world.state_at_lot(stay["id"]) == "parked"


async def test_a_stay_has_the_same_id_space_and_code_at_both_sides_afterwards(
    world: World,
) -> None:
    await cut_off(world)
    booked = await http(world, "cloud").book()
    await world.parks(booked["id"])

    world.connect()
    await world.hears("up")
    await world.level()
    at_lot = await http(world, "lot").session(booked["id"])
    in_cloud = await http(world, "cloud").session(booked["id"])

    assert at_lot["entry_instructions"] == booked["entry_instructions"]
    assert (at_lot["plate"], at_lot["state"]) == ("AV-1234", "parked")
    assert in_cloud == at_lot
    assert len(await http(world, "cloud").sessions()) == 1


async def test_the_cloud_sells_no_more_than_was_lent_and_then_says_that_the_lot_is_offline(
    world: World,
) -> None:
    await cut_off(world)
    cloud = http(world, "cloud")

    sold = [await cloud.book(f"CAR {number}") for number in range(sum(LENT.values()))]
    refusal = await refused(cloud.book("CAR 99"))

    assert len({stay["entry_instructions"]["assigned_space"] for stay in sold}) == 5
    assert (refusal.status, refusal.code) == (503, "LOT_OFFLINE")


async def test_both_sides_sell_on_alone_and_no_space_is_promised_twice(world: World) -> None:
    await cut_off(world)
    sold: list[Json] = []
    for side, count in (("cloud", 5), ("lot", 5)):
        caller = http(world, side)
        sold += [await caller.book(f"{side} {number}") for number in range(count)]

    world.connect()
    await world.hears("up")
    await world.level()

    spaces = [stay["entry_instructions"]["assigned_space"] for stay in sold]
    codes = [stay["entry_instructions"]["gate_code"] for stay in sold]
    assert len(set(spaces)) == len(set(codes)) == 10
    for side in ("lot", "cloud"):
        listed = await http(world, side).sessions()
        assert {stay["id"] for stay in listed} == {stay["id"] for stay in sold}


async def test_the_lot_does_all_of_its_own_work_alone(world: World) -> None:
    await cut_off(world)
    lot = http(world, "lot")

    stay = await lot.book()
    later = await lot.extend(stay["id"], 30)
    await world.parks(stay["id"])
    ended = await lot.end(stay["id"])
    await world.leaves(stay["id"])

    assert later["hold_until"] > stay["hold_until"]
    assert ended["state"] == "leaving"
    assert (await lot.session(stay["id"]))["state"] == "completed"
    assert (await lot.availability())["stale"] is False


async def test_what_the_lot_owns_the_cloud_refuses_and_queues_nothing(world: World) -> None:
    cloud = http(world, "cloud")
    parked = await cloud.book("CAR 1")
    awaited = await http(world, "lot").book("CAR 2")
    await world.level()
    await world.bring(parked["id"], "parked")
    await cut_off(world)

    refusals = [
        await refused(wish)
        for wish in (
            cloud.end(parked["id"]),
            cloud.extend(parked["id"], 30),
            cloud.end(awaited["id"]),
            cloud.cancel(awaited["id"]),
            cloud.extend(awaited["id"], 30),
        )
    ]
    world.connect()
    await world.hears("up")
    await world.level()

    assert {(each.status, each.code) for each in refusals} == {(503, "LOT_OFFLINE")}
    assert (await http(world, "lot").session(parked["id"]))["state"] == "parked"
    assert (await http(world, "lot").session(awaited["id"])) == awaited


async def test_the_cloud_cancels_what_it_sold_while_the_lot_is_cut_off(world: World) -> None:
    cloud = http(world, "cloud")
    await cut_off(world)
    stay = await cloud.book()

    cancelled = await cloud.cancel(stay["id"])
    world.connect()
    await world.hears("up")
    await world.level()

    assert cancelled["state"] == "cancelled"
    assert (await http(world, "lot").session(stay["id"]))["state"] in {"cancelled", "void"}


async def test_a_vehicle_that_booked_at_both_sides_has_one_stay_in_the_end(
    world: World,
) -> None:
    await cut_off(world)
    in_cloud = await http(world, "cloud").book()
    at_lot = await http(world, "lot").book()
    world.connect()
    await world.hears("up")
    await world.level()

    await world.parks(at_lot["id"])
    await world.level()

    states = {
        side: {stay["id"]: stay["state"] for stay in await http(world, side).sessions()}
        for side in ("lot", "cloud")
    }
    assert states["lot"] == states["cloud"]
    assert states["lot"] == {at_lot["id"]: "parked", in_cloud["id"]: "void"}


async def test_one_request_made_at_both_sides_has_one_stay_in_the_end(world: World) -> None:
    await cut_off(world)
    in_cloud = await http(world, "cloud").book(key="one")
    at_lot = await http(world, "lot").book(key="one")
    world.connect()
    await world.hears("up")
    await world.level()

    await world.parks(in_cloud["id"])
    await world.level()

    stays = {stay["id"]: stay["state"] for stay in await http(world, "cloud").sessions()}
    assert stays == {in_cloud["id"]: "parked", at_lot["id"]: "void"}


async def test_what_is_said_of_a_lot_that_is_cut_off_names_what_the_caller_can_do(
    world: World,
) -> None:
    parked = await http(world, "lot").book()
    await world.bring(parked["id"], "parked")
    await cut_off(world)

    refusal = await refused(http(world, "cloud").end(parked["id"]))

    assert "nothing was asked" in refusal.message
    assert "exit opens" in refusal.message


async def test_the_sdk_goes_to_the_lot_where_the_cloud_cannot_reach_it(world: World) -> None:
    stay = await http(world, "lot").book()
    await world.bring(stay["id"], "parked")
    await cut_off(world)

    park = SdkCaller(world.park("cloud", "waymo", lot_url={LOT: "http://lot"}))
    assert (await park.session(stay["id"]))["state"] == "parked"
    ended = await park.end(stay["id"])
    await park.aclose()

    assert ended["state"] == "leaving"


async def test_the_sdk_books_at_the_lot_while_the_cloud_is_away_and_both_know_the_request(
    world: World,
) -> None:
    world.away.add("cloud")
    park = SdkCaller(world.park("cloud", "waymo", lot_url={LOT: "http://lot"}))
    at_lot = await park.book(key="one")
    world.away.discard("cloud")
    await world.level()
    await park.aclose()

    in_cloud = await http(world, "cloud").book(key="one")

    assert in_cloud["id"] == at_lot["id"]


async def test_without_the_lot_s_address_the_sdk_tells_what_the_cloud_says(
    world: World,
) -> None:
    stay = await http(world, "lot").book()
    await world.bring(stay["id"], "parked")
    await cut_off(world)
    park = SdkCaller(world.park("cloud", "waymo"))

    refusal = await refused(park.end(stay["id"]))
    await park.aclose()

    assert refusal.code == "LOT_OFFLINE"
