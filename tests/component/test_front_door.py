"""The front door of a lot: what a caller sees."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest

from parkgraph.front.contract import LONGEST_BODY
from parkgraph.journal.ledger import Ledger, NoLedger
from parkgraph.model.records import SpaceClass
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_crossing, a_grant, a_lot
from tests.fakes import FakeClock, OpenLedger, Recording, open_ledger
from tests.front_doors import AS_JSON, KEY, SESSIONS, a_caller, a_request, error_of
from tests.lending import a_lender

# The example of the public API document, byte for byte, and the lot that it names.
DOCUMENT_LOT: Final = "uuid-of-lot"
DOCUMENT_EXAMPLE: Final = b"""{
"lot_id": "uuid-of-lot",
"plate": "AV-1234",
"vehicle": {
"autonomous": true,
"fleet_id": "fleet_waymo_sf",
"vin": "1HGCM826X4A004352"
}
}"""


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[OpenLedger]:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        yield ledger


@pytest.fixture
async def caller(ledger: OpenLedger) -> AsyncIterator[httpx.AsyncClient]:
    async with a_caller(ledger, ledger.reader) as caller:
        yield caller


async def test_the_documented_request_is_answered_in_the_documented_shape(tmp_path: Path) -> None:
    async with open_ledger(tmp_path, DOCUMENT_LOT) as ledger:
        await ledger.submit(OpenLot(DOCUMENT_LOT, a_lot("A-01", space_class=SpaceClass.AUTONOMOUS)))
        async with a_caller(ledger, ledger.reader, lot=DOCUMENT_LOT) as caller:
            response = await caller.post(SESSIONS, content=DOCUMENT_EXAMPLE, headers=AS_JSON)

    assert response.status_code == 201
    session = response.json()["session"]
    assert re.fullmatch(r"sess_[0-9A-Z]{26}", session["id"])
    assert session["session_code"] == session["id"]
    assert len(session["short_code"]) == 9
    documented = {
        "lot_id": "uuid-of-lot",
        "status": "active",
        "vehicle": {
            "autonomous": True,
            "fleet_id": "fleet_waymo_sf",
            "vin": "1HGCM826X4A004352",
        },
        "rate": 3.50,
        "rate_unit": "hour",
        "estimated_amount": 7.00,
    }
    assert documented.items() <= session.items()
    instructions = session["entry_instructions"]
    assert re.fullmatch("[0-9]{9}", instructions["gate_code"])
    assert (instructions["assigned_space"], instructions["entry_lane"]) == ("A-01", "north-in")
    assert instructions["exit_procedure"] == "Automatic via plate recognition"
    assert instructions["notes"]


async def test_what_is_booked_is_found_again_the_same(caller: httpx.AsyncClient) -> None:
    booked = (await caller.post(SESSIONS, json=a_request())).json()

    found = await caller.get(f"{SESSIONS}/{booked['session']['id']}")
    listed = await caller.get(SESSIONS, params={"fleet_id": "fleet-1"})

    assert found.json() == booked
    assert listed.json() == {
        "sessions": [booked["session"]],
        "scope": "lot",
        "next_cursor": None,
    }


async def test_what_is_lent_and_not_sold_shows_nobody_its_code(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        lender = await a_lender(ledger, clock)
        await lender.lend()
        async with a_caller(ledger, ledger.reader) as caller:
            for lent in lender.lent():
                assert (await caller.get(f"{SESSIONS}/{lent.session}")).status_code == 404
                assert (await caller.post(f"{SESSIONS}/{lent.session}/end")).status_code == 404

        assert lender.lent()


async def test_a_fleet_s_stays_are_listed_newest_first(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        async with a_caller(ledger, ledger.reader) as caller:
            await caller.post(SESSIONS, json=a_request(plate="CAR 1"))
            clock.advance(1)
            await caller.post(SESSIONS, json=a_request(plate="CAR 2"))

            listed = await caller.get(SESSIONS, params={"fleet_id": "fleet-1"})

    assert [session["plate"] for session in listed.json()["sessions"]] == ["CAR 2", "CAR 1"]


async def test_a_parked_stay_is_ended_and_not_twice(
    ledger: OpenLedger, caller: httpx.AsyncClient
) -> None:
    booked = (await caller.post(SESSIONS, json=a_request())).json()["session"]["id"]
    await ledger.submit(Recording([a_grant(booked), a_crossing(booked)]))

    ended = await caller.post(f"{SESSIONS}/{booked}/end")
    again = await caller.post(f"{SESSIONS}/{booked}/end")

    assert ended.status_code == 200
    assert ended.json()["session"]["state"] == "leaving"
    assert ended.json()["session"]["amount_minor"] == 0
    assert error_of(again)["code"] == "CONFLICT"


async def test_a_stay_that_is_ended_before_the_vehicle_came_is_cancelled(
    caller: httpx.AsyncClient,
) -> None:
    booked = (await caller.post(SESSIONS, json=a_request())).json()["session"]["id"]

    ended = await caller.post(f"{SESSIONS}/{booked}/end")

    assert ended.json()["session"]["state"] == "cancelled"
    assert (await caller.get(f"/api/v1/lots/{LOT}/availability")).json()["free"] == 2


async def test_the_same_idempotency_key_is_answered_with_the_same_stay(
    caller: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "one"}
    first = await caller.post(SESSIONS, json=a_request(), headers=key)
    second = await caller.post(SESSIONS, json=a_request(), headers=key)
    other = await caller.post(SESSIONS, json=a_request(plate="OTHER 9"), headers=key)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422
    assert error_of(other)["code"] == "IDEMPOTENCY_MISMATCH"
    assert error_of(other)["field"] == "Idempotency-Key"


async def test_an_end_that_is_sent_again_with_its_key_is_answered_as_before(
    ledger: OpenLedger, caller: httpx.AsyncClient
) -> None:
    booked = (await caller.post(SESSIONS, json=a_request())).json()["session"]["id"]
    await ledger.submit(Recording([a_grant(booked), a_crossing(booked)]))
    key = {"Idempotency-Key": "two"}

    first = await caller.post(f"{SESSIONS}/{booked}/end", headers=key)
    second = await caller.post(f"{SESSIONS}/{booked}/end", headers=key)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_idempotency_key_of_no_length_or_too_much_is_refused(
    caller: httpx.AsyncClient, key: str
) -> None:
    answer = await caller.post(SESSIONS, json=a_request(), headers={"Idempotency-Key": key})

    assert error_of(answer)["field"] == "Idempotency-Key"


async def test_how_many_spaces_are_free_is_told(caller: httpx.AsyncClient) -> None:
    await caller.post(SESSIONS, json=a_request())

    answer = (await caller.get(f"/api/v1/lots/{LOT}/availability")).json()

    assert (answer["spaces"], answer["free"], answer["free_by_class"]) == (2, 1, {"standard": 1})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lot_id": None}, "lot_id"),
        ({"lot_id": "no such/lot"}, "lot_id"),
        ({"plate": 7}, "plate"),
        ({"plate": ""}, "plate"),
        ({"plate": None, "vehicle": {}}, "plate"),
        ({"vehicle": {"vin": "SHORT"}}, "vehicle.vin"),
        ({"vehicle": {"autonomous": "perhaps"}}, "vehicle.autonomous"),
        ({"vehicle": {"fleet_id": ""}}, "vehicle.fleet_id"),
        ({"vehicle": []}, "vehicle"),
        ({"expected_duration_minutes": 0}, "expected_duration_minutes"),
        ({"expected_duration_minutes": 10**30}, "expected_duration_minutes"),
    ],
)
async def test_a_bad_request_names_the_field(
    caller: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    response = await caller.post(SESSIONS, json=a_request(**change))

    assert response.status_code == 400
    error = error_of(response)
    assert (error["code"], error["field"]) == ("BAD_REQUEST", field)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"{" * 100_000, b'{"plate":"\\ud800"}']
)
async def test_what_is_no_request_is_a_bad_request(caller: httpx.AsyncClient, body: bytes) -> None:
    response = await caller.post(SESSIONS, content=body, headers=AS_JSON)

    assert response.status_code == 400
    assert error_of(response)["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "plate",
    [
        "🚗",
        "AB\u202e12",
        "AB\x00",
        "A" * 17,
        "A" * 100_000,
        "'; DROP TABLE sessions; --",
        "<script>",
    ],
    ids=ascii,
)
async def test_a_hostile_plate_is_refused_in_plain_words(
    caller: httpx.AsyncClient, ledger: OpenLedger, plate: str
) -> None:
    response = await caller.post(SESSIONS, json=a_request(plate=plate))

    assert response.status_code == 400
    error = error_of(response)
    assert error["field"] == "plate"
    assert error["message"].isascii()
    assert len(error["message"]) < 200
    assert ledger.types() == ["lot_described"]


@pytest.mark.parametrize("plate", ["粤B12345", "กข 1234", "Å 42", "AV·1234"])
async def test_a_plate_of_any_script_comes_back_as_it_was_written(
    caller: httpx.AsyncClient, plate: str
) -> None:
    response = await caller.post(SESSIONS, json=a_request(plate=plate))

    assert response.json()["session"]["plate"] == plate


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer pk_live_wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer \xe9"],
)
@pytest.mark.parametrize(
    "path", [SESSIONS, f"{SESSIONS}/sess_1", f"/api/v1/lots/{LOT}/availability"]
)
async def test_without_the_key_nothing_is_told(
    caller: httpx.AsyncClient, path: str, authorization: str
) -> None:
    header = (b"Authorization", authorization.encode("latin-1"))
    del caller.headers["Authorization"]

    response = await caller.get(path, headers=[header])

    assert response.status_code == 401
    assert error_of(response)["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", SESSIONS), ("GET", f"{SESSIONS}?fleet_id=fleet-2")]
)
async def test_a_key_of_one_fleet_does_nothing_for_another(
    ledger: OpenLedger, method: str, path: str
) -> None:
    async with a_caller(ledger, ledger.reader, fleet="fleet-1") as caller:
        body = json.dumps(a_request(vehicle={"fleet_id": "fleet-2"}))
        response = await caller.request(method, path, content=body, headers=AS_JSON)

    assert response.status_code == 403
    assert error_of(response)["code"] == "FORBIDDEN"


async def test_a_key_of_one_fleet_books_for_it_and_sees_no_other_stay(ledger: OpenLedger) -> None:
    async with a_caller(ledger, ledger.reader) as anybody:
        foreign = await anybody.post(SESSIONS, json=a_request(vehicle={"fleet_id": "fleet-2"}))
    foreign_id = foreign.json()["session"]["id"]
    async with a_caller(ledger, ledger.reader, fleet="fleet-1") as caller:
        own = await caller.post(SESSIONS, json=a_request(plate="CAR 1", vehicle={}))
        seen = await caller.get(f"{SESSIONS}/{foreign_id}")
        ended = await caller.post(f"{SESSIONS}/{foreign_id}/end")
        listed = await caller.get(SESSIONS)

    assert own.json()["session"]["vehicle"]["fleet_id"] == "fleet-1"
    assert [error_of(answer)["code"] for answer in (seen, ended)] == ["NOT_FOUND", "NOT_FOUND"]
    assert listed.json()["sessions"] == [own.json()["session"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{SESSIONS}/sess_unknown"),
        ("POST", f"{SESSIONS}/sess_unknown/end"),
        ("GET", f"{SESSIONS}/%00"),
        ("GET", f"{SESSIONS}/%ED%A0%80"),
        ("GET", "/api/v1/lots/oak-street/availability"),
        ("GET", "/api/v2/sessions"),
        ("GET", f"{SESSIONS}/"),
        ("GET", "/"),
    ],
)
async def test_what_is_not_there_is_not_found(
    caller: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await caller.request(method, path)

    assert response.status_code == 404
    assert error_of(response)["code"] == "NOT_FOUND"


async def test_a_space_at_another_lot_is_not_found_here(caller: httpx.AsyncClient) -> None:
    response = await caller.post(SESSIONS, json=a_request(lot_id="oak-street"))

    assert response.status_code == 404
    assert error_of(response)["field"] == "lot_id"


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", SESSIONS), ("PUT", f"{SESSIONS}/sess_1"), ("GET", f"{SESSIONS}/s/end")],
)
async def test_a_method_that_a_path_does_not_take_is_told(
    caller: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await caller.request(method, path)

    assert response.status_code == 405
    assert response.headers["allow"] != ""
    assert error_of(response)["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "second", [{"plate": "ABC1234"}, {"plate": "OTHER 1", "vehicle": {"vin": "1HGCM826X4A004352"}}]
)
async def test_one_vehicle_has_one_stay(caller: httpx.AsyncClient, second: dict[str, Any]) -> None:
    await caller.post(SESSIONS, json=a_request(vehicle={"vin": "1HGCM826X4A004352"}))

    response = await caller.post(SESSIONS, json=a_request(**second))

    assert response.status_code == 409
    assert error_of(response)["code"] == "CONFLICT"


async def test_a_full_lot_says_so(caller: httpx.AsyncClient) -> None:
    for plate in ("CAR 1", "CAR 2"):
        await caller.post(SESSIONS, json=a_request(plate=plate))

    response = await caller.post(SESSIONS, json=a_request(plate="CAR 3"))

    assert response.status_code == 409
    assert error_of(response)["code"] == "LOT_FULL"


async def test_a_body_that_is_too_long_is_refused_before_its_end(caller: httpx.AsyncClient) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b" " * 65_536

    response = await caller.post(SESSIONS, content=body())

    assert response.status_code == 413
    assert error_of(response)["code"] == "PAYLOAD_TOO_LARGE"
    assert sent * 65_536 <= LONGEST_BODY + 2 * 65_536


async def test_a_body_of_just_the_longest_is_read(caller: httpx.AsyncClient) -> None:
    request = json.dumps(a_request()).encode()

    response = await caller.post(SESSIONS, content=request.ljust(LONGEST_BODY), headers=AS_JSON)

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SESSIONS),
        ("GET", f"{SESSIONS}?fleet_id=fleet-1"),
        ("GET", f"{SESSIONS}/sess_1"),
        ("GET", f"/api/v1/lots/{LOT}/availability"),
    ],
)
async def test_without_a_ledger_the_caller_is_told_when_to_ask_again(
    method: str, path: str
) -> None:
    async with a_caller(NoLedger("the disk is away"), None) as caller:
        response = await caller.request(
            method, path, content=json.dumps(a_request()), headers=AS_JSON
        )

    assert response.status_code == 503
    assert error_of(response)["code"] == "UNAVAILABLE"
    assert "disk" not in response.text
    assert int(response.headers["retry-after"]) > 0


async def test_what_is_broken_here_is_not_told(ledger: OpenLedger) -> None:
    async with a_caller(cast("Ledger", object()), ledger.reader) as caller:
        response = await caller.post(SESSIONS, json=a_request())

    assert response.status_code == 500
    error = error_of(response)
    assert error["code"] == "INTERNAL"
    assert "attribute" not in error["message"]


async def test_a_request_has_its_id_also_where_it_went_well(caller: httpx.AsyncClient) -> None:
    ids = [
        (await caller.get(SESSIONS, params={"fleet_id": "f"})).headers["x-request-id"]
        for _ in range(2)
    ]

    assert len(set(ids)) == 2


async def test_all_faults_of_a_request_are_told_at_once(caller: httpx.AsyncClient) -> None:
    response = await caller.post(
        SESSIONS, json=a_request(plate="!", vehicle={"vin": "SHORT", "fleet_id": ""})
    )

    error = error_of(response)
    assert [fault["field"] for fault in error["fields"]] == [
        "plate",
        "vehicle.fleet_id",
        "vehicle.vin",
    ]
    assert all(fault["message"] for fault in error["fields"])
    assert error["field"] == "plate"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", None])
async def test_a_body_that_is_not_sent_as_json_is_refused(
    caller: httpx.AsyncClient, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = await caller.post(SESSIONS, content=json.dumps(a_request()), headers=headers)

    assert response.status_code == 415
    error = error_of(response)
    assert (error["code"], error["field"]) == ("UNSUPPORTED_MEDIA_TYPE", "Content-Type")


async def test_a_stay_is_ended_without_a_body(caller: httpx.AsyncClient) -> None:
    booked = (await caller.post(SESSIONS, json=a_request())).json()["session"]["id"]

    ended = await caller.post(f"{SESSIONS}/{booked}/end")

    assert ended.status_code == 200
