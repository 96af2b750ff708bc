"""`apply` is the only code that writes facts: at the lot, in the cloud, and in replay."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from parkgraph.journal.chain import text_of_time
from parkgraph.model.plates import parse_plate
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AgentRegistered,
    AllotmentGranted,
    AllotmentReclaimed,
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    AllotmentsRenewed,
    AnyRecord,
    BookingTaken,
    BootTold,
    CancelAsked,
    ClockAnchored,
    ConflictFound,
    Crossed,
    CrossedUnadmitted,
    Direction,
    EndAsked,
    EpochBegan,
    ExtensionAsked,
    HoldExtended,
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    LotDescribed,
    Means,
    NoShowDeclared,
    Personal,
    PresentationRefused,
    RatesChanged,
    RatesSet,
    Reason,
    SessionCancelled,
    SessionEnded,
    SessionExtended,
    SessionReserved,
    SessionTold,
    SessionVoided,
    SpaceReassigned,
    VendFinished,
    VendOrdered,
)
from parkgraph.model.sessions import OPEN_STATES, SessionState, next_state
from parkgraph.runtime.queries import load_queries

_SQL: Final = load_queries("parkgraph.journal", "apply.sql")

# What a record says, with its lot and time: the named parameters of the queries.
Values = dict[str, Any]

# Where the cloud can put a stay that the lot still takes for an unsold allotment.
_CLOSED_AHEAD_OF_LOT: Final = frozenset({SessionState.CANCELLED, SessionState.VOID})
_AHEAD_OF_LOT: Final = _CLOSED_AHEAD_OF_LOT | {SessionState.RESERVED}

_UNTOLD: Final[Mapping[str, None]] = dict.fromkeys(
    (
        "fleet",
        "entered_at",
        "ended_at",
        "amount_minor",
        "request",
        "twin",
        "end_request",
        "lent_asked_at",
        "lent_seconds",
        "entered_boot",
        "entered_boot_ms",
        "elapsed_seconds",
        "is_in_doubt",
    )
)


class FactsConflictError(Exception):
    """The facts do not admit this record, such as a second holder for one space."""


def apply(lot: str, at: str, record: AnyRecord, connection: sqlite3.Connection) -> None:
    """Change the facts of `lot` as `record`, of the time `at`, says. Runs inside a transaction.

    Raises:
        FactsConflictError: the space it gives away has a holder.
        UnexpectedRecordError: the session it moves is not in a state that admits it.
    """
    values = record.model_dump(mode="json") | {"lot": lot, "at": at}
    for change in (_change_lot, _change_booking, _change_passage):
        if change(record, values, connection):
            return


def _execute(
    connection: sqlite3.Connection, query: str, values: Values, **more: Any
) -> sqlite3.Cursor:
    return connection.execute(_SQL[query], {**values, **more})


def _change_lot(  # noqa: C901 (one case a record)
    record: AnyRecord, values: Values, connection: sqlite3.Connection
) -> bool:
    """Apply what is about the lot as a whole; say whether `record` was."""
    match record:
        case LotDescribed():
            _describe_lot(record, values, connection)
        case EpochBegan():
            _begin_epoch(record, values, connection)
        case SessionTold():
            _tell_session(record, values, connection)
        case ClockAnchored():
            _execute(connection, "anchor_boot", values)
        case BootTold():
            _execute(connection, "put_boot", values)
        case ConflictFound():
            _execute(connection, "put_conflict", values)
        case AllotmentsRenewed():
            for session in record.sessions:
                _execute(connection, "renew", values, session=session)
        case AllotmentsAsked() | ExtensionAsked() | EndAsked():
            pass  # directives: the lot answers them by records of its own
        case _:
            return _change_rules(record, values, connection)
    return True


def _change_rules(record: AnyRecord, values: Values, connection: sqlite3.Connection) -> bool:
    """Apply what the cloud owns, by its own word and by that of a lot which heeds it."""
    match record:
        case KeyIssued() | KeyAccepted():
            _execute(connection, "put_key", values, terms=record.terms.model_dump_json())
        case KeyRevoked() | KeyBarred():
            _execute(connection, "bar_key", values)
        case RatesChanged() | RatesSet():
            _execute(connection, "put_rate_card", values, card=record.card.model_dump_json())
        case AgentRegistered():
            _execute(connection, "put_agent", values)
        case _:
            return False
    return True


def _change_booking(  # noqa: C901 (one case a record)
    record: AnyRecord, values: Values, connection: sqlite3.Connection
) -> bool:
    """Apply what happens to a stay while its vehicle is away; say whether `record` was that."""
    match record:
        case SessionReserved():
            _put_session(
                record, values | {"state": "reserved", "reserved_at": values["at"]}, connection
            )
        case AllotmentGranted():
            _allot(record, values, connection)
        case AllotmentSold() | BookingTaken():
            _move(record.session, record, values, connection)
            _set_buyer(record, values, connection)
        case HoldExtended():
            _execute(connection, "set_hold", values)
        case SessionExtended():
            _execute(connection, "extend", values)
        case SpaceReassigned():
            _execute(connection, "free_space", values)
            _execute(connection, "set_space", values)
            _hold(record.space, values, connection)
        case CancelAsked() | AllotmentReturned():
            # The space is free when the lot says so.
            _move(record.session, record, values, connection)
        case NoShowDeclared() | AllotmentReclaimed() | SessionCancelled() | SessionVoided():
            _move(record.session, record, values, connection)
            _leave(values, connection)
        case _:
            return False
    return True


def _change_passage(  # noqa: C901 (one case a record)
    record: AnyRecord, values: Values, connection: sqlite3.Connection
) -> bool:
    """Apply what happens in a lane, and the end of a stay."""
    match record:
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
            _execute(connection, "set_end_request", values)
        case VendOrdered():
            _execute(connection, "put_order", values)
        case VendFinished():
            _execute(connection, "finish_order", values)
        case PresentationRefused(reason=Reason.WRONG_CODE):
            _execute(connection, "count_wrong_code", values)
        case PresentationRefused() | CrossedUnadmitted():
            pass  # evidence; no fact follows from it
        case _:
            return False
    return True


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


def _begin_epoch(record: EpochBegan, values: Values, connection: sqlite3.Connection) -> None:
    """Let go of every open stay that is not told: where a lot lost it, nobody pays for it."""
    if record.is_of_cloud:
        return
    told = set(record.open_sessions)
    for row in _execute(connection, "open_sessions", values).fetchall():
        if row["session"] in told:
            continue
        is_sold = row["state"] == SessionState.RESERVED and row["lent_asked_at"] is not None
        if is_sold:  # the lot reads the sale again
            continue
        _execute(connection, "set_state", values, session=row["session"], state="void")
        if row["state"] != SessionState.ALLOTTED:
            what = f"was {row['state']} here when the lot lost it"
            conflict = {"session": row["session"], "kind": "unproved", "what": what}
            _execute(connection, "put_conflict", values | conflict)
    _execute(connection, "free_all_spaces", values)
    _execute(connection, "forget_boots", values)


def _tell_session(record: SessionTold, values: Values, connection: sqlite3.Connection) -> None:
    known = _execute(connection, "session_state", values).fetchone()
    is_ahead = known and record.state == SessionState.ALLOTTED and known["state"] != record.state
    if not is_ahead:
        _put_session(record, values, connection)
        return
    # Sold, returned or cancelled meanwhile, which the lot has not read yet.
    if known["state"] not in _AHEAD_OF_LOT:  # it came, and the lot has lost that
        _execute(connection, "set_state", values, state=SessionState.RESERVED)
        what = f"was {known['state']} here when the lot lost it"
        _execute(connection, "put_conflict", values, kind="unproved", what=what)
    if known["state"] not in _CLOSED_AHEAD_OF_LOT:
        _hold(record.space, values, connection)


def _allot(record: AllotmentGranted, values: Values, connection: sqlite3.Connection) -> None:
    _put_session(
        record,
        values
        | {
            "state": "allotted",
            "autonomous": False,
            "expected_minutes": 0,
            "estimated_minor": 0,
            "reserved_at": values["at"],
            "hold_until": values["at"],
            "lent_asked_at": values["asked_at"],
            "lent_seconds": values["lasts_seconds"],
        },
        connection,
    )


def _put_session(
    record: SessionReserved | AllotmentGranted | SessionTold,
    values: Values,
    connection: sqlite3.Connection,
) -> None:
    """Write the stay anew, whatever is known of it: its origin judged."""
    if _execute(connection, "forget_session", values).rowcount:
        _execute(connection, "free_space", values)
    rate = record.rates if isinstance(record, AllotmentGranted) else record.rate
    told = {**_UNTOLD, **values, "rate": rate.model_dump_json()}
    if isinstance(record, SessionTold):
        told["reserved_at"] = text_of_time(record.reserved_at)
    _execute(connection, "put_session", told, **_vehicle(record.personal))
    if SessionState(values["state"]) in OPEN_STATES:
        _hold(record.space, values, connection)


def _hold(space: str, values: Values, connection: sqlite3.Connection) -> None:
    if _execute(connection, "hold_space", values).rowcount != 1:
        raise FactsConflictError(f"space {space} is not free")


def _set_buyer(
    record: AllotmentSold | BookingTaken, values: Values, connection: sqlite3.Connection
) -> None:
    vehicle = _vehicle(record.personal)
    told = {
        "twin": None,
        **values,
        "rate": record.rate.model_dump_json(),
        "reserved_at": text_of_time(record.sold_at) if record.sold_at else None,
    }
    _execute(connection, "set_buyer", told, **vehicle)
    _execute(connection, "set_hold", values)


def _vehicle(personal: Personal | None) -> Values:
    personal = personal or Personal()
    plate = parse_plate(personal.plate) if personal.plate else None
    return {
        "plate": plate.raw if plate else None,
        "plate_letters": plate.letters if plate else None,
        "plate_folded": plate.folded if plate else None,
        "vin": personal.vin,
        "gate_code": personal.gate_code or "",
    }


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
        _leave(values, connection)


def _leave(values: Values, connection: sqlite3.Connection) -> None:
    """Let the space go, and the plate, for which another stay of the same vehicle may wait."""
    _execute(connection, "free_space", values)
    for waiting in _execute(connection, "twins_of", values).fetchall():
        _execute(connection, "set_twin", values, session=waiting["session"])


def _move(session: str, record: AnyRecord, values: Values, connection: sqlite3.Connection) -> None:
    row = _execute(connection, "session_state", values).fetchone()
    if row is None:
        raise FactsConflictError(f"session {session} is not known")
    state = next_state(session, SessionState(row["state"]), record)
    _execute(connection, "set_state", values, state=state)
