"""The composition root of the gateway: opens what it needs and starts every loop."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, Final

import structlog

from parkgraph.front.app import ApiKey, FrontDoor
from parkgraph.front.operations import AT_THE_LOT
from parkgraph.journal.ledger import MIGRATIONS, JournalLedger, Ledger, NoLedger
from parkgraph.journal.link import LotState, Uplink
from parkgraph.model.records import Direction, LaneDescription, LotDescribed, SpaceDescription
from parkgraph.runtime import loops, service
from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph.runtime.sqlite import Reader, connect, lock, migrate, open_reader, translated
from parkgraph.runtime.web import listen, serve
from parkgraph.runtime.writer import Writer
from parkgraph_edge.devices.modbus_barrier import ModbusBarrier
from parkgraph_edge.devices.space_sensors import SpaceSensors
from parkgraph_edge.http.lot import LotFront, LotOffer
from parkgraph_edge.lanes.lane import Eyes, LaneConfiguration, LaneLoop
from parkgraph_edge.lanes.occupancy import Occupancy
from parkgraph_edge.settings import EdgeSettings
from parkgraph_edge.store.bookings import DeclareNoShows, Tariff
from parkgraph_edge.store.keys import gate_code_key
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.sync.uplink import keep_up
from parkgraph_edge.vision.supervisor import Vision

log = structlog.get_logger(__name__)

LEDGER_FILE: Final = "ledger.db"
HOUSEKEEPING_SECONDS: Final = 10.0
LEDGER_RETRY_SECONDS: Final = 30.0
# A lane that has not looked, or a command that has waited, for so long is not alive.
ALIVE_WITHIN_SECONDS: Final = 5.0
WATCHDOG_SECONDS: Final = 1.0
# Whatever keeps the ledger shut, the exits have to open.
_NO_LEDGER: Final = (UnavailableError, CorruptError, sqlite3.Error)


class LedgerIsBackError(RefusedError):
    """The ledger can be opened again; a clean start is the simplest way to use it."""


async def run(settings: EdgeSettings) -> None:
    """Run the gateway until a signal comes.

    Raises:
        RefusedError: the address is in use, or another gateway works on the same folder.
    """
    clock = SystemClock()
    listener = listen(settings.api.listen.host, settings.api.listen.port)
    async with _ledger(settings, clock) as (ledger, writer, reader):
        sensors = _occupancy(settings)
        vision = Vision({n: lane.camera for n, lane in settings.lanes.items() if lane.camera})
        lanes = [_lane(settings, name, vision, ledger, clock) for name in settings.lanes]
        front = LotFront(
            _offer(settings, has_ledger=writer is not None),
            ledger,
            reader,
            occupied=sensors.occupied,
            clock=clock,
        )
        door = FrontDoor(
            key=ApiKey(settings.api.read_key().get_secret_value(), fleet=settings.api.fleet_id),
            clock=clock,
            random=os.urandom,
        )
        work: dict[str, Coroutine[Any, Any, None]] = {
            "front door": serve(door.app(front, AT_THE_LOT), listener),
            "vision": vision.run(),
            "space sensors": sensors.run(),
            "watchdog": _watch(lanes, writer, clock),
            **{f"lane {lane.name}": lane.run() for lane in lanes},
        }
        if writer and reader:
            work["ledger"] = writer.run()
            work["housekeeping"] = _keep_house(settings.lot.id, ledger)
            if settings.cloud:
                state = _state(settings, lanes, vision, sensors, clock)
                work["link"] = keep_up(
                    str(settings.cloud.broker),
                    settings.lot.id,
                    Uplink(settings.lot.id, writer, reader),
                    state,
                )
        else:
            work["ledger"] = _wait_for_ledger(settings, lanes, clock)
        log.info("gateway_started", lot=settings.lot.id, listen=str(settings.api.listen))
        service.notify("READY=1")
        await loops.run(work)
        service.notify("STOPPING=1")
    log.info("gateway_stopped", lot=settings.lot.id)


@contextlib.asynccontextmanager
async def _ledger(
    settings: EdgeSettings, clock: Clock
) -> AsyncIterator[tuple[Ledger, Writer | None, Reader | None]]:
    """Open the ledger; where it cannot be opened, give one that refuses, so that exits go on."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            writer, path = await stack.enter_async_context(_writer(settings))
            ledger = JournalLedger(writer, settings.lot.id, clock=clock, random=os.urandom)
            gate_code_key(settings.state.directory, os.urandom)  # its faults show here
            late = await ledger.submit(OpenLot(settings.lot.id, _description(settings)))
        except _NO_LEDGER as error:
            await stack.aclose()
            log.error("exit_only", reason=str(error))  # noqa: TRY400 (one line is enough)
            yield NoLedger(str(error)), None, None
            return
        if late:
            log.warning("orders_too_late", count=late)
        async with open_reader(path) as reader:
            yield ledger, writer, reader


@contextlib.asynccontextmanager
async def _writer(settings: EdgeSettings) -> AsyncIterator[tuple[Writer, Path]]:
    """Keep others out of the folder, and write to the ledger in it."""
    directory = settings.state.directory
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{directory}: {error.strerror}; check folder and owner") from error
    held = lock(directory / "lock")
    try:
        path = directory / LEDGER_FILE
        connection = connect(path)
        try:
            with translated(path):
                migrate(connection, [MIGRATIONS, "parkgraph_edge.store.migrations"])
        except RefusedError as error:  # an older program was put back: its exits have to open
            raise UnavailableError(f"{path}: {error}") from error
        writer = Writer(connection, path)
        try:
            yield writer, path
        finally:
            await writer.close()
            log.info("ledger_closed", commits=writer.commits)
    finally:
        os.close(held)


async def _wait_for_ledger(settings: EdgeSettings, lanes: list[LaneLoop], clock: Clock) -> None:
    """Try the ledger now and then; when it is back, record what lanes saw and start anew."""
    while True:
        await asyncio.sleep(LEDGER_RETRY_SECONDS)
        with contextlib.suppress(*_NO_LEDGER):
            async with _writer(settings) as (writer, path):
                ledger = JournalLedger(writer, settings.lot.id, clock=clock, random=os.urandom)
                await ledger.submit(OpenLot(settings.lot.id, _description(settings)))
                for lane in lanes:
                    await lane.hand_over(ledger)
                raise LedgerIsBackError(f"{path} can be opened again; starting anew")


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
    )


def _offer(settings: EdgeSettings, *, has_ledger: bool) -> LotOffer:
    entries = [n for n, lane in settings.lanes.items() if lane.direction is Direction.ENTRY]
    return LotOffer(
        lot=settings.lot.id,
        tariff=Tariff(settings.lot.currency, settings.lot.rate_per_hour_minor),
        entry_lane=min(entries),
        # Without a ledger nothing is booked, so no code is issued.
        code_key=gate_code_key(settings.state.directory, os.urandom) if has_ledger else b"",
    )


def _lane(
    settings: EdgeSettings, name: str, vision: Vision, ledger: Ledger, clock: Clock
) -> LaneLoop:
    lane = settings.lanes[name]
    return LaneLoop(
        LaneConfiguration(settings.lot.id, name, lane.direction, lane.open_seconds),
        ModbusBarrier(lane.barrier.host, lane.barrier.port, clock),
        Eyes(
            newest=lambda: vision.newest(name),
            attend=lambda seconds: vision.attend(name, seconds),
        ),
        ledger,
        clock=clock,
        random=os.urandom,
    )


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
    clock: Clock,
) -> Any:
    def state(head_seq: int) -> LotState:
        told = {f"barrier {lane.name}": lane.away or lane.trouble for lane in lanes}
        away = {device: why for device, why in told.items() if why}
        away |= {f"camera {name}": why for name, why in vision.cameras_away().items()}
        if sensors.away:
            away["space sensors"] = sensors.away
        return LotState(
            link="up",
            at=clock.now().isoformat(),
            occupied=len(sensors.occupied()),
            spaces=settings.space_count,
            head_seq=head_seq,
            away=away,
        )

    return state


async def _keep_house(lot: str, ledger: Ledger) -> None:
    while True:
        try:
            missed = await ledger.submit(DeclareNoShows(lot))
            if missed:
                log.info("no_shows", count=missed)
        except UnavailableError as error:
            log.warning("housekeeping_put_off", reason=str(error))
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


async def _watch(lanes: list[LaneLoop], writer: Writer | None, clock: Clock) -> None:
    """Tell systemd that the gateway lives, while lanes look and commands are answered."""
    while True:
        oldest = min((lane.looked_at for lane in lanes), default=clock.boot_seconds())
        waits = writer.oldest_waits_seconds() if writer else 0.0
        if clock.boot_seconds() - oldest < ALIVE_WITHIN_SECONDS and waits < ALIVE_WITHIN_SECONDS:
            service.notify("WATCHDOG=1")
        else:
            log.error("gateway_not_alive", lane_s=clock.boot_seconds() - oldest, command_s=waits)
        await asyncio.sleep(WATCHDOG_SECONDS)
