"""A lot and the cloud that replicate to each other; one of them answers on a real socket."""

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp

from parkgraph.front.app import FrontDoor
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.model.records import Direction
from parkgraph.runtime.web import listen, serve, url
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.store.passages import Admitted, Present, RecordFindings
from tests.builders import a_gate, an_admission, typed
from tests.conformance.world import LOT, Template, World, open_world
from tests.fakes import FakeClock, HurriedLoop, randomness

# What the keys are called there. The cloud's is the configured one: no call can delete it.
OPERATORS: Final = {"lot": "operator", "cloud": "configured"}
EVERY_SECONDS: Final = 0.05
LENDS_EVERY: Final = 5
_AT_HAND: Final = """
    SELECT session, state, gate_code FROM sessions
     WHERE state IN ('reserved', 'arriving', 'parked', 'leaving') ORDER BY RANDOM() LIMIT 1
"""


class GenerousClock(FakeClock):
    """A clock by which each call comes a minute after the one before, so that none is limited."""

    def boot_seconds(self) -> float:
        self._boot_seconds += 60.0
        return super().boot_seconds()


@dataclass(frozen=True, slots=True)
class Served:
    """Where a side answers, and a key that may do everything there."""

    url: str
    key: str


@dataclass
class _Run:
    """What the thread of the server tells, and is told."""

    served: Future[Served] = field(default_factory=Future)
    loop: asyncio.AbstractEventLoop | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.contextmanager
def serving(side: str, folder: Path, *, seed: int) -> Iterator[Served]:
    """Serve `side` of a lot and a cloud in `folder`, while cars come and go at the lot."""
    template = Template(folder / "template")
    template.folder.mkdir()
    world = folder / "world"
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        runner.run(template.copy_to(world))
    run = _Run()
    with ThreadPoolExecutor(1, thread_name_prefix=side) as threads:
        running = threads.submit(asyncio.run, _serve(run, side, world, template.keys, seed))
        try:
            first: tuple[Future[Any], ...] = (run.served, running)
            wait(first, return_when=FIRST_COMPLETED)
            if running.done():
                running.result()
            yield run.served.result()
        finally:
            if run.loop and not running.done():
                run.loop.call_soon_threadsafe(run.is_over.set)
    running.result()


async def _serve(run: _Run, side: str, folder: Path, keys: dict[str, str], seed: int) -> None:
    run.loop = asyncio.get_running_loop()
    listener = listen("127.0.0.1", 0)
    async with open_world(folder, seed=seed, keys=keys) as world:
        await world.hears("up")
        tasks = (
            world.group.create_task(serve(_door(world, side, seed), listener)),
            world.group.create_task(_drive(world, seed)),
        )
        run.served.set_result(Served(url(listener), world.keys[OPERATORS[side]]))
        await run.is_over.wait()
        for task in tasks:
            task.cancel()


def _door(world: World, side: str, seed: int) -> ASGIApp:
    clock, random = GenerousClock(), randomness(seed).randbytes
    if side == "lot":
        door = FrontDoor(world.lot_keys, clock=clock, random=random)
        return door.app(world.gateway.front, SHARED, elsewhere=OF_THE_CLOUD)
    door = FrontDoor(world.core.keys, clock=clock, random=random)
    return door.app(world.core.fleet, (*SHARED, *OF_THE_CLOUD))


async def _drive(world: World, seed: int) -> None:
    """Let cars come in, turn back and leave, so that stays are in every state and spaces free."""
    chance = randomness(seed)
    for times in itertools.count():
        await asyncio.sleep(EVERY_SECONDS)
        world.clock.advance(EVERY_SECONDS)
        if times % LENDS_EVERY == 0:
            await world.core.allotments.tend()
        with contextlib.closing(sqlite3.connect(world.lot.path)) as connection:
            stay = connection.execute(_AT_HAND).fetchone()
        if stay is None:
            continue
        session, state, code = stay
        is_outside = state in {"reserved", "arriving"}
        gate = a_gate(Direction.ENTRY if is_outside else Direction.EXIT, lot=LOT)
        admitted = await world.lot.submit(Present(gate, f"pres_{session}", typed(code)))
        if isinstance(admitted, Admitted) and chance.random() < 0.9:
            effect = Effect.CROSSED if chance.random() < 0.8 else Effect.BACKED_OUT
            admission = an_admission(admitted.admission, session=admitted.session)
            await world.lot.submit(RecordFindings(gate, [Finding(effect, admission)]))
