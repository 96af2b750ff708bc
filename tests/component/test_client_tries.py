"""The SDK where answers fail to come: how often it asks, and for how long."""

import logging
import pickle
from datetime import timedelta

import httpx
import pytest

from parkgraph.client import (
    ApiError,
    Outside,
    ParkGraph,
    UnreachableError,
    UnreadableAnswerError,
)
from parkgraph.model.api import KeyRequest
from tests.examples.fake_api import (
    CLOUD,
    KEY,
    REQUEST,
    FakeApi,
    a_body,
    a_park,
    a_refusal,
    a_stay,
)

GONE = httpx.ConnectError("no route")
LIMITED = a_refusal(429, "RATE_LIMITED", headers={"Retry-After": "2"})
AWAY = a_refusal(503, "UNAVAILABLE", headers={"Retry-After": "2"})
IN_FLIGHT = a_refusal(409, "CONFLICT", field="Idempotency-Key")


@pytest.mark.parametrize(
    "fault",
    [
        GONE,
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        LIMITED,
        a_refusal(429, "RATE_LIMITED"),
        AWAY,
        IN_FLIGHT,
        httpx.Response(502, text="<html>"),
        httpx.Response(504, text="<html>"),
    ],
    ids=repr,
)
async def test_what_may_be_answered_soon_is_asked_again(fault: httpx.Response | Exception) -> None:
    api = FakeApi(cloud=[fault, fault, fault, a_stay()])

    async with a_park(api) as park:
        stay = await park.create_session(REQUEST)

    assert stay == a_body()
    assert len(api.asked) == 4
    assert api.keys() == {"key-1"}
    assert len({request.content for request in api.asked}) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        a_refusal(400, "BAD_REQUEST"),
        a_refusal(401, "UNAUTHORIZED"),
        a_refusal(404, "NOT_FOUND"),
        a_refusal(409, "CONFLICT", field="plate"),
        a_refusal(409, "LOT_FULL"),
        a_refusal(422, "IDEMPOTENCY_MISMATCH", field="Idempotency-Key"),
        a_refusal(500, "INTERNAL"),
        a_refusal(503, "UNAVAILABLE"),
        a_refusal(503, "LOT_OFFLINE", headers={"Retry-After": "2"}),
        a_refusal(503, "REQUIRES_CLOUD", headers={"Retry-After": "2"}),
    ],
    ids=lambda refusal: str(refusal.json()["error"]["code"]),
)
async def test_what_would_be_refused_again_is_asked_once(refusal: httpx.Response) -> None:
    api = FakeApi(cloud=[refusal])

    async with a_park(api) as park:
        with pytest.raises(ApiError) as caught:
            await park.create_session(REQUEST)

    assert caught.value.status == refusal.status_code
    assert len(api.asked) == 1


async def test_nothing_is_asked_more_than_four_times() -> None:
    api = FakeApi(cloud=[GONE])

    async with a_park(api) as park:
        with pytest.raises(UnreachableError, match="no route") as caught:
            await park.session("sess_1")

    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert api.time.slept == [0.25, 0.5, 1.0]
    assert len(api.asked) == 4


async def test_who_is_told_to_wait_waits_so_long_and_a_little_more() -> None:
    api = FakeApi(
        cloud=[
            LIMITED,
            a_refusal(429, "RATE_LIMITED", headers={"X-RateLimit-Reset": "3"}),
            a_stay(),
        ]
    )

    async with a_park(api) as park:
        await park.session("sess_1")

    assert api.time.slept == [2.25, 3.5]


async def test_who_is_told_to_wait_for_long_is_told_at_once() -> None:
    api = FakeApi(cloud=[a_refusal(429, "RATE_LIMITED", headers={"Retry-After": "61"})])

    async with a_park(api) as park:
        with pytest.raises(ApiError) as caught:
            await park.session("sess_1")

    assert caught.value.retry_after == timedelta(seconds=61)
    assert api.time.slept == []


async def test_a_refusal_has_all_that_the_api_said() -> None:
    faults = [{"field": "plate", "message": "too long"}, {"field": "lot_id", "message": "no"}]
    api = FakeApi(cloud=[a_refusal(400, "BAD_REQUEST", field="plate", fields=faults)])

    async with a_park(api) as park:
        with pytest.raises(ApiError, match=r"400 BAD_REQUEST: no \(req_1\)") as caught:
            await park.create_session(REQUEST)

    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.code, error.message, error.request_id) == ("BAD_REQUEST", "no", "req_1")
    assert error.field == "plate"
    assert [fault.field for fault in error.fields] == ["plate", "lot_id"]
    assert error.retry_after is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome to our wireless network"),
        httpx.Response(302, headers={"Location": "https://login.example"}),
        httpx.Response(404, text="<html>"),
    ],
    ids=["page", "redirect", "missing"],
)
async def test_what_is_none_of_the_api_is_no_answer_of_it(answer: httpx.Response) -> None:
    api = FakeApi(cloud=[answer])

    async with a_park(api) as park:
        with pytest.raises(UnreadableAnswerError, match=r"cloud\.example answered"):
            await park.session("sess_1")

    assert api.hosts() == ["cloud"]


async def test_the_key_of_the_caller_is_sent_as_it_is() -> None:
    api = FakeApi(cloud=[GONE, a_stay()])

    async with a_park(api) as park:
        await park.end_session("sess_1", idempotency_key="my-own")

    assert api.keys() == {"my-own"}


async def test_each_change_has_a_key_of_its_own_and_what_is_read_has_none() -> None:
    api = FakeApi(cloud=[a_stay()])

    async with a_park(api) as park:
        await park.create_session(REQUEST)
        await park.cancel_session("sess_1")
        await park.session("sess_1")

    assert [request.headers.get("idempotency-key") for request in api.asked] == [
        "key-1",
        "key-2",
        None,
    ]


@pytest.mark.parametrize("text", ["", "two\nlines", "é", "x" * 256])
async def test_a_key_that_cannot_be_sent_is_refused_before_it_is(text: str) -> None:
    api = FakeApi(cloud=[a_stay()])

    async with a_park(api) as park:
        with pytest.raises(ValueError, match="printable"):
            await park.end_session("sess_1", idempotency_key=text)

    assert api.asked == []


@pytest.mark.parametrize("session", ["", ".", ".."])
async def test_what_is_no_id_leads_nowhere(session: str) -> None:
    api = FakeApi(cloud=[a_stay()])

    async with a_park(api) as park:
        with pytest.raises(ValueError, match="is no id"):
            await park.session(session)

    assert api.asked == []


async def test_an_id_stays_within_its_part_of_the_path() -> None:
    api = FakeApi(cloud=[a_stay()])

    async with a_park(api) as park:
        await park.session("a/../b?c#d")

    assert api.asked[0].url.raw_path == b"/api/v1/sessions/a%2F..%2Fb%3Fc%23d"


async def test_the_key_is_in_the_header_and_nowhere_else() -> None:
    api = FakeApi(cloud=[a_refusal(401, "UNAUTHORIZED")])

    async with a_park(api) as park:
        with pytest.raises(ApiError) as caught:
            await park.session("sess_1")

    assert api.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(caught.value)
    assert KEY not in repr(park)


async def test_what_looks_wrong_and_was_taken_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    warning = {"code": "VIN_CHECK_DIGIT", "field": "vehicle.vin", "message": "look again"}
    body = a_stay().json() | {"warnings": [warning]}
    api = FakeApi(cloud=[httpx.Response(201, json=body)])

    with caplog.at_level(logging.WARNING, "parkgraph.client"):
        async with a_park(api) as park:
            await park.create_session(REQUEST)

    assert caplog.messages == ["vehicle.vin: VIN_CHECK_DIGIT: look again"]


async def test_a_list_is_read_to_its_end_page_by_page() -> None:
    first = {"sessions": [a_body().model_dump(mode="json")], "scope": "cloud", "next_cursor": "c 1"}
    last = {
        "sessions": [a_body(id="sess_2").model_dump(mode="json")],
        "scope": "cloud",
        "next_cursor": None,
    }
    api = FakeApi(cloud=[httpx.Response(200, json=first), httpx.Response(200, json=last)])

    async with a_park(api) as park:
        stays = [stay.id async for stay in park.sessions(fleet_id="fleet-1", status="active")]

    assert stays == ["sess_1", "sess_2"]
    assert [dict(request.url.params) for request in api.asked] == [
        {"limit": "200", "fleet_id": "fleet-1", "status": "active"},
        {"limit": "200", "fleet_id": "fleet-1", "status": "active", "cursor": "c 1"},
    ]


async def test_only_what_was_given_is_asked() -> None:
    api = FakeApi(cloud=[httpx.Response(200, json={"lots": [], "scope": "cloud"})])

    async with a_park(api) as park:
        await park.search_lots(37.5, -122.4, av=False)

    assert api.asked[0].url.params.multi_items() == [
        ("lat", "37.5"),
        ("lng", "-122.4"),
        ("av", "false"),
    ]


async def test_a_new_key_is_told_with_its_secret() -> None:
    api_key = {
        "id": "k1", "prefix": "pk_live_k1", "name": "van", "fleet_id": None, "plan": "fleet",
        "scopes": ["lots:read"], "test": False, "requests_per_minute": None,
        "created_at": "2026-06-01T12:00:00Z", "expires_at": None,
    }  # fmt: skip
    api = FakeApi(cloud=[httpx.Response(201, json={"api_key": api_key, "key": "pk_live_secret"})])

    async with a_park(api) as park:
        made = await park.create_key(KeyRequest(name="van"))

    assert (made.key, made.api_key.id) == ("pk_live_secret", "k1")


@pytest.mark.parametrize("url", [CLOUD, f"{CLOUD}/", f"{CLOUD}/api/v1", f"{CLOUD}/api/v1/"])
async def test_the_address_may_be_given_either_way(url: str) -> None:
    api = FakeApi(cloud=[a_stay()])

    async with ParkGraph(url, KEY, outside=Outside(transport=api)) as park:
        await park.session("sess_1")

    assert str(api.asked[0].url) == f"{CLOUD}/api/v1/sessions/sess_1"


@pytest.mark.parametrize("url", ["", "lot", "ftp://lot", "https://", "http://[::"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        ParkGraph(url, KEY)
