"""One whole history from one seed, and what came of it."""

import asyncio
import contextlib
import random as global_random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.gateway import LedgerIsBackError
from tests.simulation.checks import check_all, check_cursors, cursor
from tests.simulation.clouds import CloudSite
from tests.simulation.engine import Simulation
from tests.simulation.faults import HEALING_SECONDS, Fault, Troublemaker, draw_faults
from tests.simulation.lots import LotSite
from tests.simulation.options import Options, draw
from tests.simulation.oracle import Oracle, Violation
from tests.simulation.restores import Restores
from tests.simulation.vehicles import Town, Vehicle

# Programs end by these as they should: a disk failed, or the ledger is back.
EXPECTED_ENDS: Final = (LedgerIsBackError, UnavailableError, sqlite3.OperationalError)
# From the beginning of the healing: nobody comes any more, everybody has to be out.
CLOSING_SECONDS: Final = 400.0
SETTLING_SECONDS: Final = 100.0
# The link itself waits up to a minute before it sends again.
ARRIVING_SECONDS: Final = 70.0
OUT_SECONDS: Final = 1300.0
WATCH_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one history."""

    seed: int
    options: Options
    faults: tuple[Fault, ...]
    applied: int
    acked: int
    violations: tuple[Violation, ...]
    hours: float
    real_seconds: float
    digest: str
    counts: dict[str, int]

    def count(self, kind: str) -> int:
        """Return how many violations of `kind` there were."""
        return sum(violation.kind == kind for violation in self.violations)


class History:
    """The world of one seed, and the story that runs in it."""

    def __init__(self, simulation: Simulation, options: Options) -> None:
        self.simulation = simulation
        self.options = options
        self.oracle = oracle = Oracle()
        network = simulation.network
        self.broker = network.broker(simulation.machine("broker"))
        self.cloud = CloudSite(simulation)
        self.lots = [self._lot(f"lot-{number}") for number in range(1, options.lots + 1)]
        self.town = Town(
            network, simulation.machine("phone"), self.cloud, self.lots, oracle, options
        )
        self.restores = Restores(simulation, self.town)
        self.trouble = Troublemaker(simulation, self.town, self.broker, self.restores)
        self.vehicles: list[Vehicle] = []
        self._lives: dict[asyncio.Task[None], Vehicle] = {}

    def _lot(self, name: str) -> LotSite:
        oracle = self.oracle
        lot = LotSite(
            name,
            self.simulation,
            self.options,
            lambda street, *order: oracle.accepted(lot, street, *order),
        )
        for street in lot.streets:
            street.stepped = lambda street: oracle.stepped(lot, street)
        return lot

    async def tell(self, faults: Sequence[Fault]) -> None:
        """Live through it all: trouble, healing, and the last look."""
        self.cloud.machine.start(self.cloud.main)
        for lot in self.lots:
            lot.machine.start(lot.main)
        self.trouble.prepare(list(faults))
        arrivals = asyncio.create_task(self._arrive())
        watch = asyncio.create_task(self._watch())
        await asyncio.sleep(self.options.hours * 3600 - HEALING_SECONDS)
        await self._heal()
        await asyncio.sleep(CLOSING_SECONDS)
        await self._probe()
        self.town.closing.set()
        arrivals.cancel()
        watch.cancel()
        await asyncio.sleep(OUT_SECONDS - CLOSING_SECONDS)
        self._look_for_trapped()
        await asyncio.sleep(HEALING_SECONDS - OUT_SECONDS)
        for machine in self.simulation.machines.values():
            machine.restart_seconds = None
            machine.kill()
        self.oracle.now = self.simulation.loop.time()
        check_all(self.oracle, self.lots, self.cloud)
        self._look_for_failures()

    async def _arrive(self) -> None:
        random = self.simulation.stream("arrivals")
        while True:
            await asyncio.sleep(random.expovariate(self.options.arrivals_per_minute / 60))
            vehicle = Vehicle(self.town, len(self.vehicles) + 1, self.simulation.seed)
            self.vehicles.append(vehicle)
            life = asyncio.create_task(vehicle.live())
            self._lives[life] = vehicle
            life.add_done_callback(self._lives.pop)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_SECONDS)
            self.oracle.now = self.simulation.loop.time()
            check_cursors(self.oracle, self.lots, self.cloud)

    async def _heal(self) -> None:
        self.trouble.heal()
        await asyncio.sleep(SETTLING_SECONDS)
        self.trouble.heal()
        await self._see_that_all_arrives()
        for machine in self.simulation.machines.values():
            machine.kill()
        await asyncio.sleep(30)
        self.trouble.heal()  # what a fault's own timer did meanwhile

    async def _see_that_all_arrives(self) -> None:
        """Nothing is wrong any more and no program was started anew: every row has to go over."""
        heads = [(lot, self._cursor(lot, "head")) for lot in self.lots]
        await asyncio.sleep(ARRIVING_SECONDS)
        self.oracle.now = self.simulation.loop.time()
        for lot, head in heads:
            told = self._cursor(lot, "acknowledged")
            if head and not (told and (told[0] != head[0] or told[1] >= head[1])):
                what = f"{lot.name}: {head} is not acknowledged, {told} is"
                self.oracle.accuse("violation", what)

    def _cursor(self, lot: LotSite, name: str) -> tuple[Any, ...] | None:
        if lot.connection is None:
            self.oracle.accuse("violation", f"{lot.name} has no ledger though nothing is wrong")
            return None
        return cursor(lot.connection, lot.name, name)

    async def _probe(self) -> None:
        """See that both sides still sell, or say why not."""
        for lot in self.lots:
            for side in ("lot", "cloud"):
                probe = Vehicle(self.town, len(self.vehicles) + 1, self.simulation.seed)
                self.vehicles.append(probe)
                probe.lot = lot
                code = await probe.book_at(side, f"probe {side} {lot.name}")
                if not probe.promises and code != "LOT_FULL":
                    self.oracle.accuse("violation", f"{side} of {lot.name} sells no more: {code}")

    def _look_for_trapped(self) -> None:
        self.oracle.now = self.simulation.loop.time()
        for vehicle in self.vehicles:
            if vehicle.is_inside:
                self.oracle.accuse("trapped", f"{vehicle.plate} is still in {vehicle.lot.name}")

    def _look_for_failures(self) -> None:
        for failure in self.simulation.failures:
            what = f"{failure.process}: {failure.what}: {failure.error!r}"
            self.oracle.violations.append(Violation("violation", failure.at_seconds, what))
        for machine in self.simulation.machines.values():
            for crash in machine.crashes:
                if not isinstance(crash.error, EXPECTED_ENDS):
                    what = f"{machine.name} ended by {crash.what}"
                    self.oracle.violations.append(Violation("violation", crash.at_seconds, what))

    def counts(self) -> dict[str, int]:
        """Return numbers that say whether the history was worth its while."""
        where: dict[str, int] = {}
        for vehicle in self.vehicles:
            where[vehicle.where] = where.get(vehicle.where, 0) + 1
        return where | {"lost rows": self.restores.lost_rows, "ends": len(self.oracle.ends)}


def simulate(
    seed: int, options: Options | None = None, faults: Sequence[Fault] | None = None
) -> Result:
    """Run the history of `seed`; `options` and `faults` take the place of those it would draw."""
    options = options or draw(seed)
    chosen = draw_faults(seed, options) if faults is None else list(faults)
    began = time.perf_counter()
    with _silence(), Simulation(seed) as simulation:
        global_random.seed(seed)
        history = History(simulation, options)
        try:
            simulation.run(history.tell(chosen))
        except Exception as error:  # noqa: BLE001 (whatever it is, the seed has to be told)
            what = f"the story ended by {error!r}"
            at = simulation.loop.time()
            history.oracle.violations.append(Violation("violation", at, what))
        digest = simulation.digest()
        oracle = history.oracle
        return Result(
            seed=seed,
            options=options,
            faults=tuple(chosen),
            applied=history.trouble.applied,
            acked=oracle.acked,
            violations=tuple(oracle.violations),
            hours=options.hours,
            real_seconds=time.perf_counter() - began,
            digest=digest,
            counts=history.counts(),
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let no program of the simulated world log."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)
