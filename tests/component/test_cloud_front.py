"""The cloud's front door: what it says of lots, sells and changes."""

import functools
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import CLOUD, stream_of_cloud
from parkgraph.journal.epochs import begin_recovery
from parkgraph.journal.messages import LotState
from parkgraph.model.errors import ErrorCode
from parkgraph.model.loans import HOLD, margin
from parkgraph.model.records import AllotmentGranted, Personal, RatesSet, SpaceClass, parse_record
from tests.builders import LOT, NOON, RATES
from tests.cloud_doors import SESSIONS, CloudDoor, open_door, refusal
from tests.fake_link import DOWN, OpenCloud
from tests.fakes import journal_of
from tests.lending import ACCESSIBLE, AUTONOMOUS, LOAN, STANDARD, a_mixed_lot

pytestmark = pytest.mark.hurried

THE_LOT: Final = f"/api/v1/lots/{LOT}"
NEW_RATES: Final = {"rate_minor": 500, "daily_cap_minor": 3000}


@pytest.fixture
async def door(cloud: OpenCloud) -> AsyncIterator[CloudDoor]:
    """Give a cloud that knows a lot with seven spaces, two of them lent."""
    async with open_door(cloud) as door:
        await told(cloud, a_mixed_lot())
        await told(cloud, granted("S-1", 1), granted("A-1", 2))
        await door.hears('{"link": "up"}', lot=LOT)
        yield door


async def told(cloud: OpenCloud, *records: Any, lot: str = LOT) -> None:
    """Let the cloud have applied what a lot told."""
    at = cloud.clock.now().isoformat()
    for record in records:
        await cloud.writer.submit(functools.partial(apply, lot, at, record))


def granted(space: str, number: int) -> AllotmentGranted:
    return AllotmentGranted(
        session=f"sess_{space}",
        space=space,
        entry_lane="north-in",
        rates=RATES,
        asked_at=NOON,
        lasts_seconds=int(LOAN.total_seconds()),
        personal=Personal(gate_code=f"12345678{number}"),
    )


def a_booking(plate: str = "ABC1234", **changes: Any) -> dict[str, Any]:
    return {"lot_id": LOT, "plate": plate, "vehicle": {"fleet_id": "fleet-1"}} | changes


async def availability(door: CloudDoor) -> dict[str, Any]:
    answer = await door.call("GET", f"{THE_LOT}/availability")
    found: dict[str, Any] = answer.json()
    return found


# What is free


async def test_the_free_spaces_of_a_lot_are_counted_as_it_told_them_last(door: CloudDoor) -> None:
    found = await availability(door)

    assert found["free_by_class"] == {AUTONOMOUS: 1, ACCESSIBLE: 1, STANDARD: 3}
    assert (found["spaces"], found["free"], found["bookable"]) == (7, 5, 2)
    assert (found["stale"], found["as_of"]) == (False, "2026-06-01T12:00:00Z")


async def test_what_is_accessible_is_not_bookable(door: CloudDoor) -> None:
    await told(door.cloud, granted("H-1", 3))

    assert (await availability(door))["bookable"] == 2


async def test_what_may_not_be_sold_any_more_is_not_bookable(door: CloudDoor) -> None:
    door.cloud.clock.advance((LOAN - margin(LOAN) - HOLD).total_seconds() + 1)

    assert (await availability(door))["bookable"] == 0


async def test_nothing_is_bookable_while_the_cloud_waits_for_its_decisions(
    door: CloudDoor,
) -> None:
    await door.cloud.writer.submit(lambda c: begin_recovery(c, DOWN))

    assert (await availability(door))["bookable"] == 0


@pytest.mark.parametrize(("seconds", "is_stale"), [(30, False), (31, True)])
async def test_a_lot_that_is_silent_for_long_is_stale(
    door: CloudDoor, seconds: int, *, is_stale: bool
) -> None:
    door.cloud.clock.advance(seconds)

    assert (await availability(door))["stale"] is is_stale


async def test_a_lot_that_is_cut_off_is_stale_and_bookable(door: CloudDoor) -> None:
    await door.hears('{"link": "down"}', lot=LOT)

    found = await availability(door)

    assert (found["stale"], found["bookable"], found["free"]) == (True, 2, 5)


async def test_what_was_free_half_an_hour_ago_is_not_told(door: CloudDoor) -> None:
    door.cloud.clock.advance(1801)

    found = await availability(door)

    assert (found["free"], found["free_by_class"], found["bookable"]) == (None, None, 2)


# Selling


async def test_one_request_sent_twice_is_one_booking(door: CloudDoor) -> None:
    first = await door.call("POST", SESSIONS, a_booking(), request="r1")
    again = await door.call("POST", SESSIONS, a_booking(), request="r1")

    assert first.status_code == 201
    assert again.json() == first.json()
    assert len(journal_of(door.cloud.path, DOWN)) == 1


async def test_an_idempotency_key_of_another_request_books_nothing(door: CloudDoor) -> None:
    await door.call("POST", SESSIONS, a_booking(), request="r1")

    other = await door.call("POST", SESSIONS, a_booking("CAR 2"), request="r1")

    assert refusal(other) is ErrorCode.IDEMPOTENCY_MISMATCH


async def test_a_test_key_books_at_synthetic_lots_only(door: CloudDoor) -> None:
    key = await door.makes_key(test=True)
    refused = await door.call("POST", SESSIONS, a_booking(), key=key)
    await told(door.cloud, a_mixed_lot().model_copy(update={"is_synthetic": True}))

    booked = await door.call("POST", SESSIONS, a_booking(), key=key)

    assert refusal(refused) is ErrorCode.FORBIDDEN
    assert booked.status_code == 201


async def test_a_space_that_was_seen_occupied_is_sold_last(door: CloudDoor) -> None:
    await told(door.cloud, granted("S-2", 3))
    seen = {"observations": [{"space": "S-1", "occupied": True}]}
    await door.call("POST", f"{THE_LOT}/observations", seen)

    spaces = [
        (await door.call("POST", SESSIONS, a_booking(plate))).json()["session"][
            "entry_instructions"
        ]["assigned_space"]
        for plate in ("CAR 1", "CAR 2")
    ]

    assert spaces == ["S-2", "S-1"]


# Rates


async def test_who_changes_the_rates_changes_them_for_bookings_to_come(door: CloudDoor) -> None:
    changed = await door.call("PUT", f"{THE_LOT}/rates", NEW_RATES)

    rates = (await door.call("GET", f"{THE_LOT}/rates")).json()
    (row,) = journal_of(door.cloud.path, DOWN)
    assert changed.json() == rates
    assert (rates["currency"], rates["rate_minor"], rates["version"][:9]) == (
        "USD",
        500,
        "r20260601",
    )
    assert parse_record(row.body, None).type == "rates_changed"


async def test_what_was_lent_before_is_sold_at_the_old_rates(door: CloudDoor) -> None:
    await door.call("PUT", f"{THE_LOT}/rates", NEW_RATES)

    sold = await door.call("POST", SESSIONS, a_booking())

    assert sold.json()["session"]["rate_minor"] == 350


async def test_a_lot_charges_what_it_is_configured_with_until_the_cloud_sets_something(
    door: CloudDoor,
) -> None:
    await told(door.cloud, a_mixed_lot().model_copy(update={"rates": RATES}))
    before = (await door.call("GET", f"{THE_LOT}/rates")).json()

    await door.call("PUT", f"{THE_LOT}/rates", NEW_RATES)

    after = (await door.call("GET", f"{THE_LOT}/rates")).json()
    assert (before["version"], before["rate_minor"]) == ("rates-1", 350)
    assert after["rate_minor"] == 500


async def test_the_rates_of_a_lot_that_told_none_are_not_made_up(door: CloudDoor) -> None:
    await told(door.cloud, a_mixed_lot().model_copy(update={"rates": None}))

    assert refusal(await door.call("GET", f"{THE_LOT}/rates")) is ErrorCode.UNAVAILABLE


async def test_rates_in_other_money_than_the_lot_s_are_not_told(door: CloudDoor) -> None:
    in_euros = RATES.model_copy(update={"currency": "EUR"})
    await told(door.cloud, a_mixed_lot().model_copy(update={"rates": in_euros}))
    await told(door.cloud, RatesSet(card=in_euros))

    assert refusal(await door.call("GET", f"{THE_LOT}/rates")) is ErrorCode.UNAVAILABLE


async def test_increments_that_do_not_fill_a_day_are_refused(door: CloudDoor) -> None:
    answer = await door.call("PUT", f"{THE_LOT}/rates", NEW_RATES | {"increment_minutes": 7})

    assert refusal(answer) is ErrorCode.BAD_REQUEST
    assert answer.json()["error"]["field"] == "increment_minutes"


# What is known of all lots


async def test_the_cloud_tells_how_each_lot_is(door: CloudDoor) -> None:
    await told(door.cloud, a_mixed_lot({"S-1": SpaceClass.STANDARD}), lot="oak-street")
    state = LotState(link="down", away={"camera north-in": "no picture"})
    await door.hears(state.model_dump_json(), lot="oak-street")

    answer = (await door.call("GET", "/api/v1/status")).json()

    assert answer["status"] == "degraded"
    assert [(lot["lot_id"], lot["link"], lot["away"]) for lot in answer["lots"]] == [
        (LOT, "up", {}),
        ("oak-street", "down", {"camera north-in": "no picture"}),
    ]


async def test_a_lot_that_says_nothing_any_more_is_neither_up_nor_down(door: CloudDoor) -> None:
    door.cloud.clock.advance(31)

    (lot,) = (await door.call("GET", "/api/v1/status")).json()["lots"]

    assert lot["link"] == "unknown"


async def test_the_audit_log_of_a_lot_has_what_the_cloud_decided(door: CloudDoor) -> None:
    await door.call("PUT", f"{THE_LOT}/rates", NEW_RATES)

    answer = (await door.call("GET", f"{THE_LOT}/audit")).json()

    assert [(row["stream"], row["type"]) for row in answer["rows"]] == [
        (stream_of_cloud(LOT), "rates_changed")
    ]


async def test_an_agent_is_noted_once_for_each_request(door: CloudDoor) -> None:
    asked = {"name": "concierge", "purpose": "books for guests"}

    first = await door.call("POST", "/api/v1/agents", asked, request="r1")
    again = await door.call("POST", "/api/v1/agents", asked, request="r1")

    assert first.status_code == 201
    assert again.json() == first.json()
    assert [row.type for row in journal_of(door.cloud.path, CLOUD)] == ["agent_registered"]


async def test_a_lot_that_is_not_known_is_not_found(door: CloudDoor) -> None:
    for path in ("", "/availability", "/rates", "/audit"):
        answer = await door.call("GET", f"/api/v1/lots/elsewhere{path}")
        assert refusal(answer) is ErrorCode.NOT_FOUND
