"""Loops that run until the program is told to stop, and how they wait out what is away."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from parkgraph.runtime.errors import UnavailableError

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 30.0


class StopRequestedError(Exception):
    """A signal asked the program to stop."""


async def stop_on_signal() -> None:
    """Raise `StopRequestedError` at the first SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    raise StopRequestedError


async def run(loops: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Run every loop until one fails or a signal comes; then stop them all.

    Raises what the loop that failed first raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(stop_on_signal(), name="signals")
            for name, loop in loops.items():
                group.create_task(loop, name=name)
    except BaseExceptionGroup as failures:
        first = first_of(failures)
        if not isinstance(first, StopRequestedError):
            raise first from failures


def first_of(failures: BaseException) -> BaseException:
    """Return the first error in a group, and in the groups within it."""
    while isinstance(failures, BaseExceptionGroup):
        failures = failures.exceptions[0]
    return failures


async def together(*loops: Coroutine[Any, Any, None]) -> None:
    """Run loops that live and die together; raise what the first of them to end raised.

    No task group: before Python 3.13 one that fails in the moment of its own cancellation forgets
    the cancellation, and a loop around it would go on for ever.
    """
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in ended:
        task.result()


def heed_cancellation() -> None:
    """Raise `CancelledError` where the running task was cancelled and a library swallowed it.

    To be called after awaiting a library that uses `asyncio.wait_for`: before Python 3.12 that
    loses a cancellation which meets a result, and the loop would never end.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def keep_trying(
    name: str,
    attempt: Callable[[], Awaitable[None]],
    *,
    first_pause_seconds: float = 0.5,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
) -> None:
    """Run `attempt` again and again, with growing jittered pauses while something is away.

    An attempt that held for longer than the longest pause starts the pauses anew. Anything but
    `UnavailableError` is a bug and goes through.
    """
    loop = asyncio.get_running_loop()
    pause = first_pause_seconds
    while True:
        began = loop.time()
        try:
            await attempt()
        except UnavailableError as error:
            log.warning("unavailable", what=name, reason=str(error), retry_in_s=round(pause, 1))
        if loop.time() - began > longest_pause_seconds:
            pause = first_pause_seconds
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, longest_pause_seconds)
