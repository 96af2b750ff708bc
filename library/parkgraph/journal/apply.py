"""`apply` is the only code that writes facts: at the lot, in the cloud, and in replay."""

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

# What a record says, with its lot and time: the named parameters of the queries.
Values = dict[str, Any]


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
    values = record.model_dump(mode="json") | {"lot": lot, "at": at}
    match record:
        case LotDescribed():
            _describe_lot(record, values, connection)
        case SessionReserved():
            _reserve(record, values, connection)
        case AdmissionGranted():
            _admit(record, values, connection)
        case Crossed():
            _cross(record, values, connection)
        case AdmissionLapsed():
            _execute(connection, "finish_admission", values, outcome=record.why)
            if record.session:
                _move(record.session, record, values, connection)
        case SessionEnded():
            _move(record.session, record, values, connection)
            _execute(connection, "set_ended", values)
        case NoShowDeclared():
            _move(record.session, record, values, connection)
            _execute(connection, "free_space", values)
        case VendOrdered():
            _execute(connection, "put_order", values)
        case VendFinished():
            _execute(connection, "finish_order", values)
        case PresentationRefused(reason=Reason.WRONG_CODE):
            _execute(connection, "count_wrong_code", values)
        case PresentationRefused() | CrossedUnadmitted():
            pass  # evidence; no fact follows from it


def _execute(
    connection: sqlite3.Connection, query: str, values: Values, **more: Any
) -> sqlite3.Cursor:
    return connection.execute(_SQL[query], {**values, **more})


def _describe_lot(record: LotDescribed, values: Values, connection: sqlite3.Connection) -> None:
    _execute(connection, "put_lot", values, description=record.model_dump_json())
    _execute(connection, "unlist_spaces", values)
    connection.executemany(
        _SQL["put_space"],
        [
            {"lot": values["lot"], "space": s.space, "space_class": s.space_class}
            for s in record.spaces
        ],
    )


def _reserve(record: SessionReserved, values: Values, connection: sqlite3.Connection) -> None:
    personal = record.personal
    plate = parse_plate(personal.plate) if personal and personal.plate else None
    _execute(
        connection,
        "put_session",
        values,
        plate=plate.raw if plate else None,
        plate_letters=plate.letters if plate else None,
        plate_folded=plate.folded if plate else None,
        vin=personal.vin if personal else None,
        gate_code=(personal.gate_code if personal else None) or "",
    )
    if _execute(connection, "hold_space", values).rowcount != 1:
        raise FactsConflictError(f"space {record.space} is not free")


def _admit(record: AdmissionGranted, values: Values, connection: sqlite3.Connection) -> None:
    _execute(connection, "put_admission", values)
    if record.session:
        _move(record.session, record, values, connection)
    if record.means is Means.CODE:
        _execute(connection, "forget_wrong_codes", values)


def _cross(record: Crossed, values: Values, connection: sqlite3.Connection) -> None:
    _execute(connection, "finish_admission", values, outcome="crossed")
    if record.session is None:
        return
    _move(record.session, record, values, connection)
    if record.direction is Direction.ENTRY:
        _execute(connection, "set_entered", values)
    else:
        _execute(connection, "set_ended", values)
        _execute(connection, "free_space", values)


def _move(session: str, record: AnyRecord, values: Values, connection: sqlite3.Connection) -> None:
    row = _execute(connection, "session_state", values).fetchone()
    if row is None:
        raise FactsConflictError(f"session {session} is not known")
    state = next_state(session, SessionState(row["state"]), record)
    _execute(connection, "set_state", values, state=state)
