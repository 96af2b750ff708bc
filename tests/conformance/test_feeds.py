"""What happened last, and what works now."""

import httpx
import pytest

from tests.conformance.callers import API, Caller, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import LOT, World

pytestmark = pytest.mark.hurried


async def test_activity_is_a_json_feed_the_newest_first(
    wiring: Wiring, caller: Caller, world: World
) -> None:
    await caller.book("SECRET 1")
    await world.level()

    feed = (await wiring("operator").get(f"{API}/activity")).json()

    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    times = [item["date_published"] for item in feed["items"]]
    assert times == sorted(times, reverse=True)
    assert {item["_lot_id"] for item in feed["items"]} == {LOT}
    newest = feed["items"][0]
    assert newest["tags"][0] in {"session_reserved", "booking_taken"}
    assert not any("SECRET" in item["content_text"] for item in feed["items"])


async def test_activity_goes_on_where_the_page_before_ended(calling: Calling) -> None:
    operator = calling("operator")

    whole = (await operator.activity(limit=12))["items"]
    first = (await operator.activity(limit=5))["items"]
    rest = (await operator.activity(limit=7, before=first[-1]["id"]))["items"]

    assert first + rest == whole


async def test_activity_is_for_the_operator_only(calling: Calling) -> None:
    for name in ("waymo", "starter"):
        refusal = await refused(calling(name).activity())
        assert (refusal.status, refusal.code) == (403, "FORBIDDEN")


async def test_activity_of_a_lot_that_is_not_there_is_not_found(wiring: Wiring) -> None:
    answer = await wiring("operator").get(f"{API}/activity?lot_id=elm-street")

    assert (answer.status_code, error_of(answer)["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=nowhere"])
async def test_activity_asked_for_wrongly_names_the_field(wiring: Wiring, query: str) -> None:
    answer = await wiring("operator").get(f"{API}/activity?{query}")

    assert (answer.status_code, error_of(answer)["field"]) == (400, query.split("=", maxsplit=1)[0])


async def test_status_says_what_works(caller: Caller) -> None:
    told = await caller.status()

    (lot,) = [each for each in told["lots"] if each["lot_id"] == LOT]
    assert (lot["link"], lot["away"]) == ("up", {})
    assert told["version"]
    assert told["as_of"] == "2026-06-01T12:00:00Z"


async def test_status_says_that_the_link_is_down(caller: Caller, world: World) -> None:
    world.cut_off()
    await world.hears("down")

    told = await caller.status()

    (lot,) = [each for each in told["lots"] if each["lot_id"] == LOT]
    assert (told["status"], lot["link"]) == ("degraded", "down")


async def test_a_key_sees_the_status_of_the_lots_that_it_may_reach(
    wiring: Wiring, world: World
) -> None:
    told = (await wiring("test").get(f"{API}/status")).json()

    assert "oak-street" not in [lot["lot_id"] for lot in told["lots"]]


async def test_without_a_key_there_is_no_status(wiring: Wiring) -> None:
    answer: httpx.Response = await wiring(None).get(f"{API}/status")

    assert answer.status_code == 401
