"""What the simulated loop keeps: calls to come, and tasks with numbers."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from tests.simulation.processes import Process


class SimulatedTask(asyncio.Task[Any]):
    """A task with a number for a hash: sets of tasks have the same order in each run."""

    number: int
    process: Process

    def __hash__(self) -> int:
        return self.number


class Handle(asyncio.TimerHandle):
    """What `call_soon` and `call_at` return, without the work that asyncio's own does."""

    __slots__ = ()
    _context: contextvars.Context
    _callback: Callable[..., object]
    _args: tuple[Any, ...]

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._when = when
        self._scheduled = False

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            del self._callback, self._args
            self._loop._timer_handle_cancelled(self)  # type: ignore[attr-defined]


def name_of(handle: Handle) -> str:
    if handle._cancelled:
        return "a cancelled call"
    task = getattr(handle._callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"task {task.get_name()} in {getattr(task.get_coro(), '__qualname__', '?')}"
    return str(getattr(handle._callback, "__qualname__", handle._callback))


def close(coroutine: Any) -> None:
    for _ in range(10):
        try:
            coroutine.close()
        except RuntimeError:  # it waits for something in a `finally`; go on with the next
            continue
        except (Exception, BaseExceptionGroup):  # noqa: BLE001 (nobody hears the dead)
            return
        else:
            return
