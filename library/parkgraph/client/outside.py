"""What the SDK takes from its surroundings: time, chance and the network."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from uuid import uuid4

import httpx


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _new_key() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Outside:
    """The real ones, unless others are given.

    `clock` counts seconds and never goes back; `random` draws from 0 up to 1; `new_key` makes up
    an Idempotency-Key; `transport` takes the place of sockets, for all addresses.
    """

    clock: Callable[[], float] = _loop_time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = SystemRandom().random
    new_key: Callable[[], str] = _new_key
    transport: httpx.AsyncBaseTransport | None = None
