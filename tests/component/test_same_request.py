"""The same request while the first is on its way: how long one waits for its answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import pytest

from parkgraph.journal.ledger import Command, Outcome
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_lot
from tests.fakes import OpenLedger, open_ledger
from tests.front_doors import SESSIONS, a_caller, a_request, error_of

pytestmark = pytest.mark.hurried

KEY: Final = {"Idempotency-Key": "one"}


@dataclass(frozen=True, slots=True)
class SlowLedger:
    """A ledger that decides nothing until `may_go_on`, as on a disk that hangs."""

    ledger: OpenLedger
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        self.has_begun.set()
        await self.may_go_on.wait()
        return await self.ledger.submit(command, urgent=urgent)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[SlowLedger]:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        yield SlowLedger(ledger)


async def _booked(caller: httpx.AsyncClient) -> httpx.Response:
    return await caller.post(SESSIONS, json=a_request(), headers=KEY)


async def test_who_sends_a_request_again_hears_after_five_seconds_that_it_is_on_its_way(
    slow: SlowLedger,
) -> None:
    time = asyncio.get_running_loop().time
    async with a_caller(slow, slow.ledger.reader) as caller, asyncio.TaskGroup() as group:
        first = group.create_task(_booked(caller))
        await slow.has_begun.wait()
        began = time()
        again = await _booked(caller)
        waited = time() - began
        slow.may_go_on.set()

    error = error_of(again)
    assert (again.status_code, error["code"]) == (409, "CONFLICT")
    assert error["field"] == "Idempotency-Key"
    assert waited == pytest.approx(5, abs=1)
    assert first.result().status_code == 201


async def test_who_waited_for_the_same_request_has_its_answer(slow: SlowLedger) -> None:
    async with a_caller(slow, slow.ledger.reader) as caller, asyncio.TaskGroup() as group:
        first = group.create_task(_booked(caller))
        await slow.has_begun.wait()
        again = group.create_task(_booked(caller))
        await asyncio.sleep(3)
        slow.may_go_on.set()

    assert (first.result().status_code, again.result().status_code) == (201, 201)
    assert again.result().content == first.result().content
    assert again.result().headers["Idempotent-Replayed"] == "true"
