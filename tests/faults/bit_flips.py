"""One flipped bit at a time in the files of a real ledger: nobody may use what it changed.

The ledger is written by real commands, and its newest rows lie in the write-ahead log. After each
flip all rows are read: where they read the same the flip is harmless; else `journal verify` has to
find it, and so has whoever uses it: the start, the loading of facts for a decision, or the other
end of the link. `PRAGMA integrity_check` is counted beside it, as a reference.
"""

import argparse
import contextlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from parkgraph.journal.chain import GENESIS, Head, Row, first_fault
from parkgraph.journal.ledger import MIGRATIONS, SQL
from parkgraph.model.errors import CallRefusedError
from parkgraph.model.plates import parse_plate
from parkgraph.model.records import CancelAsked, SpaceClass
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph.runtime.sqlite import connect, migrate
from parkgraph_edge.journal_commands import faults_of
from parkgraph_edge.store.audit import FACT_TABLES, Tally, live_fault
from parkgraph_edge.store.facts import LotFacts
from parkgraph_edge.store.passages import Present
from parkgraph_edge.store.replay import EDGE_MIGRATIONS
from tests.builders import LOT, NOON, a_booking, a_gate, a_plate
from tests.fakes import FakeClock, open_ledger
from tests.faults.campaign import Progress, Result
from tests.ledgers import a_day, take_directives

SHARE_OF_LOG: Final = 0.15
BOOKKEEPING: Final = ("cursors", "epochs", "dead_letters", "migrations")
# What says that a file is damaged, or a value none: each ends the use of it.
REFUSALS: Final = (
    sqlite3.Error,
    CorruptError,
    RefusedError,
    UnavailableError,
    CallRefusedError,
    ValidationError,
    UnicodeDecodeError,
    LookupError,
)

T = TypeVar("T")
Stays = list[tuple[str, str, str, str | None]]
Dump = dict[str, list[tuple[Any, ...]]]


class BitFlips(Result):
    """What the flips came to. Of those that change data each has to be found twice over.

    `rolled_back` are flips in the log which SQLite takes for its end: the ledger is as it was
    some commits before, whole and without a fault. Only a copy elsewhere can tell: the tail file.
    `hidden` are flips that change no row but an index, so that a search finds another one or none;
    only `integrity_check`, which `journal verify` runs, can tell.
    """

    harness: str = "bit-flips"
    flips: int = 0
    harmless: int = 0
    changed: int = 0
    unreadable: int = 0
    bookkeeping: int = 0
    rolled_back: int = 0
    hidden: int = 0
    hidden_found_by_verify: int = 0
    found_by_verify: int = 0
    found_at_start: int = 0
    found_in_use: int = 0
    not_seen_in_use: int = 0
    integrity_check: int = 0

    def figures(self) -> str:
        """See `Result`."""
        return (
            f"{self.flips} flips: {self.changed} changed rows ({self.unreadable} unreadable),"
            f" verify found {self.found_by_verify}; {self.found_at_start} at the start,"
            f" {self.found_in_use} in use, {self.not_seen_in_use} where use reads the right copy;"
            f" integrity_check alone {self.integrity_check};"
            f" {self.bookkeeping} changed bookkeeping, {self.rolled_back} cut the log,"
            f" {self.hidden} changed an index ({self.hidden_found_by_verify} found by verify),"
            f" {self.harmless} harmless"
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument("--flips", type=int, default=5000, help="default %(default)s")


async def run(options: argparse.Namespace, folder: Path) -> BitFlips:
    """Fill in `options.result`; see `tests.faults.__main__`."""
    result: BitFlips = options.result
    chance = random.Random(options.seed)
    template = await a_template(folder)
    original = Original(template)
    progress = Progress("bit-flips", options.flips)
    for _ in range(options.flips):
        flip_one(original, folder, chance, result)
        progress.at(result.flips, f"{result.changed} changed rows")
    result.is_complete = True
    return result


async def a_template(folder: Path) -> Path:
    """Write a ledger with a past, and copy its files while its newest rows are in the log."""
    written, template = folder / "written", folder / "template"
    clock = FakeClock()
    written.mkdir()
    async with open_ledger(written, clock=clock) as ledger:
        await a_day(ledger, clock)
        await take_directives(ledger, CancelAsked(session="sess_gone"))
    clock.advance(60)
    async with open_ledger(written, clock=clock, seed=1) as ledger:
        for number in range(3):
            await ledger.submit(a_booking(f"NEW {number}", request=f"request {number}"))
        await ledger.submit(Present(a_gate(), "pres_8", a_plate("NEW 1")))
        template.mkdir()
        for name in ("ledger.db", "ledger.db-wal"):
            shutil.copyfile(written / name, template / name)
    return template


class Original:
    """The files as they were written, and what is read from them."""

    def __init__(self, template: Path) -> None:
        """Read them once."""
        self.files = {file.name: file.read_bytes() for file in sorted(template.iterdir())}
        with _copied(self.files, template.parent) as path:
            self.dump = dump(path)
            self.start = opened(path)
            assert self.start is None, self.start
            self.stays = stays(path)
            self.used = used(path, self.stays)
            self.sent = sent(path)
            assert verified(path) == []


def flip_one(original: Original, folder: Path, chance: random.Random, result: BitFlips) -> None:
    """Flip one bit somewhere and see who finds it."""
    name = "ledger.db-wal" if chance.random() < SHARE_OF_LOG else "ledger.db"
    content = bytearray(original.files[name])
    offset, bit = chance.randrange(len(content)), chance.randrange(8)
    content[offset] ^= 1 << bit
    result.flips += 1
    with _copied(original.files | {name: bytes(content)}, folder) as path:
        _judge(original, path, f"bit {bit} of byte {offset} of {name}", result)


def _judge(original: Original, path: Path, where: str, result: BitFlips) -> None:
    read = _try(lambda: dump(path))
    faults = verified(path)
    at_start = opened(path)
    uses = [_try(lambda: used(path, original.stays)), _try(lambda: sent(path))]
    is_used_right = uses == [original.used, original.sent]
    is_refused = at_start is not None or any(isinstance(use, Exception) for use in uses)
    if isinstance(read, dict) and _rows_of(read) == _rows_of(original.dump):
        if read != original.dump:
            result.bookkeeping += 1
        elif is_used_right or is_refused:
            result.harmless += 1
        else:
            result.hidden += 1
            result.hidden_found_by_verify += bool(faults)
            if not faults:
                result.violated(["changes what a search finds, and verify is silent"], where=where)
    elif isinstance(read, dict) and _is_earlier(read, original.dump) and not faults:
        result.rolled_back += 1
    else:
        result.changed += 1
        result.unreadable += not isinstance(read, dict)
        result.integrity_check += any(fault.startswith("file:") for fault in faults)
        result.found_at_start += at_start is not None
        result.found_in_use += at_start is None and is_refused
        result.not_seen_in_use += not is_refused and is_used_right
        result.found_by_verify += bool(found := [f for f in faults if not f.startswith("file:")])
        if not found:
            result.violated(["changes rows, and verify finds nothing in them"], where=where)
        if not is_refused and not is_used_right:
            result.violated(["changes rows that are then used"], where=where)


def dump(path: Path) -> Dump:
    """Read every row of every table, by the table itself and not by an index."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        read = {
            table: connection.execute(
                f"SELECT * FROM {table} NOT INDEXED ORDER BY rowid"
            ).fetchall()
            for table in ("journal", *FACT_TABLES, *BOOKKEEPING)
        }
    # The salt of a personal part that is not there proves nothing, so nothing covers it.
    read["journal"] = [_without_salt(row) for row in read["journal"]]
    return read


def verified(path: Path) -> list[str]:
    """Return what `journal verify` finds."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            return faults_of(connection, Tally())
    except REFUSALS as error:
        return [f"cannot be opened: {error}"]


def opened(path: Path) -> str | None:
    """Open the ledger as a start does; return why that fails."""
    try:
        with closing(connect(path)) as connection:
            migrate(connection, [MIGRATIONS, EDGE_MIGRATIONS])
            return live_fault(connection, LOT)
    except REFUSALS as error:
        return f"{type(error).__name__}: {error}"


def stays(path: Path) -> Stays:
    """Return what each stay can be searched by."""
    query = "SELECT session, plate, gate_code, request FROM sessions"
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def used(path: Path, known: Stays) -> list[Any]:
    """Load all that decisions load, of every stay, lane and request that was there."""
    with closing(connect(path)) as connection:
        facts = LotFacts(connection, LOT)
        found: list[Any] = [facts.description(), facts.another_lot(), facts.orders_unfinished()]
        found += [
            facts.rate_card(),
            facts.allotments(),
            facts.next_order(257, after=0),
            facts.is_barred("1"),
        ]
        found += [facts.free_spaces(kind, limit=-1) for kind in SpaceClass]
        found += [facts.reservations_overdue(NOON.replace(year=2030), limit=64)]
        found += [facts.in_lost_spaces(["S-00"], limit=64)]
        for lane in ("north-in", "south-out"):
            row = facts.admission_open(lane)
            found += [facts.keypad(lane), tuple(row) if row else None]
        for session, text, code, request in known:
            plate = parse_plate(text)
            stay = facts.session(session)
            found += [stay, facts.sessions_by_plates([plate.folded])]
            found += [facts.twins(stay) if stay else None]
            found += [facts.sessions_by_code(code), facts.session_by_request(request)]
            found += [facts.open_session_of_vehicle(plate, None), code in facts]
        return found


def sent(path: Path) -> list[list[Row]]:
    """Read the rows of each epoch as the link sends them, and take them as the other end does."""
    with closing(connect(path)) as connection:
        found: list[list[Row]] = []
        for stream, epoch in connection.execute("SELECT stream, epoch FROM epochs").fetchall():
            place = {"stream": stream, "epoch": epoch, "seq": 0, "limit": -1}
            rows = [Row.of(dict(row)) for row in connection.execute(SQL["rows_after"], place)]
            if fault := first_fault(stream, Head(epoch=epoch, seq=0, hash=GENESIS), rows):
                raise CorruptError(fault)
            found.append(
                [row if row.personal else row.model_copy(update={"salt": ""}) for row in rows]
            )
        return found


def _without_salt(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row if row[8] is not None else (*row[:9], b"", *row[10:])


@contextlib.contextmanager
def _copied(files: dict[str, bytes], folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for name, content in files.items():
            (Path(place) / name).write_bytes(content)
        yield Path(place) / "ledger.db"


def _try(read: Callable[[], T]) -> T | Exception:
    try:
        return read()
    except REFUSALS as error:
        return error


def _rows_of(read: Dump) -> Dump:
    return {table: rows for table, rows in read.items() if table not in BOOKKEEPING}


def _is_earlier(read: Dump, whole: Dump) -> bool:
    """Say whether the journal in `read` is the beginning of the whole one."""
    journal = read["journal"]
    return len(journal) < len(whole["journal"]) and whole["journal"][: len(journal)] == journal
