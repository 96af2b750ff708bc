"""A lot and the cloud, real but for sockets, which replicate to each other; and what happens there.

Both are built once, up to where the cloud has what the lot lends and the lot knows the keys. Each
test begins with a copy of that.
"""

import asyncio
import contextlib
import functools
import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from starlette.routing import Router

from parkgraph.client import Outside, ParkGraph
from parkgraph.front.app import FrontDoor
from parkgraph.front.key_facts import LedgerKeys
from parkgraph.front.keys import FixedKeys, configured_key, id_of
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.journal.apply import apply
from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.ledger import JournalLedger
from parkgraph.journal.messages import LotState, state_topic
from parkgraph.model.records import (
    Direction,
    LaneDescription,
    LotDescribed,
    SessionVoided,
    SpaceClass,
    SpaceDescription,
)
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import Reader, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.core import Core
from parkgraph_edge.gateway import Gateway, Surroundings, open_books
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.store.passages import Admitted, Present, RecordFindings
from parkgraph_edge.store.terms import LotTerms
from tests.builders import CODE_KEY, RATES, a_gate, an_admission, typed
from tests.conformance.wire import Wire
from tests.fake_link import BrokerChannel, FakeBroker, is_copied
from tests.fakes import (
    FakeClock,
    OpenLedger,
    Recording,
    a_cloud_database,
    a_database,
    randomness,
    until,
)
from tests.front_doors import KEY, PLENTY

# The lot of the example in the public document.
LOT: Final = "uuid-of-lot"
DOWN: Final = stream_of_cloud(LOT)
WAYMO: Final = "fleet_waymo_sf"
ZOOX: Final = "fleet_zoox"
HERE: Final = (37.7749, -122.4194)
LENT: Final = {SpaceClass.AUTONOMOUS: 2, SpaceClass.STANDARD: 3}
LOAN: Final = timedelta(hours=24)
SPACES: Final = {
    **{f"A-{number}": SpaceClass.AUTONOMOUS for number in range(1, 5)},
    "H-1": SpaceClass.ACCESSIBLE,
    **{f"S-{number}": SpaceClass.STANDARD for number in range(1, 7)},
}
# What keys are asked for, by the name that tests give them.
KEYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "operator": {"plan": "operator", "requests_per_minute": PLENTY},
    "waymo": {"fleet_id": WAYMO, "requests_per_minute": PLENTY},
    "zoox": {"fleet_id": ZOOX, "requests_per_minute": PLENTY},
    "starter": {"fleet_id": WAYMO, "plan": "starter", "requests_per_minute": PLENTY},
    "test": {"fleet_id": WAYMO, "test": True, "requests_per_minute": PLENTY},
    "revoked": {"fleet_id": WAYMO, "requests_per_minute": PLENTY},
    "public": {"fleet_id": WAYMO},
    "sandbox": {"fleet_id": WAYMO, "test": True},
}
_STATE: Final = LotState(link="up", spaces=len(SPACES)).model_dump_json()


def a_description(**changes: Any) -> LotDescribed:
    """Return the lot of the example, a simulated one that takes live keys too."""
    description = LotDescribed(
        name="Elm Street Garage",
        time_zone="America/Los_Angeles",
        currency="USD",
        spaces=tuple(SpaceDescription(space=s, space_class=c) for s, c in SPACES.items()),
        lanes=(
            LaneDescription(lane="north-in", direction=Direction.ENTRY),
            LaneDescription(lane="south-out", direction=Direction.EXIT),
        ),
        latitude=HERE[0],
        longitude=HERE[1],
        is_synthetic=True,
        takes_live_keys=True,
        rates=RATES,
    )
    return description.model_copy(update=changes)


# Lots that the cloud knows of beside it, by journals that it has copies of.
OTHER_LOTS: Final[Mapping[str, LotDescribed]] = {
    "oak-street": a_description(name="Oak Street", latitude=37.7839, is_synthetic=False),
    "manual-street": a_description(
        name="Manual Street", latitude=37.7759, lanes=a_description().lanes[1:]
    ),
    "sandbox-street": a_description(
        name="Sandbox", latitude=48.1, longitude=11.6, takes_live_keys=False
    ),
    "san-jose": a_description(name="San José", latitude=37.3382, longitude=-121.8863),
}


@dataclass
class Broker(FakeBroker):
    """A broker that can be out of the lot's reach; it tells the cloud so, as a will does."""

    is_cut: bool = False
    lots: list[BrokerChannel] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def of_cloud(self) -> AsyncIterator[Channel]:
        with contextlib.closing(_Closing(BrokerChannel(self))) as closing:
            yield closing.channel

    @contextlib.asynccontextmanager
    async def of_lot(self, **_: Any) -> AsyncIterator[Channel]:
        if self.is_cut:
            raise UnavailableError("nobody is there")
        with contextlib.closing(_Closing(BrokerChannel(self))) as closing:
            self.lots.append(closing.channel)
            yield closing.channel

    def cut_off(self) -> None:
        """Part the lot from the rest of the world."""
        self.is_cut = True
        for channel in self.lots:
            channel.hang_up()
        self.lots.clear()
        self.say(Message(state_topic(LOT), LotState(link="down").model_dump_json().encode()))


@dataclass(frozen=True, slots=True)
class _Closing:
    channel: BrokerChannel

    def close(self) -> None:
        self.channel.hang_up()


@dataclass(frozen=True, slots=True)
class World:
    """Lot, cloud, what is between them, and all who call."""

    clock: FakeClock
    broker: Broker
    lot: OpenLedger
    gateway: Gateway
    lot_keys: LedgerKeys
    core: Core
    cloud_path: Path
    apps: Mapping[str, Router]
    group: asyncio.TaskGroup
    keys: dict[str, str]
    away: set[str] = field(default_factory=set)

    def http(self, side: str, key: str | None, *, host: str = "127.0.0.1") -> httpx.AsyncClient:
        """Return a caller of `side` who sends the key with that name, if any."""
        return httpx.AsyncClient(
            transport=Wire(self.group, self.apps, self.away, host),
            base_url=f"http://{side}",
            headers={"Authorization": f"Bearer {self.keys[key]}"} if key else {},
        )

    def park(self, side: str, key: str, **more: Any) -> ParkGraph:
        """Return the SDK for `side`. While it waits, time goes on."""
        outside = Outside(
            clock=self.clock.boot_seconds,
            sleep=self._sleep,
            random=lambda: 0.5,
            transport=Wire(self.group, self.apps, self.away),
        )
        return ParkGraph(f"http://{side}", self.keys[key], outside=outside, **more)

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(seconds)

    # The link

    def cut_off(self) -> None:
        self.broker.cut_off()

    def connect(self) -> None:
        self.broker.is_cut = False

    async def level(self) -> None:
        """Wait until lot and cloud have everything of each other."""
        await until(self._is_level, every_seconds=0.1)

    def _is_level(self) -> bool:
        return is_copied(LOT, self.lot.path, self.cloud_path) and is_copied(
            DOWN, self.cloud_path, self.lot.path
        )

    async def hears(self, link: str) -> None:
        """Wait until the cloud knows that the lot's link is up, or down, as of now.

        So that nobody sits out the lot's pause, it says now what it would say then.
        """
        now = self.clock.now().isoformat()

        def is_so() -> bool:
            told = self.of_cloud("SELECT body, received_at FROM lot_states")
            state = LotState.model_validate_json(told[0]) if told else None
            if state and state.link == link and (link == "down" or told[1] == now):
                return True
            if link == "up" and self.broker.lots:
                self.broker.publish(Message(state_topic(LOT), _STATE.encode(), is_retained=True))
            return False

        await until(is_so, every_seconds=0.05)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and both sides do what is due then."""
        self.clock.advance(seconds)
        if not self.broker.is_cut:
            await self.hears("up")
            await self.level()

    def of_cloud(self, query: str, *parameters: Any) -> Any:
        """Return the first row of `query` in the cloud's database."""
        with contextlib.closing(sqlite3.connect(self.cloud_path)) as connection:
            return connection.execute(query, parameters).fetchone()

    # What vehicles do. Who has a gate code comes in, whether or not the lot knows of a booking.

    async def arrives(self, session: str) -> None:
        await self._present(session, Direction.ENTRY)

    async def crosses(self, session: str, direction: Direction = Direction.ENTRY) -> None:
        query = "SELECT admission FROM admissions WHERE outcome IS NULL AND session = ?"
        admission = an_admission(self.lot.one(query, session), session=session)
        finding = Finding(Effect.CROSSED, admission)
        await self.lot.submit(RecordFindings(a_gate(direction, lot=LOT), [finding]))

    async def parks(self, session: str) -> None:
        await self.arrives(session)
        await self.crosses(session)

    async def drives_to_exit(self, session: str) -> None:
        await self._present(session, Direction.EXIT)

    async def leaves(self, session: str) -> None:
        await self.drives_to_exit(session)
        await self.crosses(session, Direction.EXIT)

    async def bring(self, session: str, state: str) -> None:
        """Bring a stay that is reserved to `state`, so that both sides know."""
        match state:
            case "arriving":
                await self.arrives(session)
            case "parked" | "leaving" | "completed":
                await self.parks(session)
            case "no_show":
                self.clock.advance(1801)
                await until(lambda: self.state_at_lot(session) == "no_show", every_seconds=1.0)
            case "void":
                await self.lot.submit(Recording([SessionVoided(session=session)]))
        if state in {"leaving", "completed"}:
            await self.drives_to_exit(session)
        if state == "completed":
            await self.crosses(session, Direction.EXIT)
        await self.level()

    def state_at_lot(self, session: str) -> str:
        return str(self.lot.one("SELECT state FROM sessions WHERE session = ?", session))

    async def _present(self, session: str, direction: Direction) -> None:
        code = self.lot.one("SELECT gate_code FROM sessions WHERE session = ?", session)
        gate = a_gate(direction, lot=LOT)
        admitted = await self.lot.submit(Present(gate, f"pres_{session}", typed(code)))
        assert isinstance(admitted, Admitted), admitted


@contextlib.asynccontextmanager
async def open_world(
    folder: Path, *, seed: int, keys: dict[str, str] | None = None
) -> AsyncIterator[World]:
    """Open lot and cloud in `folder`, linked; `keys` are known there by their names."""
    clock, broker = FakeClock(), Broker()
    async with (
        _a_database(folder / "lot.db", is_cloud=False) as (lot_writer, lot_reader),
        _a_database(folder / "cloud.db", is_cloud=True) as (cloud_writer, cloud_reader),
    ):
        ledger, gateway, lot_keys = await _lot(folder, clock, broker, lot_writer, lot_reader, seed)
        configured = configured_key(KEY, requests_per_minute=PLENTY)
        random = randomness(seed + 500_000).randbytes
        core = Core(cloud_writer, cloud_reader, configured=configured, clock=clock, random=random)
        await core.ready()
        await lot_keys.refresh(lot_reader)
        apps = _apps(gateway, lot_keys, core, clock, seed)
        assert gateway.changes is not None
        async with asyncio.TaskGroup() as group:
            loops = gateway.loops(_state, []) | {
                "keys of the lot": lot_keys.follow(gateway.changes, lot_reader)
            }
            tasks = [
                group.create_task(loop, name=name)
                for name, loop in (*loops.items(), *core.loops(broker.of_cloud).items())
            ]
            yield World(
                clock,
                broker,
                ledger,
                gateway,
                lot_keys,
                core,
                folder / "cloud.db",
                apps,
                group,
                keys if keys is not None else {"configured": KEY},
            )
            for task in tasks:
                task.cancel()


@contextlib.asynccontextmanager
async def a_world(folder: Path, template: "Template", *, seed: int = 1) -> AsyncIterator[World]:
    """Open a copy of the world that everybody begins with."""
    await template.copy_to(folder)
    async with open_world(folder, seed=seed, keys=dict(template.keys)) as world:
        await world.hears("up")
        yield world


@dataclass
class Template:
    """The world that everybody begins with, made when it is first asked for."""

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)

    async def copy_to(self, folder: Path) -> None:
        if not self.keys:
            async with open_world(self.folder, seed=0) as world:
                await _begin(world)
            self.keys = world.keys
        self._copy_to(folder)

    def _copy_to(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name in ("lot.db", "cloud.db"):
            shutil.copyfile(self.folder / name, folder / name)
        with contextlib.closing(sqlite3.connect(folder / "cloud.db")) as connection:
            connection.execute("DELETE FROM lot_states")  # until the lot is heard here
            connection.commit()


async def _begin(world: World) -> None:
    """Let the cloud know the lot and what it lends, and the lot the keys."""
    await until(lambda: world.of_cloud("SELECT COUNT(*) FROM lot_states")[0] == 1)
    lent = "SELECT COUNT(*) FROM sessions WHERE state = 'allotted'"
    await until(lambda: world.of_cloud(lent)[0] == sum(LENT.values()), every_seconds=0.5)
    for lot, description in OTHER_LOTS.items():
        tell = functools.partial(apply, lot, world.clock.now().isoformat(), description)
        await world.core.allotments._writer.submit(tell)
    async with world.http("cloud", "configured") as operator:
        for name, terms in KEYS.items():
            made = await operator.post("/api/v1/api-keys", json={"name": name, **terms})
            assert made.status_code == 201, made.text
            world.keys[name] = made.json()["key"]
        revoked = id_of(world.keys["revoked"])
        await until(lambda: world.lot_keys.find(revoked) is not None, every_seconds=0.5)
        await operator.delete(f"/api/v1/api-keys/{revoked}")
    await until(lambda: world.lot_keys.find(revoked) is None, every_seconds=0.5)
    await world.level()


@contextlib.asynccontextmanager
async def _a_database(path: Path, *, is_cloud: bool) -> AsyncIterator[tuple[Writer, Reader]]:
    writer = Writer(a_cloud_database(path) if is_cloud else a_database(path), path)
    try:
        async with open_reader(path) as reader:
            yield writer, reader
    finally:
        await writer.close()


async def _lot(
    folder: Path, clock: FakeClock, broker: Broker, writer: Writer, reader: Reader, seed: int
) -> tuple[OpenLedger, Gateway, LedgerKeys]:
    description = a_description()
    journal = JournalLedger(writer, LOT, clock=clock, random=randomness(seed).randbytes)
    books = await open_books(writer, reader, journal, LOT, description)
    terms = LotTerms(LOT, RATES, "north-in", CODE_KEY, allotments=LENT, loan=LOAN)
    around = Surroundings(clock, broker.of_lot, frozenset)
    gateway = Gateway(terms, description, books, around)
    path = folder / "lot.db"
    return (
        OpenLedger(journal, writer, reader, path, LOT),
        gateway,
        LedgerKeys(FixedKeys({}), LOT),
    )


def _apps(
    gateway: Gateway, lot_keys: LedgerKeys, core: Core, clock: FakeClock, seed: int
) -> dict[str, Router]:
    random = randomness(seed + 900_000).randbytes
    of_lot = FrontDoor(lot_keys, clock=clock, random=random)
    of_cloud = FrontDoor(core.keys, clock=clock, random=random)
    return {
        "lot": of_lot.app(gateway.front, SHARED, elsewhere=OF_THE_CLOUD),
        "cloud": of_cloud.app(core.fleet, (*SHARED, *OF_THE_CLOUD)),
    }


def _state(head_seq: int) -> LotState:
    return LotState(link="up", head_seq=head_seq, spaces=len(SPACES))
