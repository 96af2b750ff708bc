"""Whether the cloud has what the lots have: each row once, in order, and the same facts from it."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.faults.evidence import chain_faults

_FACTS: Final = ("sessions", "spaces", "admissions")
Heads = dict[str, tuple[int, int, str]]


def heads(database: Path) -> Heads:
    """Return how far each stream has come: epoch, seq and hash."""
    with closing(_opened(database)) as connection:
        query = "SELECT stream, epoch, seq, hash FROM cursors WHERE name = 'head'"
        return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query)}


def differences(lot: str, ledger: Path, cloud: Path) -> list[str]:
    """Return a sentence for each way in which lot and cloud differ about `lot`."""
    with closing(_opened(ledger)) as ours, closing(_opened(cloud)) as theirs:
        found = [*_row_differences(lot, ours, theirs), *_fact_differences(lot, ours, theirs)]
        found += [f"at the lot: {fault}" for fault in chain_faults(ours)]
        left = theirs.execute(
            "SELECT COUNT(*) FROM dead_letters WHERE stream = ? OR stream LIKE ?", _streams_of(lot)
        ).fetchone()[0]
        if left:
            found.append(f"{left} rows were set aside in the cloud")
        return found


def cloud_chain_faults(cloud: Path) -> list[str]:
    """Return what is wrong with the chains that the cloud holds."""
    with closing(_opened(cloud)) as connection:
        return [f"in the cloud: {fault}" for fault in chain_faults(connection)]


def _opened(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10.0)
    connection.row_factory = sqlite3.Row
    return connection


def _streams_of(lot: str) -> tuple[str, str]:
    return lot, f"{lot}/%"


def _row_differences(
    lot: str, ours: sqlite3.Connection, theirs: sqlite3.Connection
) -> Iterator[str]:
    """Compare every row of the lot's own stream and of what the cloud sent it."""
    query = (
        "SELECT stream, epoch, seq, hash FROM journal WHERE stream = ? OR stream LIKE ?"
        " ORDER BY stream, epoch, seq"
    )
    at_lot = [tuple(row) for row in ours.execute(query, _streams_of(lot))]
    in_cloud = [tuple(row) for row in theirs.execute(query, _streams_of(lot))]
    if lost := len(set(at_lot) - set(in_cloud)):
        yield f"{lost} rows of the lot are not in the cloud"
    if strange := len(set(in_cloud) - set(at_lot)):
        yield f"{strange} rows in the cloud are not at the lot"
    if len(in_cloud) != len(set(in_cloud)):
        yield f"{len(in_cloud) - len(set(in_cloud))} rows are in the cloud more than once"
    stored = "SELECT seq FROM journal WHERE stream = ? ORDER BY rowid"
    order = [row[0] for row in theirs.execute(stored, (lot,))]
    if order != sorted(order):
        yield "the rows came into the cloud in another order"


def _fact_differences(
    lot: str, ours: sqlite3.Connection, theirs: sqlite3.Connection
) -> Iterator[str]:
    for table in _FACTS:
        query = f"SELECT * FROM {table} WHERE lot = ?"
        at_lot, in_cloud = (
            {tuple(row)[1]: dict(row) for row in connection.execute(query, (lot,))}
            for connection in (ours, theirs)
        )
        if at_lot.keys() != in_cloud.keys():
            yield f"{table}: {len(at_lot.keys() ^ in_cloud.keys())} rows are on one side only"
        columns = Counter(
            column
            for key in at_lot.keys() & in_cloud.keys()
            # Only a lot's facts have digests.
            for column in at_lot[key].keys() - {"digest"}
            if at_lot[key][column] != in_cloud[key].get(column)
        )
        for column, count in sorted(columns.items()):
            yield f"{table}: {count} rows differ in {column}"
