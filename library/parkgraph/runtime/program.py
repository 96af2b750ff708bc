"""How a program of ours starts and ends."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from importlib import metadata
from typing import Any

import uvloop

from parkgraph.runtime import logs
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError


def run(name: str, start: Callable[[], Coroutine[Any, Any, None]], *, log: str | None) -> int:
    """Run what `start` returns until it ends; logs go to the file `log`, or to stderr.

    Returns the exit status: 0 ended, 1 broken, 2 the caller can mend it. What is wrong is one line
    on stderr that begins with `name`.
    """
    try:
        logs.set_up(to=log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(start())
    except (RefusedError, UnavailableError, CorruptError, sqlite3.Error) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2 if isinstance(error, RefusedError) else 1
    return 0


def version() -> str:
    """Return which release this is, as `--version` prints it."""
    return f"%(prog)s {metadata.version('parkgraph')}"
