"""Epochs of a stream, and the time in which its owner waits for what a copy still has."""

import sqlite3
from dataclasses import asdict
from typing import Final, Literal

from parkgraph.journal.chain import Head, lot_of
from parkgraph.journal.facts import session_of
from parkgraph.journal.ledger import SQL, Moment, first_head, read_head, record_all
from parkgraph.model.records import (
    AnyRecord,
    EpochBegan,
    LotDescribed,
    Personal,
    Place,
    SessionTold,
    parse_record,
)

RECOVERING: Final = "recovering"
_TOLD: Final = frozenset(SessionTold.model_fields)


def begin_epoch(
    connection: sqlite3.Connection,
    stream: str,
    moment: Moment,
    *,
    why: Literal["fork", "lost", "compaction"],
) -> Head:
    """Let `stream` go on under a new epoch, after the last row that the other side surely has.

    An epoch of a lot begins with its facts: its description, the stays that are open, and those
    that the rows which nobody acknowledged were about.
    """
    own = read_head(connection, stream, "head")
    known = read_head(connection, stream, "acknowledged")
    after = own if why == "compaction" else known
    records: list[AnyRecord] = []
    is_of_cloud = stream != lot_of(stream)
    if not is_of_cloud:
        records = _snapshot(connection, stream, known)
    began = EpochBegan(
        why=why,
        predecessor=Place.model_validate(after.model_dump()) if after else None,
        is_of_cloud=is_of_cloud,
        open_sessions=tuple(r.session for r in records if isinstance(r, SessionTold)),
    )
    head = first_head(connection, stream, moment, after=after)
    record_all(connection, stream, head, [began, *records], "system", moment)
    return head


def _snapshot(connection: sqlite3.Connection, lot: str, known: Head | None) -> list[AnyRecord]:
    parameters = {
        "lot": lot,
        "epoch": known.epoch if known else None,
        "seq": known.seq if known else 0,
    }
    lots = connection.execute(SQL["description_of"], {"lot": lot}).fetchone()
    records: list[AnyRecord] = []
    if lots:
        description = parse_record(lots["description"], None)
        assert isinstance(description, LotDescribed)
        records.append(description)
    for row in connection.execute(SQL["sessions_to_tell"], parameters):
        session = session_of(row)
        told = {name: value for name, value in asdict(session).items() if name in _TOLD}
        personal = Personal(plate=session.plate, vin=session.vin, gate_code=session.gate_code)
        records.append(SessionTold(**told, personal=personal))
    return records


def begin_recovery(connection: sqlite3.Connection, stream: str) -> None:
    """Let nothing be decided in `stream` until a copy has returned what its owner lost."""
    mark = {"stream": stream, "name": RECOVERING, "epoch": 0, "seq": 0, "hash": ""}
    connection.execute(SQL["put_head"], mark)


def is_recovering(connection: sqlite3.Connection, stream: str) -> bool:
    """Say whether the owner of `stream` waits for what a copy still has."""
    return read_head(connection, stream, RECOVERING) is not None


def finish_recovery(connection: sqlite3.Connection, stream: str) -> None:
    """Let decisions go on in `stream`."""
    connection.execute(SQL["forget_head"], {"stream": stream, "name": RECOVERING})
