"""How often one may call, and what one is told of it."""

import httpx
import pytest

from tests.conformance.callers import API, LOTS, SESSIONS, a_booking, error_of
from tests.conformance.conftest import Wiring
from tests.conformance.world import HERE, LOT, World

pytestmark = pytest.mark.hurried

AVAILABILITY = f"{LOTS}/{LOT}/availability"
SEARCH = f"{LOTS}/search?lat={HERE[0]}&lng={HERE[1]}"
HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


async def left_of(wire: httpx.AsyncClient, path: str, method: str = "GET") -> tuple[int, ...]:
    """Return limit, what remains, and in how many seconds all is back."""
    answer = await wire.request(method, path)
    return tuple(int(answer.headers[name]) for name in HEADERS)


async def until_refused(wire: httpx.AsyncClient, method: str, path: str, most: int) -> int:
    """Call until it is one too many; return how many calls were not."""
    for count in range(most):
        if (await wire.request(method, path)).status_code == 429:
            return count
    return most


CALLS = (
    ("GET", SESSIONS),
    ("GET", f"{SESSIONS}/sess_unknown"),
    ("POST", SESSIONS),
    ("GET", AVAILABILITY),
    ("GET", f"{LOTS}/{LOT}/audit"),
    ("DELETE", SESSIONS),
    ("GET", "/nowhere"),
    ("GET", "/docs"),
    ("GET", f"{API}/openapi.json"),
    ("GET", f"{API}/status"),
)


@pytest.mark.parametrize("key", ["waymo", "revoked", None])
async def test_every_answer_says_what_is_left(wiring: Wiring, key: str | None) -> None:
    for method, path in CALLS:
        answer = await wiring(key).request(method, path)

        told = [int(answer.headers[name]) for name in HEADERS]
        assert told[0] > told[1] >= 0, path
        assert told[2] >= 0, path
        assert answer.headers["x-request-id"].startswith("req_"), path


async def test_one_too_many_is_refused_and_told_when_to_come_again(
    wiring: Wiring, world: World
) -> None:
    public = wiring("public")
    first = await public.get(SESSIONS)
    refused = await public.get(SESSIONS)
    world.clock.advance(int(refused.headers["retry-after"]))
    later = await public.get(SESSIONS)

    assert [each.status_code for each in (first, refused, later)] == [200, 429, 200]
    assert error_of(refused)["code"] == "RATE_LIMITED"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in first.headers


@pytest.mark.parametrize(
    ("method", "path", "budget"),
    [("POST", SESSIONS, 60), ("GET", AVAILABILITY, 240), ("GET", SESSIONS, 60)],
)
async def test_each_class_of_calls_has_its_budget_a_minute(
    wiring: Wiring, world: World, method: str, path: str, budget: int
) -> None:
    public = wiring("public")
    await public.request(method, path)
    world.clock.advance(60)

    assert await until_refused(public, method, path, budget + 1) == budget


async def test_a_class_that_is_used_up_leaves_the_others_alone(wiring: Wiring) -> None:
    public = wiring("public")
    await until_refused(public, "GET", SESSIONS, 5)

    assert (await public.get(AVAILABILITY)).status_code == 200
    assert (await public.post(SESSIONS, json=a_booking())).status_code == 201


async def test_search_availability_rates_and_quotes_share_one_budget(wiring: Wiring) -> None:
    public = wiring("public")
    paths = (SEARCH, AVAILABILITY, f"{LOTS}/{LOT}/rates", f"{LOTS}/{LOT}/quote", f"{LOTS}/{LOT}")

    answers = [(await public.get(path)).headers["x-ratelimit-limit"] for path in paths]

    assert set(answers) == {"240"}
    assert await until_refused(public, "GET", AVAILABILITY, 3) == 0


async def test_a_test_key_has_one_small_budget_for_all(wiring: Wiring, world: World) -> None:
    sandbox = wiring("sandbox")
    await sandbox.get(SESSIONS)
    world.clock.advance(60)

    for _ in range(15):
        assert (await sandbox.get(SESSIONS)).status_code == 200
        assert (await sandbox.get(AVAILABILITY)).status_code == 200
    answer = await sandbox.get(AVAILABILITY)

    assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (429, "30")


async def test_a_key_that_was_promised_more_has_more_at_both_sides(wiring: Wiring) -> None:
    assert (await left_of(wiring("waymo"), SESSIONS))[0] == 1_000_000


async def test_each_end_user_has_twenty_a_minute_whatever_the_key_has(
    wiring: Wiring, world: World
) -> None:
    waymo = wiring("waymo")
    one, other = {"X-End-User-Id": "one"}, {"X-End-User-Id": "other"}
    await waymo.get(SESSIONS, headers=one)
    world.clock.advance(60)

    allowed = [(await waymo.get(SESSIONS, headers=one)).status_code for _ in range(21)]

    assert allowed == [200] * 20 + [429]
    assert (await waymo.get(SESSIONS, headers=other)).status_code == 200
    assert (await waymo.get(SESSIONS)).status_code == 200


async def test_the_same_end_user_of_two_keys_is_two(wiring: Wiring) -> None:
    one = {"X-End-User-Id": "one"}
    await wiring("waymo").get(SESSIONS, headers=one)

    assert (await wiring("waymo").get(SESSIONS, headers=one)).status_code == 429
    assert (await wiring("zoox").get(SESSIONS, headers=one)).status_code == 200


@pytest.mark.parametrize("name", ["", "x" * 129, "a\x7fb"])
async def test_an_end_user_without_a_proper_name_is_refused(
    wire: httpx.AsyncClient, name: str
) -> None:
    answer = await wire.get(SESSIONS, headers={"X-End-User-Id": name})

    assert answer.status_code == 400
    assert error_of(answer)["field"] == "X-End-User-Id"


async def test_strangers_have_thirty_searches_a_minute_an_address(world: World, side: str) -> None:
    async with world.http(side, None, host="192.0.2.1") as one:
        await one.get(SEARCH)
        world.clock.advance(60)
        allowed = await until_refused(one, "GET", SEARCH, 31)
    async with world.http(side, None, host="192.0.2.2") as other:
        elsewhere = await other.get(SEARCH)

    assert allowed == 30
    assert elsewhere.status_code == 200


async def test_wrong_keys_are_counted_as_strangers_so_nobody_guesses_fast(
    wiring: Wiring, world: World
) -> None:
    guesser = wiring("revoked")
    await guesser.get(SESSIONS)

    answer = await guesser.get(SESSIONS)

    assert (answer.status_code, error_of(answer)["code"]) == (429, "RATE_LIMITED")


async def test_tokens_come_back_one_by_one(wiring: Wiring, world: World) -> None:
    public = wiring("public")
    before = await left_of(public, SESSIONS)
    world.clock.advance(10)
    after = await left_of(public, SESSIONS)

    assert before == (60, 0, 60)
    assert after == (60, 9, 51)


async def test_the_sdk_waits_as_long_as_it_is_told_and_nobody_notices(
    world: World, side: str
) -> None:
    before = world.clock.boot_seconds()

    async with world.park(side, "public") as park:
        for _ in range(3):
            assert (await park.lot(LOT)).lot_id == LOT

    assert 1 <= world.clock.boot_seconds() - before < 20
