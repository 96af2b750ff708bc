"""The example of the public document, sent byte for byte, and what is answered to it."""

import re
from typing import Final

import httpx
import pytest

from parkgraph.client import CLOUD_URL, ParkGraph
from tests.conformance.callers import AS_JSON, LOTS, SESSIONS, Caller
from tests.conformance.world import HERE, LOT, WAYMO, World

pytestmark = pytest.mark.hurried

EXAMPLE: Final = b"""{
"lot_id": "uuid-of-lot",
"plate": "AV-1234",
"vehicle": {
"autonomous": true,
"fleet_id": "fleet_waymo_sf",
"vin": "1HGCM826X4A004352"
}
}"""
VEHICLE: Final = {
    "autonomous": True,
    "fleet_id": "fleet_waymo_sf",
    "vin": "1HGCM826X4A004352",
}


async def test_the_documented_request_is_answered_in_the_documented_shape(
    wire: httpx.AsyncClient,
) -> None:
    response = await wire.post("/api/v1/sessions", content=EXAMPLE, headers=AS_JSON)

    assert response.status_code == 201
    stay = response.json()["session"]
    assert re.fullmatch(r"sess_[0-9A-HJKMNP-TV-Z]{26}", stay["id"])
    assert stay["session_code"] == stay["id"]
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{9}", stay["short_code"])
    told = {
        "lot_id": "uuid-of-lot",
        "status": "active",
        "vehicle": VEHICLE,
        "rate": 3.50,
        "rate_unit": "hour",
        "estimated_amount": 7.00,
    }
    assert told.items() <= stay.items()
    way_in = stay["entry_instructions"]
    assert re.fullmatch("[0-9]{9}", way_in["gate_code"])
    assert way_in["assigned_space"] in {"A-1", "A-2", "A-3", "A-4"}
    assert way_in["entry_lane"] == "north-in"
    assert way_in["exit_procedure"] == "Automatic via plate recognition"
    assert isinstance(way_in["notes"], str)


async def test_the_documented_vin_has_a_wrong_check_digit_and_is_taken_with_a_warning(
    wire: httpx.AsyncClient,
) -> None:
    response = await wire.post(SESSIONS, content=EXAMPLE, headers=AS_JSON)

    warned = response.json()["warnings"]
    assert [(each["code"], each["field"]) for each in warned] == [
        ("VIN_CHECK_DIGIT", "vehicle.vin")
    ]


async def test_the_example_s_answer_has_no_null_where_the_document_says_if_applicable(
    wire: httpx.AsyncClient,
) -> None:
    stay = (await wire.post(SESSIONS, content=EXAMPLE, headers=AS_JSON)).json()["session"]

    way_in = stay["entry_instructions"]
    for name in ("gate_code", "assigned_space", "entry_lane"):
        assert (way_in[name] is None) is (way_in[f"{name}_reason"] is not None)
        assert way_in[name]


async def test_the_three_documented_calls_are_there(wire: httpx.AsyncClient) -> None:
    booked = await wire.post(SESSIONS, content=EXAMPLE, headers=AS_JSON)
    listed = await wire.get(f"{SESSIONS}?fleet_id={WAYMO}")
    found = await wire.get(f"{LOTS}/search?lat={HERE[0]}&lng={HERE[1]}")

    assert [each.status_code for each in (booked, listed, found)] == [201, 200, 200]
    assert [stay["id"] for stay in listed.json()["sessions"]] == [booked.json()["session"]["id"]]
    assert LOT in [found["lot"]["lot_id"] for found in found.json()["lots"]]


async def test_two_bookings_of_one_minute_have_two_short_codes(caller: Caller) -> None:
    first, second = await caller.book("CAR 1"), await caller.book("CAR 2")

    assert first["short_code"] != second["short_code"]


async def test_the_short_code_opens_nothing(caller: Caller, wire: httpx.AsyncClient) -> None:
    stay = await caller.book()

    assert (await wire.get(f"{SESSIONS}/{stay['short_code']}")).status_code == 404


def test_the_sdk_knows_the_document_s_host() -> None:
    assert CLOUD_URL == "https://api.parkgraph.com"


@pytest.mark.parametrize("end", ["", "/", "/api/v1", "/api/v1/"])
async def test_the_sdk_takes_either_of_the_document_s_base_addresses(
    world: World, side: str, end: str
) -> None:
    park = world.park(side, "waymo")
    async with ParkGraph(f"http://{side}{end}", world.keys["waymo"], outside=park._outside) as it:
        assert (await it.lot(LOT)).lot_id == LOT
    await park.aclose()


async def test_who_drops_the_notes_still_knows_where_to_go(caller: Caller, world: World) -> None:
    stay = await caller.book()
    del stay["entry_instructions"]["notes"]
    way_in = stay["entry_instructions"]

    await world.parks(stay["id"])

    parked = await caller.session(stay["id"])
    assert parked["entry_instructions"]["assigned_space"] == way_in["assigned_space"]
    assert set(way_in["exit"]["methods"]) >= {"plate", "gate_code"}


async def test_what_is_told_of_people_is_no_part_of_counts(
    caller: Caller, wire: httpx.AsyncClient
) -> None:
    await caller.book("SECRET 1", vehicle={"vin": "1HGCM82633A004352"})

    told = (await wire.get(f"{LOTS}/{LOT}/availability")).text

    assert "SECRET" not in told
    assert "1HGCM82633A004352" not in told
