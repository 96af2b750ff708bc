"""Ledgers with a past, written by real commands."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Final, Literal

from parkgraph.journal.chain import GENESIS, Head, Row, stream_of_cloud
from parkgraph.journal.copies import receive
from parkgraph.journal.epochs import begin_epoch
from parkgraph.journal.ledger import Moment, chained
from parkgraph.journal.messages import Acknowledgement, Batch
from parkgraph.model.records import AnyRecord, Direction, VendOutcome
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.store.bookings import DeclareNoShows, End
from parkgraph_edge.store.clocks import AnchorClock
from parkgraph_edge.store.directives import TakeDirective
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import (
    Admitted,
    FinishVend,
    OrderVend,
    Present,
    RecordFindings,
    StandsThere,
)
from parkgraph_edge.store.terms import LotTerms
from tests.builders import (
    ENTRY,
    EXIT,
    LOT,
    NOON,
    TERMS,
    a_booking,
    a_gate,
    a_lot,
    a_plate,
    an_admission,
    another_code,
    typed,
)
from tests.fakes import FakeClock, OpenLedger, randomness

EPOCH: Final = 7
SPACES: Final = tuple(f"S-{number:02}" for number in range(10))


async def let_through(
    ledger: OpenLedger, direction: Direction, plate: str, *, crosses: bool = True
) -> None:
    """Let one car through, or let it back out."""
    gate = a_gate(direction)
    admitted = await ledger.submit(Present(gate, "pres_1", a_plate(plate)))
    assert isinstance(admitted, Admitted)
    await ledger.submit(FinishVend(gate.actor, admitted.order, gate.lane, VendOutcome.OPENED, 300))
    effect = Effect.CROSSED if crosses else Effect.BACKED_OUT
    admission = an_admission(admitted.admission, session=admitted.session)
    await ledger.submit(RecordFindings(gate, [Finding(effect, admission)]))


async def a_day(ledger: OpenLedger, clock: FakeClock) -> None:
    """Let everything happen that a lot records."""
    await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
    await ledger.submit(AnchorClock(LOT, clock.is_trusted()))
    sessions = [await ledger.submit(a_booking(f"CAR {n}", vin=None)) for n in range(4)]
    await let_through(ledger, ENTRY, "CAR 0", crosses=False)
    for plate in ("CAR 0", "CAR 1"):
        await let_through(ledger, ENTRY, plate)
    clock.advance(600)
    await ledger.submit(Present(a_gate(), "pres_2", typed(another_code(sessions[2].gate_code))))
    await ledger.submit(Present(a_gate(), "pres_2", typed(sessions[2].gate_code)))
    await ledger.submit(Present(a_gate(), "pres_2", typed("000000000")))
    await ledger.submit(OrderVend(a_gate(), "adm_unknown"))
    await ledger.submit(End(LOT, "key:1", sessions[0].session))
    clock.advance(60)
    await let_through(ledger, EXIT, "CAR 0")
    await ledger.submit(Present(a_gate(EXIT), "pres_3", StandsThere()))
    tailgater = Finding(Effect.CROSSED_UNADMITTED, None, vehicles=2)
    await ledger.submit(RecordFindings(a_gate(EXIT), [tailgater]))
    await ledger.submit(OpenLot(LOT, a_lot(*SPACES[:5], name="Elm Street")))
    clock.advance(3600)
    assert await ledger.submit(DeclareNoShows(LOT)) == 1


async def go_on(ledger: OpenLedger, why: Literal["lost", "fork", "compaction"]) -> None:
    """Let the journal of the lot go on under a new epoch."""
    moment = ledger.ledger.moment()
    await ledger.writer.submit(lambda c: begin_epoch(c, ledger.lot, moment, why=why))


def rows_of(
    *records: AnyRecord, stream: str = LOT, epoch: int = EPOCH, actor: str = "system"
) -> list[Row]:
    """Return `records` as a journal has them, from its first row on."""
    moment = Moment(NOON, randomness(7).randbytes)
    head = Head(epoch=epoch, seq=0, hash=GENESIS)
    rows: list[Row] = []
    for record in records:
        rows.append(chained(stream, head, record, actor=actor, moment=moment))
        head = Head(epoch=epoch, seq=rows[-1].seq, hash=rows[-1].hash)
    return rows


async def take_directives(
    ledger: OpenLedger, *records: AnyRecord, terms: LotTerms = TERMS
) -> Acknowledgement:
    """Let the cloud decide `records`, the first that it ever decided, and the lot take them."""
    stream = stream_of_cloud(ledger.lot)
    rows = rows_of(*records, stream=stream, actor="key:cloud")
    batch = Batch(stream=stream, epoch=EPOCH, rows=tuple(rows))

    def take(connection: sqlite3.Connection, lot: str, row: Row, record: AnyRecord) -> None:
        ledger.ledger.decide(connection, TakeDirective(terms, record, frozenset()))

    return await ledger.writer.submit(lambda connection: receive(connection, batch, take=take))


def flip(path: Path, change: str, *parameters: Any) -> None:
    """Change the facts behind the back of their triggers, as a flipped bit does."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(change, parameters)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
