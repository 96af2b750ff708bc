"""Reading facts back as the model's nouns."""

import functools
import sqlite3
from dataclasses import fields
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from parkgraph.journal.digests import sound
from parkgraph.model.elapsed import Anchor, Boot
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.plates import Plate
from parkgraph.model.rates import Rate, RateCard
from parkgraph.model.sessions import Session, SessionState
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.journal", "facts.sql")
_TIMES: Final = ("reserved_at", "hold_until", "entered_at", "ended_at", "lent_asked_at")

_FIELDS: Final = tuple(field.name for field in fields(Session))
_rates: TypeAdapter[Rate | RateCard] = TypeAdapter(Rate | RateCard)


def session_of(row: sqlite3.Row) -> Session:
    """Return the stay in a row of `sessions`."""
    columns = {name: row[name] for name in _FIELDS}
    for name in _TIMES:
        if columns[name]:
            columns[name] = datetime.fromisoformat(columns[name])
    columns["state"] = SessionState(columns["state"])
    columns["autonomous"] = bool(columns["autonomous"])
    if columns["is_in_doubt"] is not None:
        columns["is_in_doubt"] = bool(columns["is_in_doubt"])
    columns["rate"] = _rate(columns["rate"])
    return Session(**columns)


def boot_of(row: sqlite3.Row) -> Boot:
    """Return the run of the machine in a row of `boots`."""
    right_at = row["right_at"]
    anchor = Anchor(datetime.fromisoformat(right_at), row["right_ms"]) if right_at else None
    return Boot(row["number"], row["last_ms"], anchor)


# Many stays have the same, and none is ever changed.
@functools.lru_cache(maxsize=256)
def _rate(text: str) -> Rate | RateCard:
    return _rates.validate_json(text)


def same_request(made: Session, plate: Plate | None, vin: str | None) -> Session:
    """Return the stay that a request made when it came first.

    Raises:
        CallRefusedError: this time it is about another vehicle.
    """
    if (made.plate_letters or None, made.vin) != (plate.letters if plate else None, vin):
        raise CallRefusedError(
            ErrorCode.CONFLICT,
            f"this Idempotency-Key made {made.session} for another vehicle; send a new one",
            field="Idempotency-Key",
        )
    return made


async def find_session(reader: Reader, session: str) -> Session | None:
    """Return one stay, or None."""
    rows = sound(await reader.all(_SQL["session"], {"session": session}))
    return session_of(rows[0]) if rows else None
