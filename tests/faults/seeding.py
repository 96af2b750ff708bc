"""Ledgers with a past, written by the product's own ledger: parked stays, and long journals."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from parkgraph.journal.ledger import Decision, JournalLedger, Moment
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.rates import Rate
from parkgraph.model.records import (
    AdmissionGranted,
    AnyRecord,
    Crossed,
    Direction,
    Means,
    Personal,
    SessionEnded,
    SessionReserved,
)
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.sqlite import connect
from parkgraph.runtime.writer import Writer
from tests.faults.gateway import Gateway

ROWS_OF_A_STAY: Final = 6
_STAYS_AT_ONCE: Final = 20
A_RATE: Final = Rate(version="rates-1", currency="USD", unit_minor=350)


@dataclass(frozen=True, slots=True)
class Park:
    """Record that vehicles came into `spaces`; with `leave`, that they went again."""

    spaces: Sequence[str]
    first: int
    leave: bool
    actor: str = "system"

    def decide(self, facts: sqlite3.Connection, moment: Moment) -> Decision[list[str]]:
        """Return the ids of the stays."""
        sessions: list[str] = []
        records: list[AnyRecord] = []
        for number, space in enumerate(self.spaces, self.first):
            session = new_id("sess", at=moment.at, random=moment.random(RANDOM_BYTES))
            sessions.append(session)
            records += _comes(session, space, number, moment)
            if self.leave:
                records += _goes(session, number)
        return Decision(sessions, records)


def _comes(session: str, space: str, number: int, moment: Moment) -> Iterator[AnyRecord]:
    yield SessionReserved(
        session=session,
        fleet="fleet_faults",
        autonomous=True,
        space=space,
        entry_lane="north-in",
        rate=A_RATE,
        expected_minutes=120,
        estimated_minor=700,
        hold_until=moment.at + timedelta(minutes=30),
        personal=Personal(plate=f"P{number:09}", gate_code=f"x{number:08}"),
    )
    yield _admitted(session, number, "north-in", Direction.ENTRY)
    yield Crossed(
        admission=f"adm-in-{session}", session=session, lane="north-in", direction=Direction.ENTRY
    )


def _goes(session: str, number: int) -> Iterator[AnyRecord]:
    yield SessionEnded(session=session, amount_minor=350)
    yield _admitted(session, number, "south-out", Direction.EXIT)
    yield Crossed(
        admission=f"adm-out-{session}",
        session=session,
        lane="south-out",
        direction=Direction.EXIT,
        amount_minor=350,
    )


def _admitted(session: str, number: int, lane: str, direction: Direction) -> AdmissionGranted:
    way = "in" if direction is Direction.ENTRY else "out"
    return AdmissionGranted(
        admission=f"adm-{way}-{session}",
        session=session,
        lane=lane,
        direction=direction,
        presence=f"pres-{way}-{number}",
        means=Means.PLATE,
        passages_before=number,
    )


async def park(gateway: Gateway, count: int) -> list[str]:
    """Park vehicles in the last `count` spaces of a stopped gateway; return their stays."""
    sessions: list[str] = []
    batches = _batches(gateway.spaces[-count:] if count else [])
    for found in await _write(gateway, [Park(b, n, leave=False) for n, b in batches]):
        sessions += found
    return sessions


async def fill_journal(gateway: Gateway, rows: int) -> None:
    """Let vehicles come and go in a stopped gateway until its journal has about `rows` more."""
    stays = rows // ROWS_OF_A_STAY
    # Those in one command need a space each; the next command finds the spaces free again.
    spaces = gateway.spaces[:_STAYS_AT_ONCE]
    batches = _batches((spaces * (stays // len(spaces) + 1))[:stays])
    await _write(gateway, [Park(b, n, leave=True) for n, b in batches])


def _batches(spaces: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
    starts = range(0, len(spaces), _STAYS_AT_ONCE)
    return [(start, spaces[start : start + _STAYS_AT_ONCE]) for start in starts]


async def _write(gateway: Gateway, commands: Sequence[Park]) -> list[list[str]]:
    writer = Writer(connect(gateway.ledger), gateway.ledger)
    try:
        ledger = JournalLedger(writer, gateway.lot, clock=SystemClock(), random=os.urandom)
        found: list[list[str]] = []
        for start in range(0, len(commands), 32):  # what one transaction takes
            async with asyncio.TaskGroup() as group:
                some = commands[start : start + 32]
                tasks = [group.create_task(ledger.submit(command)) for command in some]
            found += [task.result() for task in tasks]
        return found
    finally:
        await writer.close()


async def open_once(gateway: Gateway) -> None:
    """Let the gateway itself make its state directory: schema, key, description of the lot."""
    await gateway.start()
    try:
        await gateway.until_it_answers()
    finally:
        await gateway.stop()


def size_of(path: Path) -> int:
    """Return how many rows the journal in `path` has."""
    connection = sqlite3.connect(path)
    try:
        count: int = connection.execute("SELECT COUNT(*) FROM journal").fetchone()[0]
        return count
    finally:
        connection.close()
