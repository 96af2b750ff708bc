"""Processes of the simulated world: what a kill ends, a freeze halts and a trace names."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakSet


class Connection(Protocol):
    """What the kernel closes for a process that is killed."""

    def reset(self) -> None:
        """Tell the other side, some time later, that this one is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that nobody handled: a bug in the product, or in the world around it."""

    at_seconds: float
    process: str
    what: str
    error: BaseException | None


class Process:
    """One incarnation of a program. Its handles and tasks carry it in their context."""

    def __init__(self, name: str, number: int, owner: Any = None) -> None:
        """Be the process `name` of `owner`, a machine; `number` stands for it in the trace."""
        self.name = name
        self.number = number
        self.owner = owner
        self.is_alive = True
        self.is_frozen = False
        self.ready: deque[Any] = deque()
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        # Held here, as asyncio itself holds no task that waits.
        self.main: asyncio.Task[Any] | None = None
        self.connections: dict[Connection, None] = {}
        self.signal_handlers: dict[int, Callable[[], object]] = {}
        # More than 1: the disk under this process is so many times slower.
        self.disk_slowness = 1.0
        self.context = Context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"<Process {self.name}#{self.number}>"


PROCESS: ContextVar[Process] = ContextVar("process")
