"""The composition root of the gateway: opens what it needs and starts every loop."""

import asyncio
import contextlib
import functools
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from parkgraph.front.app import FrontDoor
from parkgraph.front.entrance import Entrance
from parkgraph.front.key_facts import LedgerKeys
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.journal.ledger import JournalLedger, Ledger
from parkgraph.journal.messages import LotState
from parkgraph.journal.tail import Tail
from parkgraph.model.records import Direction, LaneDescription, LotDescribed, SpaceDescription
from parkgraph.model.sites import LiveSite, Site, SyntheticSite, site_of
from parkgraph.runtime import logs, loops, mqtt, service
from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph.runtime.configuration_values import RemoteAddress
from parkgraph.runtime.disk import MEBIBYTE, DiskBudget, Level
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.secret_file import kept_secret
from parkgraph.runtime.signatures import PublicKeys
from parkgraph.runtime.sqlite import open_reader, translated
from parkgraph.runtime.writer import Writer
from parkgraph_edge.devices.barrier import Barrier
from parkgraph_edge.devices.modbus_barrier import live_barrier, simulated_barrier
from parkgraph_edge.devices.space_sensors import SpaceSensors
from parkgraph_edge.gateway import Books, Gateway, LedgerIsBackError, Surroundings, open_books
from parkgraph_edge.lanes.lane import Eyes, LaneConfiguration, LaneLoop
from parkgraph_edge.lanes.occupancy import Occupancy
from parkgraph_edge.settings import EdgeSettings
from parkgraph_edge.store import folder
from parkgraph_edge.store.terms import LotTerms
from parkgraph_edge.sync.link import Connect
from parkgraph_edge.vision.supervisor import Vision

log = structlog.get_logger(__name__)

LEDGER_RETRY_SECONDS: Final = 30.0
# A lane that has not looked for so long is not alive.
ALIVE_WITHIN_SECONDS: Final = 5.0
# A disk may hang for a while: exits go on, and a new start would hang before it has any.
ANSWERED_WITHIN_SECONDS: Final = 60.0
WATCHDOG_SECONDS: Final = 1.0
# Whatever keeps the ledger shut, the exits have to open.
_NO_LEDGER: Final = (UnavailableError, CorruptError, sqlite3.Error)


async def run(settings: EdgeSettings) -> None:
    """Run the gateway until a signal comes.

    Raises:
        RefusedError: the address is in use, or another gateway works on the same folder.
    """
    clock = SystemClock()
    entrance = Entrance(settings.api, clock=clock, random=os.urandom)
    budget = _budget(settings)
    async with _books(settings, clock, budget) as (books, reason):
        sensors = _occupancy(settings)
        vision = Vision(
            {name: lane.camera for name, lane in settings.lanes.items() if lane.camera},
            detector=settings.vision.detector,
            reader=settings.vision.reader,
            countries=settings.vision.countries,
        )
        around = Surroundings(clock, _connect(settings), sensors.occupied, budget)
        trouble = functools.partial(_trouble_of_state, budget, books.tail if books else None)
        terms = _terms(settings, has_ledger=books is not None)
        gateway = Gateway(terms, _description(settings), books, around, reason=reason)
        lanes = [_lane(settings, name, vision, gateway.ledger, clock) for name in settings.lanes]
        keys = LedgerKeys(entrance.configured_key(), settings.lot.id)
        door = FrontDoor(keys, clock=clock, random=os.urandom)
        work = {
            **entrance.loops(door.app(gateway.front, SHARED, elsewhere=OF_THE_CLOUD)),
            "vision": vision.run(),
            "space sensors": sensors.run(),
            "disk": budget.run(),
            "watchdog": _watch(lanes, books.writer if books else None, clock),
            **gateway.loops(_state(settings, lanes, vision, sensors, trouble, clock), lanes),
        }
        if books and gateway.changes:
            await keys.refresh(books.reader)
            work["keys"] = keys.follow(gateway.changes, books.reader)
        else:
            work["ledger"] = _wait_for_ledger(settings, lanes, clock, budget)
        log.info("gateway_started", lot=settings.lot.id, listen=str(settings.api.listen))
        service.ready()
        await loops.run(work)
        service.notify("STOPPING=1")
    log.info("gateway_stopped", lot=settings.lot.id)


@contextlib.asynccontextmanager
async def _books(
    settings: EdgeSettings, clock: Clock, budget: DiskBudget
) -> AsyncIterator[tuple[Books | None, str]]:
    """Open the ledger; where it cannot be opened, give the reason, so that exits go on."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            books = await stack.enter_async_context(_open(settings, clock, budget))
            _gate_code_key(settings)  # its faults show here
        except _NO_LEDGER as error:
            await stack.aclose()
            log.error("exit_only", reason=str(error))  # noqa: TRY400 (one line is enough)
            yield None, str(error)
            return
        yield books, ""


@contextlib.asynccontextmanager
async def _open(settings: EdgeSettings, clock: Clock, budget: DiskBudget) -> AsyncIterator[Books]:
    lot = settings.lot.id
    async with (
        _writer(settings, clock, budget) as (writer, path, tail),
        open_reader(path) as reader,
    ):
        ledger = JournalLedger(writer, lot, clock=clock, random=os.urandom)
        yield await open_books(writer, reader, ledger, lot, _description(settings), tail=tail)


@contextlib.asynccontextmanager
async def _writer(
    settings: EdgeSettings, clock: Clock, budget: DiskBudget
) -> AsyncIterator[tuple[Writer, Path, Tail]]:
    """Keep others out of the folder, and write to the ledger in it and to its tail."""
    path = settings.state.directory / folder.LEDGER_FILE
    with folder.own(settings.state.directory):
        budget.look()
        connection = folder.open_database(path)
        try:
            file, tail = folder.open_tail(settings, clock)
            with translated(path):
                tail.reconcile(connection)
        except BaseException:
            connection.close()
            raise
        writer = Writer(connection, path, after_commit=tail.after_commit, on_full=budget.make_room)
        try:
            yield writer, path, tail
        finally:
            await writer.close()
            file.close()
            log.info("ledger_closed", commits=writer.commits)


def _budget(settings: EdgeSettings) -> DiskBudget:
    def quieten(level: Level) -> None:
        logs.leave_out_details(level > Level.PLENTY)

    return DiskBudget(
        settings.state.directory,
        reserve_bytes=settings.state.reserve_mebibytes * MEBIBYTE,
        ballast_bytes=settings.state.ballast_mebibytes * MEBIBYTE,
        on_level=quieten,
    )


async def _wait_for_ledger(
    settings: EdgeSettings, lanes: list[LaneLoop], clock: Clock, budget: DiskBudget
) -> None:
    """Try the ledger now and then; when it is back, record what lanes saw and start anew."""
    while True:
        await asyncio.sleep(LEDGER_RETRY_SECONDS)
        with contextlib.suppress(*_NO_LEDGER):
            async with _open(settings, clock, budget) as books:
                if not books.is_recovering:
                    for lane in lanes:
                        await lane.hand_over(books.ledger)
                raise LedgerIsBackError("the ledger can be opened again; starting anew")


def _connect(settings: EdgeSettings) -> Connect | None:
    cloud = settings.cloud
    if cloud is None:
        return None
    believe = PublicKeys(cloud.public_keys).believe
    return functools.partial(mqtt.connect, str(cloud.broker), is_believed=believe)


def _gate_code_key(settings: EdgeSettings) -> bytes:
    return kept_secret(settings.state.directory / "gate-code.key", os.urandom)


def _description(settings: EdgeSettings) -> LotDescribed:
    return LotDescribed(
        name=settings.lot.name,
        time_zone=settings.lot.time_zone,
        currency=settings.lot.currency,
        spaces=tuple(
            SpaceDescription(space=space, space_class=space_class)
            for space_class, ids in settings.spaces_by_class.items()
            for space in ids
        ),
        lanes=tuple(
            LaneDescription(lane=name, direction=lane.direction)
            for name, lane in settings.lanes.items()
        ),
        latitude=settings.lot.latitude,
        longitude=settings.lot.longitude,
        is_synthetic=settings.lot.synthetic,
        takes_live_keys=settings.lot.live_keys,
        rates=settings.rate_card,
    )


def _terms(settings: EdgeSettings, *, has_ledger: bool) -> LotTerms:
    entries = [n for n, lane in settings.lanes.items() if lane.direction is Direction.ENTRY]
    lent = settings.allotments
    return LotTerms(
        lot=settings.lot.id,
        rates=settings.rate_card,
        entry_lane=min(entries),
        # Without a ledger nothing is booked, so no code is issued.
        code_key=_gate_code_key(settings) if has_ledger else b"",
        allotments=lent.by_class if lent else {},
        loan=timedelta(hours=lent.hours if lent else 0),
    )


def _lane(
    settings: EdgeSettings, name: str, vision: Vision, ledger: Ledger, clock: Clock
) -> LaneLoop:
    lane = settings.lanes[name]
    return LaneLoop(
        LaneConfiguration(settings.lot.id, name, lane.direction, lane.open_seconds),
        _barrier(_site(settings), lane.barrier, clock),
        Eyes(
            newest=lambda: vision.newest(name),
            attend=lambda seconds: vision.attend(name, seconds),
        ),
        ledger,
        clock=clock,
        random=os.urandom,
    )


def _site(settings: EdgeSettings) -> Site:
    lot = settings.lot
    return site_of(lot.id, is_synthetic=lot.synthetic, takes_live_keys=lot.live_keys)


def _barrier(site: Site, address: RemoteAddress, clock: Clock) -> Barrier:
    match site:
        case LiveSite():
            return live_barrier(site, address.host, address.port, clock)
        case SyntheticSite():
            return simulated_barrier(site, address.host, address.port, clock)


def _occupancy(settings: EdgeSettings) -> Occupancy:
    if settings.space_sensors is None:
        return Occupancy(None)
    address = settings.space_sensors.address
    spaces = [space for ids in settings.spaces_by_class.values() for space in ids]
    return Occupancy(SpaceSensors(address.host, address.port, spaces))


def _state(
    settings: EdgeSettings,
    lanes: list[LaneLoop],
    vision: Vision,
    sensors: Occupancy,
    trouble: Callable[[], dict[str, str]],
    clock: Clock,
) -> Any:
    def state(head_seq: int) -> LotState:
        told = {f"barrier {lane.name}": lane.away or lane.trouble for lane in lanes}
        away = {device: why for device, why in told.items() if why}
        away |= {f"camera {name}": why for name, why in vision.cameras_in_trouble().items()}
        if sensors.away:
            away["space sensors"] = sensors.away
        away |= trouble()
        return LotState(
            link="up",
            at=clock.now().isoformat(),
            occupied=len(sensors.occupied()),
            spaces=settings.space_count,
            head_seq=head_seq,
            away=away,
            rejected={camera: dict(counts) for camera, counts in vision.rejected().items()},
        )

    return state


def _trouble_of_state(budget: DiskBudget, tail: Tail | None) -> dict[str, str]:
    told = {"disk": budget.trouble, "second copy": tail.trouble if tail else None}
    return {what: why for what, why in told.items() if why}


async def _watch(lanes: list[LaneLoop], writer: Writer | None, clock: Clock) -> None:
    """Tell systemd that the gateway lives, while lanes look and commands are answered."""
    while True:
        oldest = min((lane.looked_at for lane in lanes), default=clock.boot_seconds())
        waits = writer.oldest_waits_seconds() if writer else 0.0
        looks = clock.boot_seconds() - oldest < ALIVE_WITHIN_SECONDS
        if looks and waits < ANSWERED_WITHIN_SECONDS:
            service.notify("WATCHDOG=1")
        else:
            log.error("gateway_not_alive", lane_s=clock.boot_seconds() - oldest, command_s=waits)
        await asyncio.sleep(WATCHDOG_SECONDS)
