"""What must hold when all is healed and quiet: read from the two databases themselves."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.model.records import parse_record
from parkgraph.runtime.sqlite import add_functions, migrate
from parkgraph_edge.store.facts import LotFacts
from parkgraph_edge.store.recount import recount
from tests.simulation.clouds import DATABASE, CloudSite
from tests.simulation.lots import LEDGER, LotSite
from tests.simulation.oracle import Oracle, Promise
from tests.simulation.restores import looked_into

_FACTS: Final = ("sessions", "boots", "spaces", "lots")
# What only holds while no epoch forgot it.
_MORE_FACTS: Final = ("admissions", "orders", "keypads", "conflicts", "barred_keys")

Rows = list[tuple[Any, ...]]


def check_all(oracle: Oracle, lots: list[LotSite], cloud: CloudSite) -> None:
    """Compare the databases of all machines with each other and with what was acknowledged."""
    with looked_into(cloud.machine, DATABASE) as in_cloud:
        _check_file(oracle, "cloud", in_cloud)
        for lot in lots:
            with looked_into(lot.machine, LEDGER) as at_lot:
                _check_file(oracle, lot.name, at_lot)
                for stream in (lot.name, stream_of_cloud(lot.name)):
                    _check_stream(oracle, stream, at_lot, in_cloud)
                _check_replay(oracle, lot, at_lot)
                _check_views(oracle, lot, at_lot, in_cloud)
                _check_acknowledged(oracle, lot, at_lot, in_cloud)
                _check_orders(oracle, lot, at_lot)


def check_cursors(oracle: Oracle, lots: list[LotSite], cloud: CloudSite) -> None:
    """See, at any moment, that what counts as acknowledged is in the copy."""
    if cloud.connection is None:
        return
    for lot in lots:
        if lot.connection is not None:
            _check_cursor(oracle, lot.name, "cloud", lot.connection, cloud.connection)
            down = stream_of_cloud(lot.name)
            _check_cursor(oracle, down, lot.name, cloud.connection, lot.connection)


def _check_cursor(
    oracle: Oracle, stream: str, holder: str, owner: sqlite3.Connection, copy: sqlite3.Connection
) -> None:
    if holder in oracle.restored_at or holder in oracle.rolled_back:  # it may have forgotten
        return
    told, held = cursor(owner, stream, "acknowledged"), cursor(copy, stream, "head")
    if told and (held is None or (held[0] == told[0] and held[1] < told[1])):
        what = f"{stream}: {told} counts as acknowledged, {holder} has {held}"
        oracle.accuse("violation", what)


def _check_file(oracle: Oracle, name: str, database: sqlite3.Connection) -> None:
    said = database.execute("PRAGMA integrity_check").fetchone()[0]
    if said != "ok":
        oracle.accuse("violation", f"{name}: integrity_check says {said}")
    for row in database.execute("SELECT * FROM dead_letters ORDER BY stream, seq").fetchall():
        oracle.accuse("violation", f"{name}: dead letter {dict(row)}")
    query = "SELECT stream FROM cursors WHERE name = 'recovering'"
    for row in database.execute(query).fetchall():
        oracle.accuse("violation", f"{name}: {row['stream']} still recovers")


def cursor(database: sqlite3.Connection, stream: str, name: str) -> tuple[Any, ...] | None:
    query = "SELECT epoch, seq, hash FROM cursors WHERE stream = ? AND name = ?"
    row = database.execute(query, (stream, name)).fetchone()
    return tuple(row) if row else None


def _check_stream(
    oracle: Oracle, stream: str, at_lot: sqlite3.Connection, in_cloud: sqlite3.Connection
) -> None:
    is_down = stream.endswith("/cloud")
    owner, copy = (in_cloud, at_lot) if is_down else (at_lot, in_cloud)
    head, known = cursor(owner, stream, "head"), cursor(owner, stream, "acknowledged")
    copied = cursor(copy, stream, "head")
    if not head == known == copied:
        oracle.accuse("violation", f"{stream}: head {head}, acknowledged {known}, copied {copied}")
    own = [(epoch, row["seq"], row["hash"]) for epoch, row in lineage(owner, stream)]
    other = [(epoch, row["seq"], row["hash"]) for epoch, row in lineage(copy, stream)]
    # Either side may have let go of epochs that ended long ago.
    length = min(len(own), len(other))
    if own[len(own) - length :] != other[len(other) - length :]:
        missing = sorted(set(own) - set(other))[:3]
        extra = sorted(set(other) - set(own))[:3]
        oracle.accuse("violation", f"{stream}: journals differ: missing {missing}, extra {extra}")


def lineage(database: sqlite3.Connection, stream: str) -> Iterator[tuple[int, sqlite3.Row]]:
    """Yield the rows of `stream` from its first to its head, without those superseded."""
    head = cursor(database, stream, "head")
    if head is None:
        return
    query = "SELECT epoch, after_epoch, after_seq FROM epochs WHERE stream = ?"
    epochs = {row["epoch"]: row for row in database.execute(query, (stream,)).fetchall()}
    spans: list[tuple[int, int]] = []
    epoch, last = head[0], head[1]
    while epoch is not None:
        spans.append((epoch, last))
        row = epochs.get(epoch)
        epoch, last = (row["after_epoch"], row["after_seq"]) if row else (None, 0)
    rows = "SELECT * FROM journal WHERE stream = ? AND epoch = ? AND seq <= ? ORDER BY seq"
    for epoch, last in reversed(spans):
        for row in database.execute(rows, (stream, epoch, last)).fetchall():
            yield epoch, row


def _check_replay(oracle: Oracle, lot: LotSite, at_lot: sqlite3.Connection) -> None:
    replayed = sqlite3.connect(":memory:", isolation_level=None)
    replayed.row_factory = sqlite3.Row
    add_functions(replayed)
    migrate(replayed, [MIGRATIONS, "parkgraph_edge.store.migrations"])
    epochs = set()
    for epoch, row in lineage(at_lot, lot.name):
        epochs.add(epoch)
        try:
            record = parse_record(row["body"], row["personal"])
            for fault in recount(record, row["at"], LotFacts(replayed, lot.name), []):
                oracle.accuse("violation", f"{lot.name}: {fault}")
            apply(lot.name, row["at"], record, replayed)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is a violation)
            what = f"{lot.name}: replay fails at {epoch}/{row['seq']} {row['type']}: {error!r}"
            oracle.accuse("violation", what)
            return
    for table in (*_FACTS, *(_MORE_FACTS if len(epochs) == 1 else ())):
        facts, again = _dump(at_lot, table), _dump(replayed, table)
        if facts != again:
            few = sorted(set(facts) ^ set(again), key=str)[:4]
            oracle.accuse("violation", f"{lot.name}: {table} is not its replay: {few}")
    replayed.close()


def _dump(database: sqlite3.Connection, table: str) -> Rows:
    return sorted((tuple(row) for row in database.execute(f"SELECT * FROM {table}")), key=str)


def _check_views(
    oracle: Oracle, lot: LotSite, at_lot: sqlite3.Connection, in_cloud: sqlite3.Connection
) -> None:
    query = (
        "SELECT session, state, space, amount_minor, plate FROM sessions WHERE lot = ?"
        " ORDER BY session"
    )
    here = {row["session"]: tuple(row) for row in at_lot.execute(query, (lot.name,))}
    there = {row["session"]: tuple(row) for row in in_cloud.execute(query, (lot.name,))}
    differing = [
        (here.get(s), there.get(s)) for s in here | there if not _same(here.get(s), there.get(s))
    ]
    if differing:
        what = f"{lot.name}: {len(differing)} stays differ in the cloud: {differing[:3]}"
        oracle.accuse("violation", what)


def _same(here: tuple[Any, ...] | None, there: tuple[Any, ...] | None) -> bool:
    """Say whether a stay is the same. Who bought what came to nothing the lot need not know.

    Nor that somebody did, where it took back the space before it read so, and nobody came.
    """
    if here and there and here[1] == "void" and there[1] in {"void", "no_show"}:
        return here[0] == there[0] and here[2:4] == there[2:4]
    return here == there


def _check_acknowledged(
    oracle: Oracle, lot: LotSite, at_lot: sqlite3.Connection, in_cloud: sqlite3.Connection
) -> None:
    query = "SELECT * FROM sessions WHERE lot = ?"
    rows = {row["session"]: row for row in at_lot.execute(query, (lot.name,))}
    for promise in oracle.promises:
        if promise.lot is lot and not promise.is_forgiven:
            fault = _fault_of(promise, rows.get(promise.session))
            if fault:
                who = f"{promise.side} {promise.session} of {promise.vehicle.plate}"
                oracle.accuse("lost", f"{lot.name}: {who} {fault}")
    _check_bills(oracle, lot, rows)
    _check_ends(oracle, lot, at_lot, rows)
    _check_requests(oracle, lot, at_lot, "session_reserved")
    _check_requests(oracle, lot, in_cloud, "allotment_sold")


def _fault_of(promise: Promise, row: sqlite3.Row | None) -> str | None:
    """Return in what the ledger does not hold what was acknowledged. No space is ever lost here."""
    if row is None:
        return "is not in the ledger"
    told = (promise.space, promise.code)
    held = (row["space"], row["gate_code"])
    if told != held:
        return f"was told {told}, it is {held}, {row['state']}"
    if row["plate"] != promise.vehicle.plate and not _may_be_unknown(promise, row):
        return f"has no such buyer: {row['plate']}, {row['state']}"
    return None


def _check_bills(oracle: Oracle, lot: LotSite, rows: dict[str, sqlite3.Row]) -> None:
    """See that nobody pays for more time than he was inside, whatever the clocks did."""
    for promise in oracle.promises:
        row, inside = rows.get(promise.session), promise.vehicle.inside_seconds
        if promise.lot is lot and row and (row["elapsed_seconds"] or 0) > inside + 5:
            what = f"{promise.session} is charged {row['elapsed_seconds']} s of {inside:.0f} s"
            oracle.accuse("violation", f"{lot.name}: {what}")


def _check_ends(
    oracle: Oracle, lot: LotSite, at_lot: sqlite3.Connection, rows: dict[str, sqlite3.Row]
) -> None:
    kinds = ("session_ended", "session_cancelled")
    ended = {row["subject"] for kind in kinds for row in _of_type(at_lot, lot.name, kind)}
    for end in oracle.ends:
        if end.lot is not lot or end.is_forgiven:
            continue
        row = rows.get(end.session)
        if end.session not in ended and not (row and row["ended_at"]):
            oracle.accuse("lost", f"{lot.name}: the end of {end.session} is not in the journal")
        if row and (row["amount_minor"] or 0) > end.amount_minor:
            what = f"{end.session} was priced {end.amount_minor}, then {row['amount_minor']}"
            oracle.accuse("violation", f"{lot.name}: {what}")


def _may_be_unknown(promise: Promise, row: sqlite3.Row) -> bool:
    """Say whether the lot may have let go of a sale before it read who bought it."""
    return row["state"] in {"void", "no_show", "cancelled"} and promise.side == "cloud"


def _of_type(database: sqlite3.Connection, stream: str, kind: str) -> list[sqlite3.Row]:
    query = "SELECT * FROM journal WHERE stream = ? AND type = ?"
    return database.execute(query, (stream, kind)).fetchall()


def _check_requests(oracle: Oracle, lot: LotSite, database: sqlite3.Connection, kind: str) -> None:
    if oracle.restored_at:
        return
    seen: dict[str, str] = {}
    stream = stream_of_cloud(lot.name) if kind == "allotment_sold" else lot.name
    for row in _of_type(database, stream, kind):
        request = parse_record(row["body"], None).request  # type: ignore[union-attr]
        if request and seen.setdefault(request, row["subject"]) != row["subject"]:
            oracle.accuse(
                "duplicated", f"{lot.name}: one request made {seen[request]} and {row['subject']}"
            )


def _check_orders(oracle: Oracle, lot: LotSite, at_lot: sqlite3.Connection) -> None:
    """See that no entry was opened without an admission in the journal."""
    known: set[tuple[str, int, int]] = set()
    for row in _of_type(at_lot, lot.name, "vend_ordered"):
        record = parse_record(row["body"], None)
        known.add((record.lane, record.token, record.order))  # type: ignore[union-attr]
    for row in at_lot.execute("SELECT lane, token, order_number FROM orders").fetchall():
        known.add(tuple(row))
    restored = oracle.restored_at.get(lot.name, [])
    for site, street, token, order, at in oracle.orders:
        key = (street.lane.name, token, order)
        if site is not lot or key in known or street.lane.direction == "exit":
            continue
        if not any(at <= when for when in restored):
            oracle.accuse("violation", f"{lot.name}: order {key} opened and is not in the journal")
