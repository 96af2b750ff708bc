"""An asyncio event loop whose time, order and threads are made up from a seed."""

import asyncio
import contextvars
import gc
import heapq
import weakref
from collections.abc import Callable
from concurrent.futures import Executor
from random import Random
from typing import Any, Final

from tests.simulation.handles import Handle, SimulatedTask, close, name_of
from tests.simulation.processes import PROCESS, Failure, Process
from tests.simulation.trace import Trace

# So many steps while the time does not move by a millisecond are a loop that never waits.
MOST_STEPS_AT_ONCE: Final = 200_000
# A call on another thread begins and is answered so late.
_THREAD_BEGINS_SECONDS: Final = (0.0001, 0.003)
_THREAD_ANSWERS_SECONDS: Final = (0.0001, 0.003)
_FEWEST_CANCELLED_TO_SWEEP: Final = 1000


class NoProgressError(Exception):
    """Something runs on and on without waiting, or nothing waits for anything any more."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs what is ready, then lets the time jump to the next timer.

    Order is first in, first out inside a process, as asyncio promises, and by the seed between
    processes. Handles of a dead process are dropped, those of a frozen one wait.
    """

    def __init__(self, random: Random, *, now: float = 1000.0, trace: Trace | None = None) -> None:
        """Draw all order and delays from `random`; `now` is the first value of `time()`."""
        super().__init__()
        self.set_debug(False)
        self.set_exception_handler(self._keep_failure)
        self.trace = trace or Trace()
        self.steps = 0
        self.failures: list[Failure] = []
        self.world = Process("world", 0)
        self._draw = random.random
        self._now = now
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._timers_made = 0
        self._timers_cancelled = 0
        self._tasks_made = 0
        self._moved_at = now
        self._most_steps = MOST_STEPS_AT_ONCE
        self._executor_free_at: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._graveyard: list[tuple[Process, list[asyncio.Task[Any]]]] = []

    def time(self) -> float:
        return self._now

    # What asyncio and the product call.

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        handle = Handle(0.0, callback, args, self, context)
        self._admit(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        handle = Handle(when, callback, args, self, context)
        handle._scheduled = True
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        process = (context.get(PROCESS) if context else PROCESS.get(None)) or self.world
        self._tasks_made += 1
        number = self._tasks_made
        # Before the task is put into any set, which asks for its hash.
        task: SimulatedTask = SimulatedTask.__new__(SimulatedTask)
        task.number = number
        task.process = process
        name = name or f"{process.name}:{number}"
        task.__init__(coro, loop=self, name=name, context=context)  # type: ignore[misc]
        process.tasks.add(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run `func` at one later moment and hand back what it returned at another.

        Of a given executor, jobs are done one after the other, as if it had one thread.
        """
        process = PROCESS.get(self.world)
        begins = self._later(_THREAD_BEGINS_SECONDS, process)
        if executor is not None:
            begins = max(begins, self._executor_free_at.get(executor, 0.0))
        ends = begins + self._later(_THREAD_ANSWERS_SECONDS, process) - self._now
        if executor is not None:
            self._executor_free_at[executor] = ends
        answer = self.create_future()
        self.call_at(begins, self._on_thread, answer, ends, func, args)
        return answer

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        PROCESS.get(self.world).signal_handlers[sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        return PROCESS.get(self.world).signal_handlers.pop(sig, None) is not None

    # What the world does to processes.

    def kill(self, process: Process) -> None:
        """End `process` as by kill -9: nothing of it runs any more, no `finally` either."""
        if not process.is_alive:
            return
        process.is_alive = False
        tasks = list(process.tasks)
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._graveyard.append((process, tasks))
        process.ready.clear()
        if process in self._runnable:
            self._runnable.remove(process)
        for connection in list(process.connections):
            connection.reset()

    def freeze(self, process: Process) -> None:
        """Halt `process` as by SIGSTOP; what it waits for comes when it is thawed."""
        process.is_frozen = True
        if process in self._runnable:
            self._runnable.remove(process)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on."""
        if process.is_frozen and process.is_alive and process.ready:
            self._runnable.append(process)
        process.is_frozen = False

    def terminate(self, process: Process, signal: int) -> None:
        """Send `signal` to `process`, which handles it if it asked to."""
        if handler := process.signal_handlers.get(signal):
            self.call_soon(handler, context=process.context)

    def bury(self) -> None:
        """Close what the dead left behind. Only after the run: their `finally` runs now."""
        for process, tasks in self._graveyard:
            for task in tasks:
                process.context.run(close, task.get_coro())
        self._graveyard.clear()
        self._timers.clear()

    # How it runs.

    def _run_once(self) -> None:
        runnable, note, draw = self._runnable, self.trace.note, self._draw
        while not self._stopping:  # type: ignore[attr-defined]
            if not runnable:
                self._advance()
                continue
            count = len(runnable)
            process = runnable[0] if count == 1 else runnable[int(draw() * count)]
            ready = process.ready
            handle = ready.popleft()
            if not ready:
                runnable.remove(process)
            if handle._cancelled:
                continue
            self.steps += 1
            note(self._now)
            note(process.number)
            if self.steps > self._most_steps:
                self._complain_of(process, handle)
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 (as asyncio does)
                self.call_exception_handler(
                    {"message": "callback", "exception": error, "process": process}
                )

    def _advance(self) -> None:
        """Let the time jump to the next timer, and make ready what is due."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
            self._timers_cancelled -= 1
        if not timers:
            raise NoProgressError("nothing runs and nothing waits for a time")
        self._now = now = max(self._now, timers[0][0])
        if now - self._moved_at >= 0.001:
            self._moved_at = now
            self._most_steps = self.steps + MOST_STEPS_AT_ONCE
            if self.trace.is_chunk_full():
                self.trace.digest_chunk()
                # At moments of its own choice, collecting would make runs differ.
                gc.collect()
        while timers and timers[0][0] <= now:
            handle = heapq.heappop(timers)[2]
            handle._scheduled = False
            if handle._cancelled:
                self._timers_cancelled -= 1
            else:
                self._admit(handle)

    def _admit(self, handle: Handle) -> None:
        process = handle._context.get(PROCESS) or self.world
        if process.is_alive:
            if not process.ready and not process.is_frozen:
                self._runnable.append(process)
            process.ready.append(handle)

    def _timer_handle_cancelled(self, handle: Handle) -> None:
        if not handle._scheduled:
            return
        self._timers_cancelled += 1
        if self._timers_cancelled > max(_FEWEST_CANCELLED_TO_SWEEP, len(self._timers) // 2):
            self._timers[:] = [timer for timer in self._timers if not timer[2]._cancelled]
            heapq.heapify(self._timers)
            self._timers_cancelled = 0

    def _later(self, between: tuple[float, float], process: Process) -> float:
        low, high = between
        return self._now + (low + (high - low) * self._draw()) * process.disk_slowness

    def _on_thread(
        self,
        answer: asyncio.Future[Any],
        ends: float,
        func: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        result, error = None, None
        try:
            result = func(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as caught:  # noqa: BLE001 (it is the caller's)
            error = caught
        self.call_at(ends, _settle, answer, result, error)

    def _keep_failure(self, _: Any, what: dict[str, Any]) -> None:
        task = what.get("task") or what.get("future")
        process = getattr(task, "process", None) or what.get("process") or PROCESS.get(self.world)
        if process.is_alive:
            error = what.get("exception")
            failure = Failure(self._now, process.name, str(what.get("message")), error)
            self.failures.append(failure)

    def _complain_of(self, process: Process, handle: Handle) -> None:
        running = [handle, *process.ready]
        names = ", ".join(sorted({name_of(each) for each in running})[:5])
        raise NoProgressError(
            f"{process.name}: {MOST_STEPS_AT_ONCE} steps at {self._now:.3f} s; it runs {names}"
        )


def _settle(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
