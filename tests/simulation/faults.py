"""What goes wrong in a history: a list, drawn before it begins, so that entries can be dropped."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final, NamedTuple

from tests.simulation.broker import Broker
from tests.simulation.engine import Simulation
from tests.simulation.lots import LotSite
from tests.simulation.machines import Machine
from tests.simulation.options import KINDS, Options
from tests.simulation.restores import Restores
from tests.simulation.streets import Street
from tests.simulation.vehicles import Town

# The last part of a history is for healing.
HEALING_SECONDS: Final = 1500.0
FIRST_FAULT_SECONDS: Final = 60.0
_JUMPS: Final = (5.0, 30.0, 120.0, 900.0, 3600.0, 7200.0, 86400.0, 2.6e6, 3.2e7, 1.6e8)


class Fault(NamedTuple):
    """One thing that goes wrong, `at` seconds after the beginning, for `seconds`.

    What `amount` and `target` say depends on the kind.
    """

    at: float
    kind: str
    target: str
    other: str
    seconds: float
    amount: float


def draw_faults(seed: int, options: Options) -> list[Fault]:
    """Return all faults of a history, in order."""
    random = Random(f"{seed}/faults")
    until = options.hours * 3600 - HEALING_SECONDS
    lots = [f"lot-{number}" for number in range(1, options.lots + 1)]
    kinds = [kind for kind in KINDS if kind in options.kinds] or list(KINDS)
    weights = [KINDS[kind] for kind in kinds]
    faults = []
    # The healing at the end has none, so there are more before.
    count = options.faults_per_hour * options.hours
    for _ in range(round(count * random.uniform(0.9, 1.1))):
        kind = random.choices(kinds, weights)[0]
        faults.append(_one(random, kind, random.uniform(FIRST_FAULT_SECONDS, until), lots))
    return sorted(faults)


def _one(random: Random, kind: str, at: float, lots: list[str]) -> Fault:
    target, other = random.choice(lots), ""
    if kind.endswith("cloud"):
        target = "cloud"
    elif "broker" in kind:
        target = "broker"
    seconds = _seconds(random, kind)
    amount = random.random()
    if kind.startswith("cut"):
        lot = random.choice(lots)
        pairs = ((lot, "broker"), ("cloud", "broker"), ("phone", lot), ("phone", "cloud"))
        target, other = random.choices(pairs, (5, 4, 1, 1))[0]
        if random.random() < 0.5:
            target, other = other, target
    if kind.startswith("clock"):
        seconds = random.choice(_JUMPS) * random.uniform(0.5, 1.5) * random.choice((-1, 1))
    return Fault(round(at, 2), kind, target, other, round(seconds, 2), round(amount, 6))


def _seconds(random: Random, kind: str) -> float:
    if kind.startswith("cut"):
        return random.choice((5, 20, 60, 60, 300, 900, 3600)) * random.uniform(0.5, 1.5)
    if kind.startswith("restore"):
        return random.choice((30, 120, 600, 1800)) * random.uniform(0.5, 1.5)
    if kind.startswith(("power", "fuse")):
        return random.choice((2, 20, 120)) * random.uniform(0.5, 1.5)
    if kind.startswith("barrier"):
        return random.choice((2, 8, 30, 120)) * random.uniform(0.5, 1.5)
    return random.choice((3, 15, 60)) * random.uniform(0.5, 1.5)


@dataclass(slots=True)
class Troublemaker:
    """Lets each fault happen when its time has come."""

    simulation: Simulation
    town: Town
    broker: Broker
    restores: Restores
    applied: int = 0

    def prepare(self, faults: list[Fault]) -> None:
        """Set a timer for each of `faults`; take the backups that will be restored."""
        loop = self.simulation.loop
        for fault in faults:
            loop.call_later(fault.at, self.apply, fault, context=loop.world.context)
            if fault.kind.startswith("restore"):
                backup_at = max(FIRST_FAULT_SECONDS / 2, fault.at - fault.seconds)
                loop.call_later(backup_at, self.restores.back_up, fault, context=loop.world.context)

    def apply(self, fault: Fault) -> None:
        """Let `fault` happen now."""
        self.applied += 1
        machine = self.simulation.machines.get(fault.target)
        verb = fault.kind.split()[0]
        if verb == "restore":
            self.restores.restore(fault)
        elif verb in {"cut", "duplicates", "reorders"} or fault.kind.startswith("broker "):
            self._disturb_network(fault)
        elif verb in {"barrier", "camera"}:
            self._disturb_lane(fault)
        elif machine is not None:
            self._disturb_machine(verb, machine, fault)

    def heal(self) -> None:
        """End every fault that lasts."""
        network = self.simulation.network
        network.heal_all()
        network.weather.duplicate_chance = network.weather.reorder_chance = 0.0
        self.broker.drop_chance = 0.0
        for machine in self.simulation.machines.values():
            disk = machine.disk
            disk.quota_bytes, disk.failing_syncs = None, 0
            disk.put_out_fuse()
            machine.slow_disk(1.0)
            machine.clock.set_right()
            machine.power_on()
        for lot in self.town.lots:
            self.town.oracle.clock_jumped(lot)
            for street in lot.streets:
                street.silent_until = street.mute_until = street.slow_until = 0.0
                street.blind_until = 0.0

    def _later(self, seconds: float, call: object) -> None:
        loop = self.simulation.loop
        loop.call_later(seconds, call, context=loop.world.context)  # type: ignore[arg-type]

    def _disturb_machine(  # noqa: C901 (one case a fault)
        self, verb: str, machine: Machine, fault: Fault
    ) -> None:
        amount, disk = fault.amount, machine.disk
        match verb:
            case "kill":
                machine.kill()
            case "power":
                machine.cut_power(seconds=fault.seconds)
            case "fuse":
                machine.light_fuse(1 + int(amount * amount * 80), seconds=fault.seconds)
            case "full":
                disk.quota_bytes = disk._used() + int(amount * 8192)
                self._later(5 * fault.seconds, lambda: setattr(disk, "quota_bytes", None))
            case "eio":
                disk.failing_syncs = 1 + int(3 * amount)
            case "slow":
                factor = 10 ** (0.7 + 2 * amount)
                machine.slow_disk(factor)
                self._later(2 * fault.seconds, lambda: machine.slow_disk(1.0))
            case "freeze":
                machine.freeze(fault.seconds)
            case "clock":
                machine.clock.jump(timedelta(seconds=fault.seconds))
                self._tell_of_clock(machine)
                if amount > 0.75:  # and nobody can be asked until a loan is over
                    self._cut(machine.name, "broker", self._longer_than_a_loan())
                if amount < 0.6:
                    self._later(300 * amount, lambda: self._set_clock_right(machine))
            case _:
                raise AssertionError(f"no fault is called {fault.kind}")

    def _longer_than_a_loan(self) -> float:
        return 1.2 * self.town.lots[0].terms.loan.total_seconds()

    def _cut(self, one: str, other: str, seconds: float) -> None:
        network = self.simulation.network
        network.cut(one, other)
        self._later(seconds, lambda: network.heal(one, other))

    def _set_clock_right(self, machine: Machine) -> None:
        machine.clock.set_right()
        self._tell_of_clock(machine)

    def _tell_of_clock(self, machine: Machine) -> None:
        for lot in self.town.lots:
            if lot.machine is machine:
                self.town.oracle.clock_jumped(lot)

    def _disturb_network(self, fault: Fault) -> None:
        network, weather = self.simulation.network, self.simulation.network.weather
        chance = 0.02 + 0.3 * fault.amount
        match fault.kind:
            case "cut":
                is_long = fault.amount > 0.9 and "phone" not in {fault.target, fault.other}
                seconds = self._longer_than_a_loan() if is_long else fault.seconds
                self._cut(fault.target, fault.other, seconds)
            case "cut one way":
                network.cut_one_way(fault.target, fault.other)
                self._later(fault.seconds, lambda: network.heal(fault.target, fault.other))
            case "duplicates":
                weather.duplicate_chance = chance
                self._later(5 * fault.seconds, lambda: setattr(weather, "duplicate_chance", 0.0))
            case "reorders":
                weather.reorder_chance = chance
                self._later(5 * fault.seconds, lambda: setattr(weather, "reorder_chance", 0.0))
            case "broker loses":
                self.broker.lose_connections()
            case "broker wiped":
                self.broker.wipe()
                self.broker.machine.kill()
            case "broker drops":
                self.broker.drop_chance = chance
                self._later(2 * fault.seconds, lambda: setattr(self.broker, "drop_chance", 0.0))

    def _disturb_lane(self, fault: Fault) -> None:
        lot = next(lot for lot in self.town.lots if lot.name == fault.target)
        street = lot.streets[int(fault.amount * 100) % 2]
        until = self.simulation.loop.time() + fault.seconds
        match fault.kind:
            case "barrier silent":
                street.silent_until = until
            case "barrier mute":
                street.mute_until = until
            case "barrier slow":
                street.slow_until, street.slow_seconds = until, 0.3 + 2.2 * fault.amount
            case "barrier reboots":
                street.reboot()
            case "camera away":
                street.blind_until = until


__all__ = ["HEALING_SECONDS", "Fault", "LotSite", "Street", "Troublemaker", "draw_faults"]
