"""What a ledger file holds, against what was acknowledged. It reads a copy of the file."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from parkgraph.journal.chain import GENESIS, Head, Row, first_fault
from tests.faults.load import Promises

_ROWS: Final = 1000
# An allotment holds its space too: the cloud may have sold it.
_OPEN: Final = "('allotted', 'reserved', 'arriving', 'parked', 'leaving')"


def copied(ledger: Path, into: Path) -> Path:
    """Copy a database with all its files into a new folder in `into`, and return the copy.

    Opening it where it lies would change what is under test.
    """
    folder = Path(tempfile.mkdtemp(prefix="evidence-", dir=into))
    for file in ledger.parent.glob(f"{ledger.name}*"):
        if not file.name.endswith("-shm"):
            shutil.copyfile(file, folder / file.name)
    return folder / ledger.name


def broken_promises(copy: Path, promises: Promises) -> tuple[int, list[str]]:
    """Return how many acknowledgements were lost, and a sentence for each thing that is wrong.

    Deletes the copy that `copied` made.
    """
    with closing(sqlite3.connect(copy)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master")}
            if not promises and "sessions" not in tables:  # killed before it had a schema
                return 0, list(_damage(connection))
            lost = [*_lost_bookings(connection, promises), *_lost_ends(connection, promises)]
            wrong = [*chain_faults(connection), *_twice(connection), *_damage(connection)]
        except sqlite3.Error as error:
            return len(promises), [f"the ledger cannot be read: {error}"]
        finally:
            shutil.rmtree(copy.parent)
    return len(lost), [*lost, *wrong]


def _lost_bookings(connection: sqlite3.Connection, promises: Promises) -> Iterator[str]:
    held = {row["session"]: row for row in connection.execute("SELECT * FROM sessions")}
    recorded = {
        row["subject"] for row in connection.execute("SELECT DISTINCT subject FROM journal")
    }
    for session, promised in promises.bookings.items():
        row = held.get(session)
        if row is None or session not in recorded:
            yield f"the acknowledged booking {session} is lost"
        elif (row["space"], row["gate_code"]) != (promised.space, promised.code):
            yield f"the booking {session} has another space or code than was promised"


def _lost_ends(connection: sqlite3.Connection, promises: Promises) -> Iterator[str]:
    ended = {
        row["session"]: row["amount_minor"]
        for row in connection.execute("SELECT session, amount_minor FROM sessions")
    }
    recorded = {
        row["subject"]
        for row in connection.execute("SELECT subject FROM journal WHERE type = 'session_ended'")
    }
    for session, amount in promises.ends.items():
        if session not in recorded or ended.get(session) is None:
            yield f"the acknowledged end of {session} is lost"
        elif ended[session] != amount:
            yield f"the stay {session} costs {ended[session]} and was told as {amount}"


def chain_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Follow each epoch of each stream from its first row; the newest one ends at its head."""
    ends: set[tuple[str, int, int, str]] = set()
    query = "SELECT DISTINCT stream, epoch FROM journal"
    for stream, epoch in connection.execute(query).fetchall():
        head = Head(epoch=epoch, seq=0, hash=GENESIS)
        rows = connection.execute(
            "SELECT * FROM journal WHERE stream = ? AND epoch = ? ORDER BY seq", (stream, epoch)
        )
        while some := [Row.of(dict(row)) for row in rows.fetchmany(_ROWS)]:
            if fault := first_fault(stream, head, some):
                yield f"the chain of {stream}, epoch {epoch}, does not verify: {fault}"
                return
            head = Head(epoch=epoch, seq=some[-1].seq, hash=some[-1].hash)
        ends.add((stream, epoch, head.seq, head.hash))
    for kept in connection.execute("SELECT * FROM cursors WHERE name = 'head'"):
        if (kept["stream"], kept["epoch"], kept["seq"], kept["hash"]) not in ends:
            yield f"{kept['stream']}: no journal ends at its head, row {kept['seq']}"


def _twice(connection: sqlite3.Connection) -> Iterator[str]:
    for what in ("space", "gate_code"):
        query = (
            f"SELECT {what}, COUNT(*) FROM sessions WHERE state IN {_OPEN}"
            f" GROUP BY lot, {what} HAVING COUNT(*) > 1"
        )
        for value, count in connection.execute(query):
            yield f"{what} {value if what == 'space' else '(hidden)'} is promised {count} times"
    strangers = connection.execute(
        "SELECT COUNT(*) FROM spaces WHERE holder IS NOT NULL AND NOT EXISTS ("
        f" SELECT 1 FROM sessions s WHERE s.session = holder AND s.state IN {_OPEN})"
    ).fetchone()[0]
    if strangers:
        yield f"{strangers} spaces are held by nobody who has an open stay"


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        yield f"integrity_check: {found}"
