"""How often one may call a front door, as its callers see it."""

import math
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import Router

from parkgraph.front.keys import configured_key
from parkgraph.journal.ledger import NoLedger
from parkgraph_edge.store.opening import OpenLot
from tests.builders import a_lot
from tests.fakes import FakeClock, OpenLedger, open_ledger
from tests.front_doors import (
    AVAILABILITY,
    KEY,
    PLENTY,
    SESSIONS,
    a_door,
    a_request,
    calling,
    error_of,
)

SANDBOX_KEY = "pk_test_0123456789abcdefghij"
LISTING = f"{SESSIONS}?fleet_id=fleet-1"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[OpenLedger]:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot("elm-street", a_lot()))
        yield ledger


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def door(ledger: OpenLedger, clock: FakeClock) -> Router:
    """A front door with the public limits."""
    return a_door(ledger, ledger.reader, keys=configured_key(KEY), clock=clock)


def told(response: httpx.Response) -> tuple[int, int, int]:
    """Return limit, calls left, and seconds until all are back."""
    limit, remaining, reset = (
        int(response.headers[f"x-ratelimit-{what}"]) for what in ("limit", "remaining", "reset")
    )
    return limit, remaining, reset


async def statuses(caller: httpx.AsyncClient, path: str, count: int, **headers: str) -> list[int]:
    return [(await caller.get(path, headers=headers)).status_code for _ in range(count)]


async def test_a_call_too_many_is_refused_and_told_when_to_come_back(
    door: Router, clock: FakeClock
) -> None:
    async with calling(door) as caller:
        first = await caller.get(LISTING)
        second = await caller.get(LISTING)
        clock.advance(int(second.headers["retry-after"]))
        third = await caller.get(LISTING)

    assert (first.status_code, told(first)) == (200, (60, 0, 60))
    assert (second.status_code, error_of(second)["code"]) == (429, "RATE_LIMITED")
    assert (told(second), second.headers["retry-after"]) == ((60, 0, 60), "1")
    assert (third.status_code, "retry-after" in third.headers) == (200, False)


async def test_bookings_readings_and_the_rest_are_counted_apart(door: Router) -> None:
    async with calling(door) as caller:
        booked = await caller.post(SESSIONS, json=a_request())
        counted = await caller.get(AVAILABILITY)
        listed = await caller.get(LISTING)

    assert [each.status_code for each in (booked, counted, listed)] == [201, 200, 200]
    assert [told(each)[0] for each in (booked, counted, listed)] == [60, 240, 60]


async def test_a_minute_s_rest_gives_a_minute_s_burst(door: Router, clock: FakeClock) -> None:
    async with calling(door) as caller:
        await caller.get(AVAILABILITY)
        clock.advance(60)

        burst = await statuses(caller, AVAILABILITY, 242)

    assert burst == [200] * 240 + [429] * 2


async def test_a_sandbox_key_shares_thirty_calls_among_all_it_does(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    door = a_door(
        ledger,
        ledger.reader,
        keys=configured_key(SANDBOX_KEY),
        clock=clock,
        description=a_lot().model_copy(update={"is_synthetic": True}),
    )
    async with calling(door, key=SANDBOX_KEY) as caller:
        booked = await caller.post(SESSIONS, json=a_request())
        clock.advance(60)
        calls = await statuses(caller, AVAILABILITY, 20) + await statuses(caller, LISTING, 11)

    assert told(booked)[0] == 30
    assert calls == [200] * 30 + [429]


async def test_a_key_with_a_budget_of_its_own_may_start_at_once(ledger: OpenLedger) -> None:
    key = configured_key(KEY, requests_per_minute=PLENTY)
    async with calling(a_door(ledger, ledger.reader, keys=key)) as caller:
        answers = await statuses(caller, LISTING, 200)

    assert answers == [200] * 200


async def test_one_end_user_does_not_use_up_what_is_for_all(door: Router, clock: FakeClock) -> None:
    async with calling(door) as caller:
        await statuses(caller, AVAILABILITY, 1, **{"X-End-User-Id": "ann"})
        clock.advance(60)

        of_ann = await statuses(caller, AVAILABILITY, 21, **{"X-End-User-Id": "ann"})
        refused = await caller.get(AVAILABILITY, headers={"X-End-User-Id": "ann"})
        of_bob = await caller.get(AVAILABILITY, headers={"X-End-User-Id": "bob"})
        of_nobody = await caller.get(AVAILABILITY)

    assert of_ann == [200] * 20 + [429]
    assert (told(refused), refused.headers["retry-after"]) == ((20, 0, 60), "3")
    assert (of_bob.status_code, told(of_bob)[:2]) == (200, (20, 0))
    assert (of_nobody.status_code, told(of_nobody)[:2]) == (200, (240, 218))


@pytest.mark.parametrize("end_user", [b"", b"x" * 129, b"\xe9", b"a\tb", b"a\x7fb"])
async def test_an_end_user_id_that_is_none_is_refused_by_its_name(
    door: Router, end_user: bytes
) -> None:
    async with calling(door) as caller:
        response = await caller.get(LISTING, headers=[(b"X-End-User-Id", end_user)])

    assert response.status_code == 400
    assert (error_of(response)["code"], error_of(response)["field"]) == (
        "BAD_REQUEST",
        "X-End-User-Id",
    )


@pytest.mark.parametrize("end_user", ["x", "x" * 128, "user 7 <a@b.example>"])
async def test_an_end_user_id_may_be_any_short_plain_text(door: Router, end_user: str) -> None:
    async with calling(door) as caller:
        response = await caller.get(LISTING, headers={"X-End-User-Id": end_user})

    assert response.status_code == 200


@pytest.mark.parametrize("guess", [None, "pk_live_wrong"])
@pytest.mark.parametrize("path", [LISTING, "/nowhere"])
async def test_who_guesses_keys_is_refused_and_the_right_key_beside_is_not(
    door: Router, guess: str | None, path: str
) -> None:
    async with calling(door, key=guess) as guesser, calling(door) as caller:
        guesses = [await guesser.get(path) for _ in range(40)]
        honest = await caller.get(LISTING)
        elsewhere = await calling(door, key=guess, host="192.0.2.7").get(path)

    assert guesses[0].status_code in {401, 404}
    assert told(guesses[0]) == (30, 0, 60)
    assert {error_of(each)["code"] for each in guesses[1:]} == {"RATE_LIMITED"}
    assert guesses[1].headers["retry-after"] == "2"
    assert honest.status_code == 200
    assert elsewhere.status_code == guesses[0].status_code


async def test_the_right_key_uses_up_nothing_of_those_without(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    door = a_door(ledger, ledger.reader, clock=clock)
    async with calling(door) as caller, calling(door, key=None) as stranger:
        await statuses(caller, LISTING, 50)
        response = await stranger.get(LISTING)

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", LISTING, KEY, 200),
        ("GET", LISTING, None, 401),
        ("GET", f"{SESSIONS}/sess_1", KEY, 404),
        ("GET", "/nowhere", KEY, 404),
        ("GET", "/nowhere", None, 404),
        ("DELETE", SESSIONS, KEY, 405),
        ("DELETE", SESSIONS, None, 405),
        ("POST", SESSIONS, KEY, 400),
    ],
)
async def test_every_answer_tells_what_is_left(
    door: Router, method: str, path: str, key: str | None, status: int
) -> None:
    async with calling(door, key=key) as caller:
        response = await caller.request(method, path)

    assert response.status_code == status
    assert told(response) == (60 if key else 30, 0, 60)


async def test_what_is_not_possible_now_tells_what_is_left(clock: FakeClock) -> None:
    door = a_door(NoLedger("the disk is away"), None, keys=configured_key(KEY), clock=clock)
    async with calling(door) as caller:
        response = await caller.post(SESSIONS, json=a_request())

    assert (response.status_code, told(response)) == (503, (60, 0, 60))


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", SESSIONS)])
async def test_calls_that_lead_nowhere_are_counted_too(
    door: Router, method: str, path: str
) -> None:
    async with calling(door) as caller:
        await caller.request(method, path)
        response = await caller.request(method, path)

    assert error_of(response)["code"] == "RATE_LIMITED"


async def test_limits_go_by_the_time_since_the_machine_started(
    door: Router, clock: FakeClock
) -> None:
    async with calling(door) as caller:
        await caller.get(LISTING)
        clock._boot_seconds += math.pi  # the wall clock stands

        response = await caller.get(LISTING)

    assert response.status_code == 200
