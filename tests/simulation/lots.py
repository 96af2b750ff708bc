"""A lot of the simulated world: its machine runs the real gateway, its lanes outlive it."""

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from parkgraph.journal.ledger import MIGRATIONS, JournalLedger, Ledger
from parkgraph.journal.messages import LotState
from parkgraph.journal.tail import Tail
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    Direction,
    LaneDescription,
    LotDescribed,
    SpaceClass,
    SpaceDescription,
)
from parkgraph.runtime import loops
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.sqlite import migrate, translated
from parkgraph.runtime.writer import Writer
from parkgraph_edge.gateway import Books, Gateway, LedgerIsBackError, Surroundings, open_books
from parkgraph_edge.http.lot import LotFront
from parkgraph_edge.lanes.lane import Eyes, LaneConfiguration, LaneLoop
from parkgraph_edge.store.terms import LotTerms
from tests.simulation.barriers import Accepted, SimulatedBarrier
from tests.simulation.engine import Simulation
from tests.simulation.machines import Machine
from tests.simulation.options import Options
from tests.simulation.streets import Street

LEDGER: Final = "ledger.db"
TAIL: Final = "ledger.tail"
BROKER: Final = "mqtt://broker:1883"
LEDGER_RETRY_SECONDS: Final = 30.0  # as the daemon has it
OPEN_SECONDS: Final = 8.0
RATES: Final = RateCard(version="rates-1", currency="EUR", unit_minor=320)
# As the daemon has it: whatever keeps the ledger shut, the exits have to open.
_NO_LEDGER: Final = (UnavailableError, CorruptError, sqlite3.Error)


class LotSite:
    """One lot: what stands there, and the gateway that runs there now."""

    def __init__(
        self, name: str, simulation: Simulation, options: Options, accepted: Accepted
    ) -> None:
        self.name = name
        self.machine = simulation.machine(name)
        self.network = simulation.network
        self.front: LotFront | None = None
        self.connection: sqlite3.Connection | None = None
        self.up_since = 0.0
        self._asides = 0
        self.is_open = False  # the gateway has a ledger
        self._accepted = accepted
        random = simulation.stream(f"streets {name}")
        self.entry = Street("in", "entry", simulation.loop, random)
        self.exit = Street("out", "exit", simulation.loop, random)
        # Which vehicle stands in which space: the truth, and what sensors tell of it.
        self.spaces: dict[str, str | None] = {}
        self.occupied: frozenset[str] = frozenset()
        self.description = self._described(options)
        self.terms = LotTerms(
            lot=name,
            rates=RATES,
            entry_lane="in",
            code_key=f"key of {name}".encode().ljust(32, b"."),
            allotments={
                SpaceClass.STANDARD: options.lent_standard,
                SpaceClass.AUTONOMOUS: options.lent_autonomous,
            },
            loan=timedelta(minutes=options.loan_minutes),
        )

    @property
    def streets(self) -> tuple[Street, Street]:
        """Its lanes."""
        return self.entry, self.exit

    def put(self, space: str, vehicle: str | None) -> None:
        """Let `vehicle` stand in `space`, or nobody."""
        self.spaces[space] = vehicle
        self.occupied = frozenset(name for name, who in self.spaces.items() if who)

    def front_door(self) -> LotFront:
        """Return the front door's port, in the gateway's process.

        Raises:
            UnavailableError: the gateway is just starting.
        """
        if self.front is None:
            raise UnavailableError(f"{self.name}: not listening yet")
        return self.front

    async def main(self, machine: Machine) -> None:
        """Be the gateway's program, as the daemon composes it."""
        self.front, self.connection, self.is_open = None, None, False
        async with self._books(machine) as (books, reason):
            connect: Any = functools.partial(self.network.connect, BROKER)
            around = Surroundings(machine.clock, connect, self._sensed)
            gateway = Gateway(self.terms, self.description, books, around, reason=reason)
            lanes = [self._lane(street, machine, gateway.ledger) for street in self.streets]
            work = gateway.loops(lambda head: self._state(machine, head), lanes)
            if books is None:
                work["ledger"] = self._wait_for_ledger(machine, lanes)
            self.front = gateway.front
            self.up_since = machine.loop.time()
            self.is_open = books is not None and not books.is_recovering
            await loops.run(work)

    @contextlib.asynccontextmanager
    async def _books(self, machine: Machine) -> AsyncIterator[tuple[Books | None, str]]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                books = await stack.enter_async_context(self._open(machine))
            except _NO_LEDGER as error:
                await stack.aclose()
                yield None, str(error)
                return
            yield books, ""

    @contextlib.asynccontextmanager
    async def _open(self, machine: Machine) -> AsyncIterator[Books]:
        path = Path(LEDGER)
        connection = machine.open_database(LEDGER)
        tail = Tail(
            machine.file(TAIL),
            self.name,
            clock=machine.clock,
            has_copy=True,
            set_aside=lambda data: self._set_aside(machine, data),
        )
        try:
            with translated(path):
                migrate(connection, [MIGRATIONS, "parkgraph_edge.store.migrations"])
                tail.reconcile(connection)
        except BaseException:
            connection.close()
            raise
        writer = Writer(connection, path, after_commit=tail.after_commit)
        reader = machine.reader(connection)
        self.connection = connection
        try:
            ledger = JournalLedger(writer, self.name, clock=machine.clock, random=machine.random)
            yield await open_books(
                writer,
                reader,  # type: ignore[arg-type]
                ledger,
                self.name,
                self.description,
                tail=tail,
            )
        finally:
            self.connection = None
            await writer.close()

    def _set_aside(self, machine: Machine, data: bytes) -> str:
        self._asides += 1
        name = f"ledger-aside-{self._asides}.tail"
        machine.file(name).replace(data)
        return name

    async def _wait_for_ledger(self, machine: Machine, lanes: list[LaneLoop]) -> None:
        while True:
            await asyncio.sleep(LEDGER_RETRY_SECONDS)
            with contextlib.suppress(*_NO_LEDGER):
                async with self._open(machine) as books:
                    if not books.is_recovering:
                        for lane in lanes:
                            await lane.hand_over(books.ledger)
                    raise LedgerIsBackError("the ledger can be opened again; starting anew")

    def _lane(self, street: Street, machine: Machine, ledger: Ledger) -> LaneLoop:
        direction = Direction(street.lane.direction)
        return LaneLoop(
            LaneConfiguration(self.name, street.lane.name, direction, OPEN_SECONDS),
            SimulatedBarrier(street, machine, self._accepted),
            Eyes(newest=lambda: street.sees(machine.clock.boot_seconds()), attend=lambda _: None),
            ledger,
            clock=machine.clock,
            random=machine.random,
        )

    def _sensed(self) -> frozenset[str]:
        return self.occupied

    def _state(self, machine: Machine, head_seq: int) -> LotState:
        return LotState(
            link="up",
            at=machine.clock.now().isoformat(),
            occupied=len(self.occupied),
            spaces=len(self.spaces),
            head_seq=head_seq,
        )

    def _described(self, options: Options) -> LotDescribed:
        spaces = [
            *(("S", SpaceClass.STANDARD, number) for number in range(1, options.standard + 1)),
            *(("V", SpaceClass.AUTONOMOUS, number) for number in range(1, options.autonomous + 1)),
            ("X", SpaceClass.ACCESSIBLE, 1),
        ]
        self.spaces = {f"{letter}-{number:02}": None for letter, _, number in spaces}
        return LotDescribed(
            name=self.name,
            time_zone="Europe/Berlin",
            currency="EUR",
            spaces=tuple(
                SpaceDescription(space=f"{letter}-{number:02}", space_class=space_class)
                for letter, space_class, number in spaces
            ),
            lanes=(
                LaneDescription(lane="in", direction=Direction.ENTRY),
                LaneDescription(lane="out", direction=Direction.EXIT),
            ),
        )
