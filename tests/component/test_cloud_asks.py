"""What a lot owns the cloud asks it for, and answers with what the lot says."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from parkgraph.front.contract import Principal
from parkgraph.front.requests import digest_of_caller
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import CancelAsked, Direction, EndAsked, ExtensionAsked, parse_record
from parkgraph.model.sessions import Session, SessionState
from parkgraph_cloud.asking import Said, check_wish, is_done
from parkgraph_edge.store.bookings import End
from tests.builders import LOT, NOON, a_booking, a_session
from tests.cloud_doors import OPERATOR_ID, SESSIONS, CloudDoor, open_door, refusal
from tests.fake_link import DOWN, FakeBroker, OpenCloud, lent, level, linked
from tests.fakes import FakeClock, OpenLedger, journal_of, until
from tests.lending import Lender, a_purchase

pytestmark = pytest.mark.hurried

ASKED = EndAsked | CancelAsked | ExtensionAsked


@dataclass(frozen=True, slots=True)
class Sides:
    """A lot and the cloud, whose front door is called."""

    door: CloudDoor
    lot: OpenLedger
    lender: Lender

    async def bought(self, plate: str = "ABC1234", **changes: Any) -> Session:
        return await self.door.cloud.submit(a_purchase(plate, **changes))

    async def level(self) -> None:
        await level(self.lot, self.door.cloud)

    async def calls(self, wish: str, stay: Session, body: Any = None, **how: Any) -> httpx.Response:
        return await self.door.call("POST", f"{SESSIONS}/{stay.session}/{wish}", body, **how)

    def asked(self) -> list[Any]:
        """Return what the lot was asked about stays."""
        rows = journal_of(self.door.cloud.path, DOWN)
        records = [parse_record(row.body, row.personal) for row in rows]
        return [record for record in records if isinstance(record, ASKED)]

    async def parked(self) -> Session:
        """Let a vehicle come that the cloud has sold a space."""
        stay = await self.bought()
        await self.lender.passes(stay)
        await self.level()
        return stay


@pytest.fixture
async def sides(ledger: OpenLedger, cloud: OpenCloud, clock: FakeClock) -> AsyncIterator[Sides]:
    """Give a lot and a cloud that has what the lot lends; the link is cut."""
    async with linked(ledger, cloud):
        lender = await lent(ledger, cloud, clock)
    async with open_door(cloud) as door:
        yield Sides(door, ledger, lender)


def linked_again(sides: Sides, broker: FakeBroker | None = None) -> Any:
    return linked(sides.lot, sides.door.cloud, broker)


async def cut_off(sides: Sides) -> None:
    """Let the cloud know that the lot cannot be reached."""
    await sides.door.hears('{"link": "down"}', lot=LOT)


# What the lot does


async def test_a_stay_that_is_parked_is_ended_by_the_lot_and_answered_with_its_price(
    sides: Sides,
) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
        sides.lender.clock.advance(3600)
        await sides.door.hears('{"link": "up"}', lot=LOT)

        answer = await sides.calls("end", stay)

    told = answer.json()["session"]
    assert answer.status_code == 200
    assert (told["state"], told["amount_minor"]) == ("leaving", 350)
    assert sides.lender.now_of(stay).amount_minor == 350


async def test_a_stay_is_extended_by_the_lot_also_before_its_vehicle_has_come(
    sides: Sides,
) -> None:
    async with linked_again(sides):
        stay = await sides.bought()

        answer = await sides.calls("extend", stay, {"minutes": 30})

    told = answer.json()["session"]
    assert answer.status_code == 200
    assert told["expected_duration_minutes"] == 150
    assert sides.lender.now_of(stay).hold_until == NOON + timedelta(minutes=60)


async def test_what_the_lot_booked_itself_is_cancelled_by_the_lot(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.lot.submit(a_booking())
        await sides.level()

        answer = await sides.calls("cancel", stay)

    assert answer.json()["session"]["status"] == "cancelled"
    assert sides.lender.now_of(stay).state is SessionState.CANCELLED


async def test_what_the_lot_booked_itself_and_is_awaited_ends_as_cancelled(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.lot.submit(a_booking())
        await sides.level()

        answer = await sides.calls("end", stay)

    assert answer.json()["session"]["status"] == "cancelled"


async def test_one_extension_after_the_other_is_answered_with_its_own(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()

        told = [
            (await sides.calls("extend", stay, {"minutes": minutes})).json()["session"]
            for minutes in (10, 20)
        ]

    assert [each["expected_duration_minutes"] for each in told] == [130, 150]


# Once for each request


async def test_one_request_sent_twice_at_once_asks_the_lot_once(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(sides.calls("extend", stay, {"minutes": 30}, request="r1"))
                for _ in range(2)
            ]

    first, second = (call.result() for call in calls)
    assert [first.status_code, second.status_code] == [200, 200]
    assert first.json() == second.json()
    assert len(sides.asked()) == 1
    assert sides.lender.now_of(stay).expected_minutes == 150


async def test_a_request_that_was_not_answered_in_time_is_not_asked_again(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    first = await sides.calls("extend", stay, {"minutes": 30}, request="r1")
    async with linked_again(sides):
        await sides.level()

        again = await sides.calls("extend", stay, {"minutes": 30}, request="r1")

    assert refusal(first) is ErrorCode.UNAVAILABLE
    assert "may still" in first.json()["error"]["message"]
    assert again.json()["session"]["expected_duration_minutes"] == 150
    assert len(sides.asked()) == 1


async def test_an_idempotency_key_of_another_request_asks_nothing(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    await sides.calls("extend", stay, {"minutes": 30}, request="r1")

    other = await sides.calls("extend", stay, {"minutes": 60}, request="r1")

    assert refusal(other) is ErrorCode.IDEMPOTENCY_MISMATCH
    assert len(sides.asked()) == 1


async def test_while_one_call_waits_for_the_lot_another_about_the_stay_is_put_off(
    sides: Sides,
) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    await sides.calls("extend", stay, {"minutes": 30})

    other = await sides.calls("extend", stay, {"minutes": 60})

    assert refusal(other) is ErrorCode.UNAVAILABLE
    assert len(sides.asked()) == 1


async def test_an_end_that_the_lot_was_asked_for_itself_is_not_asked_for_again(
    sides: Sides,
) -> None:
    caller = Principal(OPERATOR_ID, None, frozenset())
    async with linked_again(sides):
        stay = await sides.parked()
        request = digest_of_caller(caller, "r1")
        await sides.lot.submit(End(LOT, caller.actor, stay.session, request))
        await sides.level()

    answer = await sides.calls("end", stay, request="r1")

    assert answer.json()["session"]["state"] == "leaving"
    assert sides.asked() == []


# What cannot be


@pytest.mark.parametrize("wish", ["end", "extend"])
async def test_nothing_is_recorded_for_a_lot_that_is_cut_off(sides: Sides, wish: str) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    await cut_off(sides)
    before = journal_of(sides.door.cloud.path, DOWN)

    answer = await sides.calls(wish, stay, {"minutes": 30})

    assert refusal(answer) is ErrorCode.LOT_OFFLINE
    assert "ask the" in answer.json()["error"]["message"].lower()
    assert journal_of(sides.door.cloud.path, DOWN) == before
    assert sides.door.cloud.one("SELECT COUNT(*) FROM asks") == 0


async def test_a_lot_that_has_been_silent_counts_as_cut_off(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    sides.lender.clock.advance(31)

    assert refusal(await sides.calls("end", stay)) is ErrorCode.LOT_OFFLINE


@pytest.mark.parametrize("wish", ["end", "cancel"])
async def test_what_the_cloud_sold_it_cancels_while_the_lot_is_cut_off(
    sides: Sides, wish: str
) -> None:
    stay = await sides.bought()
    await cut_off(sides)

    answer = await sides.calls(wish, stay)

    assert answer.json()["session"]["status"] == "cancelled"


async def test_the_lot_s_refusal_is_told_with_its_words(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    await sides.lender.passes(stay, Direction.EXIT)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(sides.calls("extend", stay, {"minutes": 30}))
        await until(lambda: bool(sides.asked()), every_seconds=0.01)
        async with linked_again(sides):
            await sides.level()

    answer = call.result()
    assert refusal(answer) is ErrorCode.CONFLICT
    assert "before its vehicle leaves" in answer.json()["error"]["message"]


async def test_a_vehicle_that_came_before_the_lot_heard_of_the_cancellation_is_told(
    sides: Sides,
) -> None:
    async with linked_again(sides):
        stay = await sides.lot.submit(a_booking())
        await sides.level()
    await sides.lender.passes(stay)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(sides.calls("cancel", stay))
        await until(lambda: bool(sides.asked()), every_seconds=0.01)
        async with linked_again(sides):
            await sides.level()

    assert refusal(call.result()) is ErrorCode.CONFLICT


async def test_a_vehicle_that_left_meanwhile_has_what_its_buyer_wants(sides: Sides) -> None:
    async with linked_again(sides):
        stay = await sides.parked()
    await sides.lender.passes(stay, Direction.EXIT)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(sides.calls("end", stay))
        await until(lambda: bool(sides.asked()), every_seconds=0.01)
        async with linked_again(sides):
            await sides.level()

    assert call.result().json()["session"]["status"] == "completed"


async def test_a_stay_of_another_fleet_is_not_there(sides: Sides) -> None:
    stay = await sides.bought()
    key = await sides.door.makes_key(fleet_id="fleet-2")

    assert refusal(await sides.calls("end", stay, key=key)) is ErrorCode.NOT_FOUND


# The rules

EXTEND = ExtensionAsked(session="sess_1", minutes=7 * 1440)


@pytest.mark.parametrize(
    ("wish", "stay"),
    [
        (EndAsked(session="sess_1"), a_session(SessionState.ARRIVING)),
        (EndAsked(session="sess_1"), a_session(SessionState.COMPLETED)),
        (CancelAsked(session="sess_1"), a_session(SessionState.PARKED)),
        (EXTEND, a_session(SessionState.LEAVING)),
        (EXTEND, a_session(SessionState.NO_SHOW)),
    ],
)
def test_a_lot_is_not_asked_for_what_it_would_refuse(wish: Any, stay: Session) -> None:
    with pytest.raises(CallRefusedError) as refused:
        check_wish(wish, stay, NOON)

    assert refused.value.code is ErrorCode.CONFLICT


@pytest.mark.parametrize(
    "stay",
    [
        a_session(SessionState.RESERVED),
        replace(a_session(SessionState.PARKED), expected_minutes=25 * 1440),
    ],
    ids=["held for more than a week", "for more than a month"],
)
def test_a_lot_is_not_asked_for_more_than_anybody_gets(stay: Session) -> None:
    with pytest.raises(CallRefusedError) as refused:
        check_wish(EXTEND, stay, NOON)

    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_REQUEST, "minutes")


def test_what_somebody_else_extended_at_the_lot_is_no_answer() -> None:
    theirs = Said("session_extended", "key:1", "{}")
    ours = Said("session_extended", "cloud", "{}")

    assert not is_done(EXTEND, SessionState.PARKED, [theirs])
    assert is_done(EXTEND, SessionState.PARKED, [theirs, ours])
