"""Time, life and death in the simulated world."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.loops import StopRequestedError, keep_trying, run, stop_on_signal, together
from tests.simulation.engine import Simulation
from tests.simulation.loop import NoProgressError
from tests.simulation.machines import BEGINNING, BOOT_SECONDS, RESTART_SECONDS, Machine


async def _sleeps_and_wakes(machine: Machine) -> None:
    while True:  # noqa: ASYNC110 (nothing will happen)
        await asyncio.sleep(machine.random(1)[0] / 256)


def told(program: Callable[[Machine, list[str]], Coroutine[Any, Any, None]]) -> Any:
    """Return a program for a machine, and the list that it tells things to."""
    said: list[str] = []
    return lambda machine: program(machine, said), said


def test_a_year_passes_in_a_moment() -> None:
    with Simulation(1) as simulation:
        machine = simulation.machine("lot")

        simulation.run(asyncio.sleep(365 * 86400))

    assert machine.clock.now() - BEGINNING == timedelta(days=365)
    assert simulation.loop.steps < 10


def test_a_loop_that_never_waits_is_named() -> None:
    async def spin(_: Machine) -> None:
        while True:  # noqa: ASYNC110 (that is the bug)
            await asyncio.sleep(0)

    with Simulation(1) as simulation:
        simulation.machine("lot").start(spin)

        with pytest.raises(NoProgressError, match="spin"):
            simulation.run(asyncio.sleep(10))


def test_where_nothing_waits_for_a_time_the_world_says_so() -> None:
    with Simulation(1) as simulation, pytest.raises(NoProgressError, match="nothing"):
        simulation.run(asyncio.Event().wait())


def test_time_outs_groups_queues_and_locks_work_as_usual() -> None:
    async def story() -> list[str]:
        said: list[str] = []
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        lock = asyncio.Lock()

        async def give() -> None:
            for word in ("a", "b"):
                async with lock:
                    await queue.put(word)

        async with asyncio.TaskGroup() as group:
            group.create_task(give())
            said.extend([await queue.get() for _ in range(2)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await queue.get()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 5)
        return said

    with Simulation(1) as simulation:
        assert simulation.run(story()) == ["a", "b"]
        assert simulation.loop.time() == 1010


def test_jobs_of_one_executor_are_done_in_order() -> None:
    async def story() -> list[int]:
        done: list[int] = []
        loop, executor = asyncio.get_running_loop(), ThreadPoolExecutor(1)
        await asyncio.wait(
            [loop.run_in_executor(executor, done.append, number) for number in range(50)]
        )
        return done

    with Simulation(1) as simulation:
        assert simulation.run(story()) == list(range(50))


def test_kill_9_runs_no_finally_and_the_supervisor_starts_the_program_again() -> None:
    async def live(machine: Machine, said: list[str]) -> None:
        said.append(f"start {machine.starts}")
        try:
            await asyncio.sleep(100)
        finally:
            said.append("finally")

    program, said = told(live)
    with Simulation(1) as simulation:
        machine = simulation.machine("lot")
        machine.start(program)

        async def story() -> list[str]:
            await asyncio.sleep(10)
            machine.kill()
            await asyncio.sleep(RESTART_SECONDS / 2)
            assert not machine.is_up
            await asyncio.sleep(RESTART_SECONDS)
            return list(said)

        assert simulation.run(story()) == ["start 1", "start 2"]
        assert machine.clock.boot_seconds() > 10


def test_who_dies_while_the_disk_works_hears_nothing_and_the_work_may_be_done() -> None:
    async def live(machine: Machine, said: list[str]) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, said.append, "done")
        said.append("heard")

    outcomes = set()
    for seed in range(30):
        program, said = told(live)
        with Simulation(seed) as simulation:
            machine = simulation.machine("lot")
            machine.restart_seconds = None
            machine.start(program)
            simulation.loop.call_later(0.002, machine.kill)
            simulation.run(asyncio.sleep(5))
        outcomes.add(tuple(said))

    assert outcomes == {(), ("done",), ("done", "heard")}


def test_a_power_cut_resets_the_boot_clock_and_the_machine_boots() -> None:
    with Simulation(1) as simulation:
        machine = simulation.machine("lot")
        machine.start(_sleeps_and_wakes)

        async def story() -> None:
            await asyncio.sleep(1000)
            machine.cut_power(seconds=10)
            assert not machine.is_up
            await asyncio.sleep(10 + BOOT_SECONDS + 1)

        simulation.run(story())

        assert machine.starts == 2
        assert machine.clock.boot_seconds() == BOOT_SECONDS + 1


def test_a_frozen_process_does_nothing_until_it_is_thawed_and_then_all_it_missed() -> None:
    async def tick(machine: Machine, said: list[str]) -> None:
        while True:
            await asyncio.sleep(1)
            said.append(f"{machine.loop.time():.0f}")

    program, said = told(tick)
    with Simulation(1) as simulation:
        machine = simulation.machine("lot")
        machine.start(program)

        async def story() -> None:
            await asyncio.sleep(2.5)
            machine.freeze(10)
            await asyncio.sleep(11.5)

        simulation.run(story())

    assert said == ["1001", "1002", "1012", "1014"]


def test_a_program_that_fails_is_recorded_and_started_again() -> None:
    async def fail(_: Machine) -> None:
        await asyncio.sleep(5)
        raise ValueError("a bug")

    with Simulation(1) as simulation:
        machine = simulation.machine("lot")
        machine.start(fail)

        simulation.run(asyncio.sleep(12.5))

        assert machine.starts == 3
        assert [crash.what for crash in machine.crashes] == ["ValueError: a bug"] * 2


def test_the_wall_clock_jumps_by_years_and_the_boot_clock_does_not() -> None:
    with Simulation(1) as simulation:
        clock = simulation.machine("lot").clock

        clock.jump(timedelta(days=-3650))

        assert clock.now().year == BEGINNING.year - 10
        assert clock.boot_seconds() == 0
        clock.jump(timedelta(days=-365000))
        assert clock.now().year == 1970


def test_the_products_own_loops_work_inside() -> None:
    async def live(machine: Machine, said: list[str]) -> None:
        async def attempt() -> None:
            said.append("tried")
            raise UnavailableError("away")

        async def end() -> None:
            await asyncio.sleep(60)
            raise CorruptionError

        await together(keep_trying("it", attempt), end())

    program, said = told(live)
    with Simulation(1) as simulation:
        machine = simulation.machine("lot")
        machine.start(program)

        simulation.run(asyncio.sleep(60.5))

        assert isinstance(machine.crashes[0].error, CorruptionError)
        assert 5 < said.count("tried") < 12


class CorruptionError(Exception):
    """Made for a test."""


def test_a_program_is_stopped_by_a_signal_as_the_real_ones_are() -> None:
    async def live(machine: Machine, said: list[str]) -> None:
        await run({"main": _sleeps_and_wakes(machine)})
        said.append("stopped")
        await stop_on_signal()

    program, said = told(live)
    with Simulation(1) as simulation:
        machine = simulation.machine("lot")
        machine.start(program)

        async def story() -> None:
            await asyncio.sleep(5)
            machine.stop()
            await asyncio.sleep(1)
            machine.stop()
            await asyncio.sleep(1)

        simulation.run(story())

        assert said == ["stopped"]
        assert isinstance(machine.crashes[0].error, StopRequestedError)
