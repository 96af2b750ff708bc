"""Stays: from the booking to the last word about them."""

from typing import Any

import httpx
import pytest

from tests.conformance.callers import SESSIONS, Caller, a_booking, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import LOT, WAYMO, ZOOX, World

pytestmark = pytest.mark.hurried


async def test_a_booking_has_all_that_the_vehicle_needs_to_come_in(caller: Caller) -> None:
    stay = await caller.book()

    way_in = stay["entry_instructions"]
    assert len(way_in["gate_code"]) == 9
    assert way_in["assigned_space"].startswith("A-")
    assert way_in["entry_lane"] == "north-in"


async def test_every_answer_about_a_stay_has_the_same_way_in(caller: Caller) -> None:
    booked = await caller.book()

    read = await caller.session(booked["id"])
    (listed,) = await caller.sessions(fleet_id=WAYMO)

    assert read == booked
    assert listed == booked


async def test_the_gate_code_opens_the_entry_and_the_exit(caller: Caller, world: World) -> None:
    stay = await caller.book()

    await world.parks(stay["id"])
    await world.leaves(stay["id"])
    await world.level()

    left = await caller.session(stay["id"])
    assert (left["state"], left["status"]) == ("completed", "completed")
    assert left["amount_minor"] == 0


async def test_a_stay_that_is_over_shows_no_gate_code_and_says_why(
    caller: Caller, world: World
) -> None:
    stay = await caller.book()

    over = await caller.cancel(stay["id"])

    way_in = over["entry_instructions"]
    assert (way_in["gate_code"], way_in["gate_code_reason"]) == (None, "stay_over")


async def test_a_key_of_a_fleet_tags_what_it_books(caller: Caller) -> None:
    stay = await caller.book(vehicle={})

    assert stay["vehicle"]["fleet_id"] == WAYMO


async def test_a_key_of_a_fleet_does_not_book_for_another(caller: Caller) -> None:
    refusal = await refused(caller.book(vehicle={"fleet_id": ZOOX}))

    assert (refusal.status, refusal.code) == (403, "FORBIDDEN")
    assert refusal.field == "vehicle.fleet_id"


async def test_a_key_of_the_operator_books_for_any_fleet(calling: Calling) -> None:
    stay = await calling("operator").book(vehicle={"fleet_id": ZOOX})

    assert stay["vehicle"]["fleet_id"] == ZOOX
    assert await calling("zoox").session(stay["id"]) == stay


async def test_what_is_not_told_of_a_vehicle_is_null(calling: Calling) -> None:
    stay = await calling("operator").book("CAR 1", vehicle={"autonomous": False})

    assert stay["vehicle"] == {"autonomous": False, "fleet_id": None, "vin": None}


@pytest.mark.parametrize("plate", ["AV-1234", "av 1234", "AV·1234"])
async def test_a_plate_comes_back_as_it_was_written(caller: Caller, plate: str) -> None:
    stay = await caller.book(plate)

    assert stay["plate"] == plate


async def test_a_vin_alone_books(caller: Caller) -> None:
    stay = await caller.book(None, vehicle={"vin": "1HGCM82633A004352"})

    assert (stay["plate"], stay["vehicle"]["vin"]) == (None, "1HGCM82633A004352")


async def test_a_vehicle_without_a_driver_gets_a_space_of_its_kind_and_others_do_not(
    caller: Caller,
) -> None:
    without, with_driver = (
        await caller.book("CAR 1"),
        await caller.book("CAR 2", vehicle={"autonomous": False}),
    )

    assert without["entry_instructions"]["assigned_space"].startswith("A-")
    assert with_driver["entry_instructions"]["assigned_space"].startswith("S-")


async def test_an_accessible_space_is_promised_to_nobody_else_even_when_all_is_taken(
    caller: Caller,
) -> None:
    before = (await caller.availability())["bookable"]
    stays = [await caller.book(f"CAR {number}") for number in range(before)]

    refusal = await refused(caller.book("CAR 99"))

    assert refusal.code == "LOT_FULL"
    spaces = {stay["entry_instructions"]["assigned_space"] for stay in stays}
    assert (len(spaces), "H-1" in spaces) == (5, False)


async def test_the_space_is_held_for_half_an_hour_and_then_it_is_a_no_show(
    caller: Caller, world: World
) -> None:
    stay = await caller.book()
    assert stay["hold_until"] == "2026-06-01T12:30:00Z"

    await world.level()
    await world.bring(stay["id"], "no_show")

    missed = await caller.session(stay["id"])
    assert (missed["state"], missed["status"]) == ("no_show", "no_show")
    assert missed["amount_minor"] is None


async def test_without_a_duration_the_estimate_is_for_two_hours(caller: Caller) -> None:
    stay = await caller.book()

    assert (stay["expected_duration_minutes"], stay["estimated_minor"]) == (120, 700)


async def test_the_estimate_is_for_the_duration_that_is_asked_for(caller: Caller) -> None:
    stay = await caller.book(expected_duration_minutes=90)

    assert (stay["expected_duration_minutes"], stay["estimated_minor"]) == (90, 525)
    assert stay["estimated_amount"] == 5.25


async def test_a_parked_stay_that_is_ended_is_priced_and_may_leave(
    caller: Caller, world: World
) -> None:
    stay = await caller.book()
    await world.level()
    await world.parks(stay["id"])
    await world.pass_time(5400)

    ended = await caller.end(stay["id"])

    assert (ended["state"], ended["status"]) == ("leaving", "active")
    assert (ended["amount_minor"], ended["amount"]) == (525, 5.25)
    assert ended["ended_at"] is not None


async def test_an_awaited_stay_that_is_ended_is_cancelled_and_costs_nothing(
    caller: Caller,
) -> None:
    stay = await caller.book()

    ended = await caller.end(stay["id"])

    assert (ended["state"], ended["amount_minor"]) == ("cancelled", None)


async def test_a_stay_is_not_ended_twice(caller: Caller, world: World) -> None:
    stay = await caller.book()
    await world.level()
    await world.parks(stay["id"])
    await world.level()
    await caller.end(stay["id"])
    await world.level()

    again = await refused(caller.end(stay["id"]))

    assert (again.status, again.code) == (409, "CONFLICT")


async def test_a_completed_stay_is_not_ended(caller: Caller, world: World) -> None:
    stay = await caller.book()
    await world.level()
    await world.bring(stay["id"], "completed")

    refusal = await refused(caller.end(stay["id"]))

    assert (refusal.status, refusal.code) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"plate": "ABC 1234"}, {"plate": "abc1234"}),
        (
            {"plate": "ABC 1234", "vehicle": {"vin": "1HGCM82633A004352"}},
            {"plate": "OTHER 1", "vehicle": {"vin": "1HGCM82633A004352"}},
        ),
        (
            {"plate": None, "vehicle": {"vin": "1HGCM82633A004352"}},
            {"plate": None, "vehicle": {"vin": "1HGCM82633A004352"}},
        ),
    ],
)
async def test_a_vehicle_has_one_open_stay_at_a_lot(
    caller: Caller, first: dict[str, Any], second: dict[str, Any]
) -> None:
    await caller.book(**first)

    refusal = await refused(caller.book(**second))

    assert (refusal.status, refusal.code) == (409, "CONFLICT")


async def test_a_vehicle_may_come_again_when_its_stay_is_over(caller: Caller) -> None:
    first = await caller.book()
    await caller.cancel(first["id"])

    second = await caller.book()

    assert second["id"] != first["id"]


async def test_who_comes_later_has_his_space_held_for_longer(caller: Caller, world: World) -> None:
    stay = await caller.book()
    await world.level()

    later = await caller.extend(stay["id"], 30)

    assert later["hold_until"] == "2026-06-01T13:00:00Z"
    assert (later["expected_duration_minutes"], later["estimated_minor"]) == (150, 875)


async def test_who_stays_longer_has_a_new_estimate_and_no_new_hold(
    caller: Caller, world: World
) -> None:
    stay = await caller.book()
    await world.level()
    await world.parks(stay["id"])
    await world.level()

    longer = await caller.extend(stay["id"], 60)

    assert longer["hold_until"] == stay["hold_until"]
    assert longer["estimated_minor"] == 1050


async def test_an_extension_beyond_a_week_or_a_month_names_its_field(
    wire: httpx.AsyncClient, caller: Caller, world: World
) -> None:
    stay = await caller.book(expected_duration_minutes=30 * 24 * 60)
    await world.level()

    too_long = await wire.post(f"{SESSIONS}/{stay['id']}/extend", json={"minutes": 7 * 1440})
    too_late = await wire.post(f"{SESSIONS}/{stay['id']}/extend", json={"minutes": 1})

    for answer in (too_long, too_late):
        assert answer.status_code == 400
        assert error_of(answer)["field"] == "minutes"


async def test_a_cancelled_booking_frees_its_space(caller: Caller, world: World) -> None:
    before = (await caller.availability())["free"]
    stay = await caller.book()

    await caller.cancel(stay["id"])
    await world.level()

    after = (await caller.availability())["free"]
    assert after >= before


async def test_what_is_not_there_is_not_found(caller: Caller) -> None:
    for wish in (
        caller.session("sess_unknown"),
        caller.end("sess_unknown"),
        caller.cancel("sess_unknown"),
        caller.extend("sess_unknown", 5),
        caller.events("sess_unknown"),
    ):
        refusal = await refused(wish)
        assert (refusal.status, refusal.code) == (404, "NOT_FOUND")
        assert refusal.field == "session"


async def test_another_fleet_s_stay_is_answered_as_one_that_never_was(
    calling: Calling, wiring: Wiring, world: World
) -> None:
    stay = await calling("zoox").book("CAR 9")
    waymo = wiring("waymo")

    for method, end in (
        ("GET", ""),
        ("GET", "/events"),
        ("POST", "/end"),
        ("POST", "/cancel"),
        ("POST", "/extend"),
    ):
        body = {"minutes": 5} if end == "/extend" else None
        foreign = await waymo.request(method, f"{SESSIONS}/{stay['id']}{end}", json=body)
        nobody_s = await waymo.request(method, f"{SESSIONS}/sess_unknown{end}", json=body)

        assert (foreign.status_code, nobody_s.status_code) == (404, 404)
        told = [{**error_of(each), "request_id": ""} for each in (foreign, nobody_s)]
        assert told[0] == told[1]
    assert (await calling("zoox").session(stay["id"]))["state"] == "reserved"


async def test_what_is_lent_and_not_sold_shows_nobody_its_code(
    wiring: Wiring, world: World
) -> None:
    lent = world.of_cloud("SELECT session FROM sessions WHERE state = 'allotted'")[0]

    for method, end in (("GET", ""), ("POST", "/end"), ("POST", "/cancel")):
        answer = await wiring("operator").request(method, f"{SESSIONS}/{lent}{end}")
        assert answer.status_code == 404


async def test_a_space_at_a_lot_that_is_not_there_is_not_found(caller: Caller) -> None:
    refusal = await refused(caller.book(lot_id="elm-street"))

    assert (refusal.status, refusal.code, refusal.field) == (404, "NOT_FOUND", "lot_id")


async def test_money_is_told_twice_and_never_differs(caller: Caller, world: World) -> None:
    stay = await caller.book(expected_duration_minutes=61)
    await world.level()
    await world.parks(stay["id"])
    await world.pass_time(61 * 60)

    ended = await caller.end(stay["id"])

    assert ended["currency"] == "USD"
    for plain, minor in (
        ("rate", "rate_minor"),
        ("estimated_amount", "estimated_minor"),
        ("amount", "amount_minor"),
    ):
        assert round(ended[plain] * 100) == ended[minor]
        assert isinstance(ended[minor], int)


async def test_times_are_utc_and_say_so(caller: Caller) -> None:
    stay = await caller.book()

    assert stay["reserved_at"] == "2026-06-01T12:00:00Z"
    assert stay["lot_id"] == LOT


async def test_a_stay_that_the_cloud_sold_says_when_it_was_booked(
    wiring: Wiring, world: World
) -> None:
    await world.pass_time(600)
    async with world.http("cloud", "waymo") as wire:
        stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    await world.level()

    read = (await wiring("waymo").get(f"{SESSIONS}/{stay}")).json()["session"]

    assert read["reserved_at"] == "2026-06-01T12:10:00Z"


async def test_a_stay_that_the_lot_booked_says_when_it_was_booked(
    wiring: Wiring, world: World
) -> None:
    await world.pass_time(600)
    async with world.http("lot", "waymo") as wire:
        stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    await world.level()

    read = (await wiring("waymo").get(f"{SESSIONS}/{stay}")).json()["session"]

    assert read["reserved_at"] == "2026-06-01T12:10:00Z"
