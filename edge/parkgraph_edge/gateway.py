"""The gateway without the machine it runs on: what the daemon and the simulation both start."""

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog

from parkgraph.journal.answers import forget_answers
from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.changes import Changes
from parkgraph.journal.digests import damaged
from parkgraph.journal.epochs import (
    Ages,
    age,
    begin_epoch,
    finish_recovery,
    is_recovering,
    keep_short,
    prune,
)
from parkgraph.journal.ledger import JournalLedger, Ledger, Moment, NoLedger, read_head
from parkgraph.journal.messages import LotState
from parkgraph.journal.tail import Tail
from parkgraph.model.api import LotStatus
from parkgraph.model.loans import given_up_after
from parkgraph.model.records import LotDescribed
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.disk import PLENTY, Room
from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph.runtime.mqtt import Channel
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.http.lot import LotFront
from parkgraph_edge.lanes.lane import LaneLoop
from parkgraph_edge.store.audit import live_fault
from parkgraph_edge.store.bookings import DeclareNoShows
from parkgraph_edge.store.clocks import AnchorClock
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.scrub import Scrub
from parkgraph_edge.store.terms import LotTerms
from parkgraph_edge.sync.link import Connect, LotLink
from parkgraph_edge.sync.loans import Loans

log = structlog.get_logger(__name__)

HOUSEKEEPING_SECONDS: Final = 10.0
RECOVERY_LOOK_SECONDS: Final = 1.0

Loops = dict[str, Coroutine[Any, Any, None]]


class LedgerIsBackError(RefusedError):
    """The ledger can be used again; a clean start is the simplest way to do so."""


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger of a lot and its database, open."""

    ledger: JournalLedger
    writer: Writer
    reader: Reader
    is_recovering: bool
    tail: Tail | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine gives: time, the broker (None: the lot runs alone), sensors, the disk."""

    clock: Clock
    connect: Connect | None
    occupied: Callable[[], frozenset[str]]
    room: Room = PLENTY


async def open_books(
    writer: Writer,
    reader: Reader,
    ledger: JournalLedger,
    lot: str,
    description: LotDescribed,
    *,
    tail: Tail | None = None,
) -> Books:
    """Say what the lot is and close what the last run left open, unless the ledger is recovering.

    `tail` was reconciled with the ledger.

    Raises:
        CorruptError: what the lot may decide on is damaged.
        UnavailableError: the ledger is another lot's, or the disk is full.
    """
    if fault := await writer.submit(lambda connection: live_fault(connection, lot)):
        raise damaged(fault)
    waits = await writer.submit(lambda connection: is_recovering(connection, lot))
    if not waits:
        late = await ledger.submit(OpenLot(lot, description))
        if late:
            log.warning("orders_too_late", count=late)
    return Books(ledger, writer, reader, waits, tail)


class Gateway:
    """One lot: its front door's port, and the loops that work on its ledger."""

    def __init__(
        self,
        terms: LotTerms,
        description: LotDescribed,
        books: Books | None,
        around: Surroundings,
        *,
        reason: str = "",
    ) -> None:
        """Work on `books`; without them, for `reason`, nothing is sold and exits go on.

        `changes` wakes who waits for rows of the ledger; None without one.
        """
        self._terms = terms
        self._books = books
        self._around = around
        self._is_linked = False
        self._state: Callable[[int], LotState] | None = None
        waits = books is not None and books.is_recovering
        if waits:
            reason = "the ledger waits for what the cloud still has of it"
        is_usable = books is not None and not waits
        self._reason = "" if is_usable else reason
        self.ledger: Ledger = books.ledger if books and is_usable else NoLedger(reason)
        self.changes = Changes(books.reader, around.clock) if books else None
        self.front = LotFront(
            terms,
            description,
            self.ledger,
            books.reader if books else None,
            changes=self.changes,
            occupied=around.occupied,
            status=self._status,
            clock=around.clock,
            room=around.room,
        )

    def loops(self, state: Callable[[int], LotState], lanes: Sequence[LaneLoop]) -> Loops:
        """Return the loops of the ledger, the link and the lanes."""
        work: Loops = {f"lane {lane.name}": lane.run() for lane in lanes}
        books = self._books
        if books is None or self.changes is None:
            self._state = state
            return work
        scrub = Scrub(self._terms.lot, books.writer, books.reader)
        self._state = lambda head_seq: _with_trouble(state(head_seq), scrub)
        work["ledger"] = books.writer.run()
        work["scrub"] = scrub.run()
        work["changes"] = self.changes.run()
        if self._around.connect:
            link = LotLink(
                self._terms,
                books.ledger,
                books.writer,
                books.reader,
                occupied=self._around.occupied,
                recovered=books.tail.follow if books.tail else None,
                room=self._around.room,
            )
            work["link"] = link.keep_up(self._linked(self._around.connect), self._state)
        if books.is_recovering:
            work["recovery"] = self._recover(books, lanes)
            return work
        work["housekeeping"] = self._keep_house(books)
        loans = Loans(
            self._terms.lot,
            self.ledger,
            books.reader,
            occupied=self._around.occupied,
            clock=self._around.clock,
        )
        return work | {"loans": loans.run()}

    def _linked(self, connect: Connect) -> Connect:
        """Return `connect`, noting for as long as the connection lasts that there is one."""

        @contextlib.asynccontextmanager
        async def noted(**how: Any) -> AsyncIterator[Channel]:
            async with connect(**how) as channel:
                self._is_linked = True
                try:
                    yield channel
                finally:
                    self._is_linked = False

        return noted

    def _status(self) -> LotStatus:
        """Say what works. A lot that runs alone has no link that could be up."""
        away = dict(self._state(0).away) if self._state else {}
        if self._reason:
            away["ledger"] = self._reason
        link: Literal["up", "down", "unknown"] = "up" if self._is_linked else "down"
        return LotStatus(
            lot_id=self._terms.lot,
            link=link if self._around.connect else "unknown",
            as_of=self._around.clock.now(),
            away=away,
        )

    async def _keep_house(self, books: Books) -> None:
        ages = Ages(self._around.clock)
        while True:
            try:
                await books.writer.submit(
                    functools.partial(
                        _keep_short,
                        lot=self._terms.lot,
                        moment=books.ledger.moment(),
                        minutes=ages.minutes(),
                    )
                )
                step = await self.ledger.submit(
                    AnchorClock(self._terms.lot, self._around.clock.is_trusted())
                )
                if step:
                    log.warning("clock_stepped", seconds=step.total_seconds())
                missed = await self.ledger.submit(DeclareNoShows(self._terms.lot))
                if missed:
                    log.info("no_shows", count=missed)
            except UnavailableError as error:
                log.warning("housekeeping_put_off", reason=str(error))
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    def _give_up_recovery(self, connection: sqlite3.Connection) -> None:
        assert self._books is not None
        lot = self._terms.lot
        if is_recovering(connection, lot):
            begin_epoch(connection, lot, self._books.ledger.moment(), why="fork")
            finish_recovery(connection, lot)

    async def _recover(self, books: Books, lanes: Sequence[LaneLoop]) -> None:
        """Wait until the cloud has returned what the ledger lost, or no loan can run any more."""
        lot = self._terms.lot
        clock = self._around.clock
        over_at = clock.boot_seconds() + given_up_after(self._terms.loan).total_seconds()
        waits = True
        while waits:
            await asyncio.sleep(RECOVERY_LOOK_SECONDS)
            with contextlib.suppress(UnavailableError):
                if clock.boot_seconds() >= over_at:
                    await books.writer.submit(self._give_up_recovery)
                waits = await books.writer.submit(lambda connection: is_recovering(connection, lot))
        for lane in lanes:
            await lane.hand_over(books.ledger)
        raise LedgerIsBackError("the ledger is whole again; starting anew")


def _with_trouble(state: LotState, scrub: Scrub) -> LotState:
    if scrub.trouble is None:
        return state
    return state.model_copy(update={"away": state.away | {"ledger": scrub.trouble}})


def _keep_short(connection: sqlite3.Connection, lot: str, moment: Moment, minutes: int) -> None:
    """Keep the lot's journal short, its copy of the directives, and what it has answered."""
    down = stream_of_cloud(lot)
    age(connection, lot, minutes)
    age(connection, down, minutes)
    forget_answers(connection, moment.at)
    keep_short(connection, lot, moment)
    prune(connection, down, known=read_head(connection, down, "head"))
