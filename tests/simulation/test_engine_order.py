"""A seed is a whole history, in whatever real process it runs."""

import asyncio
import subprocess
import sys

from tests.simulation.engine import Simulation
from tests.simulation.machines import Machine

# Everything at once: sets of words and of tasks, chance, threads, SQLite, MQTT, kills.
A_BUSY_WORLD = """
import asyncio, random
from parkgraph.runtime.mqtt import Message
from tests.simulation.engine import Simulation

async def lot(machine):
    database = machine.open_database("a.db")
    database.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, word TEXT)")
    loop = asyncio.get_running_loop()

    async def work():
        while True:
            await asyncio.sleep(random.expovariate(1))
            word = machine.random(8).hex()
            job = "INSERT INTO t (word) VALUES (?)"
            await loop.run_in_executor(None, database.execute, job, (word,))
            tasks = {asyncio.create_task(asyncio.sleep(0.1)) for _ in range(9)}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def speak():
        async with simulation.network.connect("mqtt://broker:1883", client="lot") as channel:
            while True:
                await channel.publish(Message("a/b", b"x"))
                await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        group.create_task(speak())

async def story():
    for _ in range(5):
        await asyncio.sleep(20)
        machine.light_fuse(9)
        await asyncio.sleep(60)
        machine.kill()

with Simulation(7) as simulation:
    simulation.network.broker(simulation.machine("broker"))
    machine = simulation.machine("lot")
    machine.start(lot)
    simulation.run(story())
    print(simulation.digest(), simulation.loop.steps, machine.starts)
"""


def test_a_seed_is_the_whole_history_in_any_real_process() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", A_BUSY_WORLD],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]

    assert runs[0] == runs[1]
    assert int(runs[0].split()[1]) > 1000


def test_another_seed_is_another_history() -> None:
    def digest(seed: int) -> str:
        with Simulation(seed) as simulation:
            for name in ("a", "b"):
                simulation.machine(name).start(_sleeps_and_wakes)
            simulation.run(asyncio.sleep(10))
            return simulation.digest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


async def _sleeps_and_wakes(machine: Machine) -> None:
    while True:  # noqa: ASYNC110 (nothing will happen)
        await asyncio.sleep(machine.random(1)[0] / 256)
