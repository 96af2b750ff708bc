"""`apply` is the only code that writes facts: at the lot, in the cloud, and in replay."""

import json
import sqlite3
from typing import Any, Final

from parkgraph.model.plates import parse_plate
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AnyRecord,
    Crossed,
    CrossedUnadmitted,
    Direction,
    LotDescribed,
    Means,
    NoShowDeclared,
    PresentationRefused,
    Reason,
    SessionEnded,
    SessionReserved,
    VendFinished,
    VendOrdered,
)
from parkgraph.model.sessions import SessionState, next_state
from parkgraph.runtime.queries import load_queries

_SQL: Final = load_queries("parkgraph.journal", "apply.sql")


class FactsConflictError(Exception):
    """The facts do not admit this record, such as a second holder for one space."""


def apply(  # noqa: C901 (one case a record)
    lot: str, at: str, record: AnyRecord, connection: sqlite3.Connection
) -> None:
    """Change the facts of `lot` as `record`, of the time `at`, says. Runs inside a transaction.

    Raises:
        FactsConflictError: the space it gives away has a holder.
        UnexpectedRecordError: the session it moves is not in a state that admits it.
    """
    match record:
        case LotDescribed():
            _describe_lot(lot, record, connection)
        case SessionReserved():
            _reserve(lot, at, record, connection)
        case AdmissionGranted():
            _admit(lot, at, record, connection)
        case Crossed():
            _cross(lot, at, record, connection)
        case AdmissionLapsed():
            _execute(connection, "finish_admission", lot, record, outcome=record.why)
            if record.session:
                _move(lot, record.session, record, connection)
        case SessionEnded():
            _move(lot, record.session, record, connection)
            _execute(connection, "set_ended", lot, record, at=at)
        case NoShowDeclared():
            _move(lot, record.session, record, connection)
            _execute(connection, "free_space", lot, record)
        case VendOrdered():
            _execute(connection, "put_order", lot, record, at=at)
        case VendFinished():
            _execute(connection, "finish_order", lot, record)
        case PresentationRefused(reason=Reason.WRONG_CODE):
            _execute(connection, "count_wrong_code", lot, record)
        case PresentationRefused() | CrossedUnadmitted():
            pass  # evidence; no fact follows from it


def _execute(
    connection: sqlite3.Connection, query: str, lot: str, record: AnyRecord, **more: Any
) -> sqlite3.Cursor:
    parameters = record.model_dump(mode="json") | {"lot": lot} | more
    return connection.execute(_SQL[query], parameters)


def _describe_lot(lot: str, record: LotDescribed, connection: sqlite3.Connection) -> None:
    _execute(connection, "put_lot", lot, record, description=record.model_dump_json())
    connection.executemany(
        _SQL["put_space"],
        [{"lot": lot, "space": s.space, "space_class": s.space_class} for s in record.spaces],
    )
    listed = json.dumps([s.space for s in record.spaces])
    _execute(connection, "drop_spaces_not_listed", lot, record, listed=listed)


def _reserve(lot: str, at: str, record: SessionReserved, connection: sqlite3.Connection) -> None:
    personal = record.personal
    plate = parse_plate(personal.plate) if personal and personal.plate else None
    _execute(
        connection,
        "put_session",
        lot,
        record,
        at=at,
        plate=plate.raw if plate else None,
        plate_letters=plate.letters if plate else None,
        plate_folded=plate.folded if plate else None,
        vin=personal.vin if personal else None,
        gate_code=(personal.gate_code if personal else None) or "",
    )
    if _execute(connection, "hold_space", lot, record).rowcount != 1:
        raise FactsConflictError(f"space {record.space} is not free")


def _admit(lot: str, at: str, record: AdmissionGranted, connection: sqlite3.Connection) -> None:
    _execute(connection, "put_admission", lot, record, at=at)
    if record.session:
        _move(lot, record.session, record, connection)
    if record.means is Means.CODE:
        _execute(connection, "forget_wrong_codes", lot, record)


def _cross(lot: str, at: str, record: Crossed, connection: sqlite3.Connection) -> None:
    _execute(connection, "finish_admission", lot, record, outcome="crossed")
    if record.session is None:
        return
    _move(lot, record.session, record, connection)
    if record.direction is Direction.ENTRY:
        _execute(connection, "set_entered", lot, record, at=at)
    else:
        _execute(connection, "set_ended", lot, record, at=at)
        _execute(connection, "free_space", lot, record)


def _move(lot: str, session: str, record: AnyRecord, connection: sqlite3.Connection) -> None:
    key = {"lot": lot, "session": session}
    row = connection.execute(_SQL["session_state"], key).fetchone()
    if row is None:
        raise FactsConflictError(f"session {session} is not known")
    state = next_state(session, SessionState(row["state"]), record)
    connection.execute(_SQL["set_state"], key | {"state": state})
