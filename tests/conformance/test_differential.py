"""The same requests to a lot and to the cloud of a twin world are answered the same."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parkgraph.model.sessions import SessionState
from tests.conformance.callers import AS_JSON, LOTS, SESSIONS
from tests.conformance.differences import CODES, without_own
from tests.conformance.test_errors import BAD, TRAPS
from tests.conformance.world import LOT, Template, World, a_world
from tests.fakes import until

pytestmark = pytest.mark.hurried

Step = tuple[Any, ...]
BODIES: Final = [change for change, _ in BAD]
TEXTS: Final = list(TRAPS.values())
CHANGES: Final = {"book", "end", "cancel", "extend", "drive", "time"}

refs = st.integers(-1, 2)
minutes = st.sampled_from([-1, 0, 1, 30, 90, 10_080, 10_081, 43_200, 43_201])
steps = st.one_of(
    st.tuples(st.just("book"), st.integers(0, 2), st.booleans(), st.none() | minutes),
    st.tuples(st.sampled_from(["read", "end", "cancel", "drive"]), refs),
    st.tuples(st.just("extend"), refs, minutes),
    st.tuples(st.just("list"), st.sampled_from(["", "status=active", "status=void", "limit=1"])),
    st.tuples(st.just("lot"), st.sampled_from(["", "/rates", "/availability", "/quote"])),
    st.tuples(st.just("quote"), minutes, st.booleans()),
    st.tuples(st.just("bad"), st.integers(0, len(BAD) - 1)),
    st.tuples(st.just("trap"), st.integers(0, len(TRAPS) - 1)),
    st.tuples(st.just("time"), st.sampled_from([1, 59, 600, 1801])),
)


class Twin:
    """One of two equal worlds, of which one side is asked."""

    def __init__(self, world: World, wire: httpx.AsyncClient) -> None:
        self._world = world
        self._wire = wire
        self._stays: list[str] = []

    async def does(self, step: Step, number: int) -> tuple[int, Any]:
        """Return how `step` is answered, with status 0 where nobody is asked."""
        self._world.clock.advance(1)  # so that no two stays are booked at one time
        answer = await self._asks(step, f"request {number}")
        if step[0] in CHANGES:
            await self._settles()
        if answer is None:
            return 0, None
        if step[0] == "book" and answer.status_code == 201:
            self._stays.append(answer.json()["session"]["id"])
        return answer.status_code, answer.json()

    async def _asks(self, step: Step, key: str) -> httpx.Response | None:
        match step:
            case "drive", ref:
                await self._drives(ref)
                return None
            case "time", seconds:
                await self._world.pass_time(seconds)
                return None
            case (("book" | "end" | "cancel" | "extend"), *_):
                return await self._changes(step, key)
            case (("bad" | "trap"), _):
                return await self._errs(step)
            case _:
                return await self._reads(step)

    async def _reads(self, step: Step) -> httpx.Response:
        match step:
            case "read", ref:
                return await self._wire.get(f"{SESSIONS}/{self._of(ref)}")
            case "list", filters:
                return await self._wire.get(f"{SESSIONS}?{filters}")
            case "lot", end:
                return await self._wire.get(f"{LOTS}/{LOT}{end}")
            case _:
                query = {"expected_duration_minutes": step[1], "autonomous": step[2]}
                return await self._wire.get(f"{LOTS}/{LOT}/quote", params=query)

    async def _errs(self, step: Step) -> httpx.Response:
        if step[0] == "trap":
            return await self._wire.post(SESSIONS, content=TEXTS[step[1]], headers=AS_JSON)
        body = {"lot_id": LOT, "plate": "CAR 9"} | BODIES[step[1]]
        return await self._wire.post(SESSIONS, json=body)

    async def _changes(self, step: Step, key: str) -> httpx.Response:
        match step:
            case "book", vehicle, autonomous, duration:
                body: dict[str, Any] = {"lot_id": LOT, "plate": f"CAR {vehicle}"}
                body["vehicle"] = {"autonomous": autonomous}
                if duration is not None:
                    body["expected_duration_minutes"] = duration
                return await self._change(SESSIONS, key, body)
            case "extend", ref, more:
                path = f"{SESSIONS}/{self._of(ref)}/extend"
                return await self._change(path, key, {"minutes": more})
            case _:
                return await self._change(f"{SESSIONS}/{self._of(step[1])}/{step[0]}", key)

    async def _change(self, path: str, key: str, body: Any = None) -> httpx.Response:
        return await self._wire.post(path, json=body, headers={"Idempotency-Key": key})

    async def _drives(self, ref: int) -> None:
        if not 0 <= ref < len(self._stays):
            return
        stay = self._stays[ref]
        match SessionState(self._world.state_at_lot(stay)):
            case SessionState.RESERVED:
                await self._world.arrives(stay)
            case SessionState.ARRIVING:
                await self._world.crosses(stay)
            case SessionState.PARKED:
                await self._world.drives_to_exit(stay)
            case SessionState.LEAVING:
                await self._world.leaves(stay)
            case _:
                pass

    async def _settles(self) -> None:
        """Let both sides have done what is due."""
        await until(lambda: not self._is_due(), every_seconds=0.5)
        if self._wire.base_url.host == "cloud":
            await self._world.level()

    def _is_due(self) -> bool:
        now = self._world.clock.now()
        query = "SELECT MIN(hold_until) FROM sessions WHERE state = 'reserved'"
        first = self._world.lot.one(query)
        return first is not None and datetime.fromisoformat(first) < now

    def _of(self, ref: int) -> str:
        return self._stays[ref] if 0 <= ref < len(self._stays) else "sess_unknown"


def only_differ_as_they_may(
    one: tuple[int, Any], other: tuple[int, Any], step: Step, before: Sequence[Step]
) -> bool:
    """Compare two answers; say whether both worlds are still the same after them."""
    codes = {
        answer[1]["error"]["code"]
        for answer in (one, other)
        if isinstance(answer[1], dict) and "error" in answer[1]
    }
    if codes & CODES.keys():
        return one[0] == other[0]
    told = f"{step} after {list(before)}"
    assert one[0] == other[0], f"{told}: {one} at the lot, {other} in the cloud"
    assert without_own(one[1]) == without_own(other[1]), told
    return True


# A failure is not made shorter: each try takes two worlds.
@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=st.lists(steps, min_size=4, max_size=14))
async def test_lot_and_cloud_answer_the_same(
    tmp_path_factory: pytest.TempPathFactory, template: Template, sequence: list[Step]
) -> None:
    folder = Path(tmp_path_factory.mktemp("twins"))
    async with AsyncExitStack() as stack:
        twins = []
        for side in ("lot", "cloud"):
            world = await stack.enter_async_context(a_world(folder / side, template))
            wire = await stack.enter_async_context(world.http(side, "waymo"))
            twins.append(Twin(world, wire))
        lot, cloud = twins

        for number, step in enumerate(sequence):
            at_lot, in_cloud = await lot.does(step, number), await cloud.does(step, number)
            if not only_differ_as_they_may(at_lot, in_cloud, step, sequence[:number]):
                break
