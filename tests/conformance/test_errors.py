"""What is refused, and how: one envelope, the field at fault, and nothing of the inside."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from parkgraph.front.contract import LONGEST_BODY, Operation
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.model.errors import HTTP_STATUS, ErrorCode
from tests.conformance.callers import API, AS_JSON, LOTS, SESSIONS, a_booking, error_of
from tests.conformance.conftest import Wiring
from tests.conformance.world import LOT, World
from tests.front_doors import KEY
from tests.sides import Away, door_of

pytestmark = pytest.mark.hurried

OPERATIONS: Final[tuple[Operation[Any], ...]] = (*SHARED, *OF_THE_CLOUD)


def check(answer: httpx.Response, code: str) -> dict[str, Any]:
    """Return the error of `answer`, after a look at what all errors have."""
    error = error_of(answer)
    assert set(answer.json()) == {"error"}
    assert (error["code"], answer.status_code) == (code, HTTP_STATUS[ErrorCode(code)])
    assert re.fullmatch(r"req_[0-9A-HJKMNP-TV-Z]{26}", error["request_id"])
    assert answer.headers["x-request-id"] == error["request_id"]
    assert answer.headers["content-type"] == "application/json"
    assert error["message"].isascii() or "…" in error["message"]
    assert set(error) <= {"code", "message", "request_id", "field", "fields"}
    return error


BAD: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({"lot_id": None}, "lot_id"),
    ({"lot_id": "no such/lot"}, "lot_id"),
    ({"lot_id": "x" * 65}, "lot_id"),
    ({"plate": 7}, "plate"),
    ({"plate": ""}, "plate"),
    ({"plate": "-. "}, "plate"),
    ({"plate": "A" * 17}, "plate"),
    ({"plate": "🚗"}, "plate"),
    ({"plate": "AB\u202e12"}, "plate"),
    ({"plate": "AB\x00"}, "plate"),
    ({"plate": "<script>"}, "plate"),
    ({"plate": None}, "plate"),
    ({"vehicle": {"vin": "SHORT"}}, "vehicle.vin"),
    ({"vehicle": {"vin": "1HGCM82633A00435"}}, "vehicle.vin"),
    ({"vehicle": {"vin": "1HGCM82633A0043522"}}, "vehicle.vin"),
    ({"vehicle": {"vin": "IHGCM82633A004352"}}, "vehicle.vin"),
    ({"vehicle": {"autonomous": "perhaps"}}, "vehicle.autonomous"),
    ({"vehicle": {"autonomous": 1}}, "vehicle.autonomous"),
    ({"vehicle": {"autonomous": None}}, "vehicle.autonomous"),
    ({"vehicle": {"fleet_id": ""}}, "vehicle.fleet_id"),
    ({"vehicle": {"fleet_id": 7}}, "vehicle.fleet_id"),
    ({"vehicle": []}, "vehicle"),
    ({"vehicle": None}, "vehicle"),
    ({"expected_duration_minutes": 0}, "expected_duration_minutes"),
    ({"expected_duration_minutes": 43_201}, "expected_duration_minutes"),
    ({"expected_duration_minutes": 1.5}, "expected_duration_minutes"),
    ({"expected_duration_minutes": "60"}, "expected_duration_minutes"),
    ({"expected_duration_minutes": 10**30}, "expected_duration_minutes"),
)


async def test_a_bad_request_names_the_field(wire: httpx.AsyncClient) -> None:
    named = []
    for change, _ in BAD:
        answer = await wire.post(SESSIONS, json={"lot_id": LOT, "plate": "CAR 1"} | change)
        named.append((change, check(answer, "BAD_REQUEST")["field"]))

    assert named == list(BAD)


async def test_all_faults_are_named_at_once(wire: httpx.AsyncClient) -> None:
    answer = await wire.post(SESSIONS, json={"plate": 7, "vehicle": {"vin": "SHORT"}})

    error = check(answer, "BAD_REQUEST")
    assert {fault["field"] for fault in error["fields"]} == {"lot_id", "plate", "vehicle.vin"}
    assert error["fields"][0]["field"] == error["field"]


TRAPS: Final = {
    "nothing": b"",
    "half": b"{",
    "a list": b"[]",
    "null": b"null",
    "a word": b'"x"',
    "no UTF-8": b"\xff",
    "deep": b"[" * 100_000,
    "half a pair": b'{"lot_id":"uuid-of-lot","plate":"\\ud800"}',
    "twice": b'{"lot_id":"uuid-of-lot","plate":"A 1","plate":"B 2"}',
    "not a number": b'{"lot_id":"uuid-of-lot","plate":"A 1","expected_duration_minutes":NaN}',
    "infinite": b'{"lot_id":"uuid-of-lot","plate":"A 1","expected_duration_minutes":1e999}',
    "huge": b'{"lot_id":"uuid-of-lot","plate":"A 1","x":' + b"9" * 5000 + b"}",
    "marked": b'\xef\xbb\xbf{"lot_id":"uuid-of-lot","plate":"A 1"}',
    "more behind it": b'{"lot_id":"uuid-of-lot","plate":"A 1"}{}',
    "hidden": '{"lot_id":"uuid-of-lot","plate":"A 1","\u202ex":1}'.encode(),
    "many": b'{"x":[' + b"1," * 20_000 + b"1]}",
}


async def test_what_readers_of_json_understand_differently_is_a_bad_request(
    wire: httpx.AsyncClient,
) -> None:
    for name, body in TRAPS.items():
        answer = await wire.post(SESSIONS, content=body, headers=AS_JSON)

        assert answer.status_code == 400, name
        assert check(answer, "BAD_REQUEST")["field"], name


async def test_what_is_not_known_in_a_request_is_ignored(wire: httpx.AsyncClient) -> None:
    answer = await wire.post(SESSIONS, json=a_booking(colour="red", vehicle={"wheels": 4}))

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=x"]
)
async def test_another_media_type_is_refused(wire: httpx.AsyncClient, media: str) -> None:
    body = json.dumps(a_booking()).encode()

    answer = await wire.post(SESSIONS, content=body, headers={"Content-Type": media})

    assert check(answer, "UNSUPPORTED_MEDIA_TYPE")["field"] == "Content-Type"


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_by_any_of_its_names_is_taken(wire: httpx.AsyncClient, media: str) -> None:
    body = json.dumps(a_booking()).encode()

    answer = await wire.post(SESSIONS, content=body, headers={"Content-Type": media})

    assert answer.status_code == 201


async def test_a_mebibyte_is_read_and_a_byte_more_is_not(wire: httpx.AsyncClient) -> None:
    body = json.dumps(a_booking()).encode()

    fits = await wire.post(SESSIONS, content=body.ljust(LONGEST_BODY), headers=AS_JSON)
    exceeds = await wire.post(SESSIONS, content=body.ljust(LONGEST_BODY + 1), headers=AS_JSON)

    assert LONGEST_BODY == 1_048_576
    assert fits.status_code == 201
    assert check(exceeds, "PAYLOAD_TOO_LARGE")["field"] == "body"


async def test_a_body_that_is_too_long_is_refused_before_its_end(
    wire: httpx.AsyncClient,
) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 65_536
            yield b" " * 65_536

    answer = await wire.post(SESSIONS, content=body())

    check(answer, "PAYLOAD_TOO_LARGE")
    assert sent <= LONGEST_BODY + 2 * 65_536


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", SESSIONS, {"GET", "HEAD", "POST"}),
        ("PATCH", f"{LOTS}/{LOT}/rates", {"GET", "HEAD", "PUT"}),
        ("PUT", f"{API}/api-keys", {"GET", "HEAD", "POST"}),
        ("PUT", f"{SESSIONS}/sess_1", {"GET", "HEAD"}),
        ("GET", f"{SESSIONS}/sess_1/end", {"POST"}),
        ("POST", f"{LOTS}/{LOT}", {"GET", "HEAD"}),
        ("PATCH", f"{API}/status", {"GET", "HEAD"}),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_told_with_those_that_it_takes(
    wire: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await wire.request(method, path)

    check(answer, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["allow"].split(", ")) == allowed


NOWHERE: Final = (
    "/",
    "/api/v2/sessions",
    f"{SESSIONS}/",
    f"{SESSIONS}/sess_1/",
    f"{SESSIONS}/%00",
    f"{SESSIONS}/%ED%A0%80",
    f"{SESSIONS}/..%2f..%2fetc",
    f"{API}/webhooks/wh_1",
    f"{LOTS}/elm-street",
)


async def test_what_is_not_there_is_not_found(wire: httpx.AsyncClient) -> None:
    for path in NOWHERE:
        check(await wire.get(path), "NOT_FOUND")


async def test_each_request_has_an_id_of_its_own_and_may_not_choose_it(
    wire: httpx.AsyncClient,
) -> None:
    answers = [await wire.get(SESSIONS, headers={"X-Request-Id": "mine"}) for _ in "ab"]

    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert "mine" not in ids


async def test_who_asks_for_a_problem_gets_one_with_the_same_code(
    wire: httpx.AsyncClient,
) -> None:
    answer = await wire.get(f"{SESSIONS}/sess_1", headers={"Accept": "application/problem+json"})

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], problem["field"]) == ("NOT_FOUND", 404, "session")
    assert problem["request_id"] == answer.headers["x-request-id"]


class Broken:
    """A port with a bug."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("secret of the inside")


async def test_a_bug_is_told_as_internal_and_nothing_of_the_inside(side: str) -> None:
    door = door_of(side, Broken())
    async with calling_at(door) as caller:
        answers = [
            await caller.post(SESSIONS, json=a_booking()),
            await caller.get(f"{LOTS}/{LOT}/availability"),
        ]

    for answer in answers:
        check(answer, "INTERNAL")
        assert "secret" not in answer.text


async def test_what_is_away_is_unavailable_with_a_time_to_come_again(side: str) -> None:
    async with calling_at(door_of(side, Away())) as caller:
        answer = await caller.get(f"{LOTS}/{LOT}")

    assert answer.headers["retry-after"] == "2"
    assert error_of(answer)["code"] == "UNAVAILABLE"


async def test_every_code_has_one_status() -> None:
    assert set(HTTP_STATUS) == set(ErrorCode)
    documented = {
        "BAD_REQUEST": 400,
        "UNAUTHORIZED": 401,
        "FORBIDDEN": 403,
        "NOT_FOUND": 404,
        "CONFLICT": 409,
        "RATE_LIMITED": 429,
        "PAYLOAD_TOO_LARGE": 413,
        "INTERNAL": 500,
    }
    assert (
        documented.items() <= {code.value: status for code, status in HTTP_STATUS.items()}.items()
    )


async def test_both_sides_serve_the_same_contract_to_anybody(world: World) -> None:
    texts = []
    for side in ("lot", "cloud"):
        async with world.http(side, None) as stranger:
            answer = await stranger.get(f"{API}/openapi.json")
            assert answer.status_code == 200
            texts.append(answer.content)

    assert texts[0] == texts[1]


async def test_every_operation_of_the_contract_is_served(
    wiring: Wiring, world: World, side: str
) -> None:
    operator = wiring("operator")
    for each in OPERATIONS:
        answer = await operator.request(
            each.method, path_of(each.path), json=body_of(each.path), headers={"Accept": "*/*"}
        )

        assert answer.status_code != 405, each.path
        error = error_of(answer) if answer.status_code == 404 else {"field": "known"}
        assert error.get("field"), f"{each.method} {each.path} is not routed"
        is_elsewhere = side == "lot" and each in OF_THE_CLOUD
        assert (answer.status_code == 503) is is_elsewhere


async def test_a_refusal_is_never_taken_for_success_by_a_head_request(
    wire: httpx.AsyncClient,
) -> None:
    found = await wire.head(f"{LOTS}/{LOT}")
    missing = await wire.head(f"{LOTS}/elm-street")

    assert (found.status_code, missing.status_code) == (200, 404)


def path_of(template: str) -> str:
    named = {"{session}": "sess_1", "{lot}": LOT, "{key}": "abcdefghijkl"}
    for name, value in named.items():
        template = template.replace(name, value)
    return template


def body_of(template: str) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        f"{API}/sessions": a_booking(),
        f"{API}/sessions/{{session}}/extend": {"minutes": 5},
        f"{API}/lots/{{lot}}/observations": {"observations": [{"space": "S-1", "occupied": True}]},
        f"{API}/lots/{{lot}}/rates": {"rate_minor": 350},
        f"{API}/api-keys": {"name": "new"},
        f"{API}/agents": {"name": "new"},
    }
    return bodies.get(template, {})


def calling_at(door: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=door),
        base_url="http://side",
        headers={"Authorization": f"Bearer {KEY}"},
    )
