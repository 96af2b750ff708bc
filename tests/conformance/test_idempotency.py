"""The same request, sent again: nothing is done twice, and nobody waits in vain."""

import asyncio

import httpx
import pytest

from tests.conformance.callers import AS_JSON, SESSIONS, Caller, a_booking, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import LOT, World

pytestmark = pytest.mark.hurried


async def test_the_same_request_is_answered_byte_for_byte_and_says_so(
    wire: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "one"}

    first = await wire.post(SESSIONS, json=a_booking(), headers=key)
    again = await wire.post(SESSIONS, json=a_booking(), headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


async def test_the_same_request_has_the_answer_of_then_whatever_has_become_of_the_stay(
    wire: httpx.AsyncClient, world: World
) -> None:
    key = {"Idempotency-Key": "one"}
    first = await wire.post(SESSIONS, json=a_booking(), headers=key)
    await wire.post(f"{SESSIONS}/{first.json()['session']['id']}/cancel")

    again = await wire.post(SESSIONS, json=a_booking(), headers=key)

    assert again.content == first.content


async def test_another_request_with_the_same_key_is_refused(wire: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    await wire.post(SESSIONS, json=a_booking("CAR 1"), headers=key)

    other = await wire.post(SESSIONS, json=a_booking("CAR 2"), headers=key)

    assert other.status_code == 422
    error = error_of(other)
    assert (error["code"], error["field"]) == ("IDEMPOTENCY_MISMATCH", "Idempotency-Key")


async def test_the_same_key_at_another_operation_is_refused(
    wire: httpx.AsyncClient, world: World
) -> None:
    key = {"Idempotency-Key": "one"}
    made = await wire.post(SESSIONS, json=a_booking("CAR 1"), headers=key)

    other = await wire.post(f"{SESSIONS}/{made.json()['session']['id']}/cancel", headers=key)

    assert (other.status_code, error_of(other)["code"]) == (422, "IDEMPOTENCY_MISMATCH")


async def test_two_keys_may_use_the_same_idempotency_key(calling: Calling) -> None:
    one = await calling("waymo").book("CAR 1", key="one")
    other = await calling("zoox").book("CAR 2", key="one")

    assert one["id"] != other["id"]


async def test_a_request_that_is_sent_twice_at_once_is_done_once(
    wire: httpx.AsyncClient, world: World
) -> None:
    key = {"Idempotency-Key": "one"}

    async with asyncio.TaskGroup() as group:
        both = [group.create_task(wire.post(SESSIONS, json=a_booking(), headers=key)) for _ in "ab"]

    answers = [each.result() for each in both]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 1


async def test_a_refusal_is_not_kept_so_the_same_request_may_succeed_later(
    wire: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "one"}
    first = await wire.post(SESSIONS, json=a_booking())
    refusal = await wire.post(SESSIONS, json=a_booking(), headers=key)
    await wire.post(f"{SESSIONS}/{first.json()['session']['id']}/cancel")

    later = await wire.post(SESSIONS, json=a_booking(), headers=key)

    assert (refusal.status_code, later.status_code) == (409, 201)


async def test_without_a_key_the_same_vehicle_is_a_conflict(wire: httpx.AsyncClient) -> None:
    await wire.post(SESSIONS, json=a_booking())

    again = await wire.post(SESSIONS, json=a_booking())

    assert (again.status_code, error_of(again)["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_idempotency_key_of_no_length_or_too_much_is_refused(
    wire: httpx.AsyncClient, key: str
) -> None:
    answer = await wire.post(SESSIONS, json=a_booking(), headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert error_of(answer)["field"] == "Idempotency-Key"


async def test_every_change_may_be_sent_again(wire: httpx.AsyncClient, world: World) -> None:
    stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    await world.level()
    await world.parks(stay)
    await world.level()

    for number, (verb, body) in enumerate((("extend", {"minutes": 5}), ("end", None))):
        key = {"Idempotency-Key": str(number)}
        first = await wire.post(f"{SESSIONS}/{stay}/{verb}", json=body, headers=key)
        again = await wire.post(f"{SESSIONS}/{stay}/{verb}", json=body, headers=key)

        assert (first.status_code, again.status_code) == (200, 200), verb
        assert again.content == first.content
        assert again.headers["idempotent-replayed"] == "true"


async def test_a_cancellation_may_be_sent_again(wire: httpx.AsyncClient, world: World) -> None:
    stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    key = {"Idempotency-Key": "one"}

    first = await wire.post(f"{SESSIONS}/{stay}/cancel", headers=key)
    again = await wire.post(f"{SESSIONS}/{stay}/cancel", headers=key)

    assert again.content == first.content


async def test_an_upload_may_be_sent_again(wire: httpx.AsyncClient) -> None:
    body = {"observations": [{"space": "S-1", "occupied": True}]}
    url = f"/api/v1/lots/{LOT}/observations"
    key = {"Idempotency-Key": "one"}

    first = await wire.post(url, json=body, headers=key)
    again = await wire.post(url, json=body, headers=key)

    assert (again.status_code, again.content) == (200, first.content)


async def test_a_request_that_was_made_at_the_lot_is_known_in_the_cloud_when_it_has_heard(
    world: World,
) -> None:
    key = {"Idempotency-Key": "one"}
    async with world.http("lot", "waymo") as lot, world.http("cloud", "waymo") as cloud:
        at_lot = await lot.post(SESSIONS, json=a_booking(), headers=key)
        await world.level()
        in_cloud = await cloud.post(SESSIONS, json=a_booking(), headers=key)

    assert in_cloud.status_code == 201
    assert in_cloud.json()["session"]["id"] == at_lot.json()["session"]["id"]


async def test_a_request_that_was_made_in_the_cloud_is_known_at_the_lot_when_it_has_heard(
    world: World,
) -> None:
    key = {"Idempotency-Key": "one"}
    async with world.http("lot", "waymo") as lot, world.http("cloud", "waymo") as cloud:
        in_cloud = await cloud.post(SESSIONS, json=a_booking(), headers=key)
        await world.level()
        at_lot = await lot.post(SESSIONS, json=a_booking(), headers=key)

    assert at_lot.status_code == 201
    assert at_lot.json()["session"]["id"] == in_cloud.json()["session"]["id"]


async def test_the_callers_of_both_kinds_hear_of_the_same_key(caller: Caller) -> None:
    first = await caller.book("CAR 1", key="one")
    again = await caller.book("CAR 1", key="one")
    refusal = await refused(caller.book("CAR 2", key="one"))

    assert again == first
    assert (refusal.status, refusal.code) == (422, "IDEMPOTENCY_MISMATCH")


async def test_who_goes_on_another_day_is_no_replay(wiring: Wiring, world: World) -> None:
    key, waymo = {"Idempotency-Key": "one"}, wiring("waymo")
    body = b'{"lot_id":"uuid-of-lot","plate":"CAR 1"}'
    first = await waymo.post(SESSIONS, content=body, headers=AS_JSON | key)

    again = await waymo.post(SESSIONS, content=body + b" ", headers=AS_JSON | key)

    assert first.status_code == 201
    assert (again.status_code, error_of(again)["code"]) == (422, "IDEMPOTENCY_MISMATCH")
