"""What the contract and its page show as examples, made as real answers are."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel

from parkgraph.model.api import (
    Availability,
    ErrorAnswer,
    ErrorBody,
    SessionAnswer,
    SessionRequest,
    SessionsAnswer,
    show_session,
)
from parkgraph.model.errors import ErrorCode
from parkgraph.model.sessions import Session, SessionState

LOT: Final = "uuid-of-lot"
FLEET: Final = "fleet_waymo_sf"
SESSION: Final = "sess_01KB3YNQ80D4E5F6G7H8J9KMNP"

# The request of the public API document, field by field.
REQUESTS: Final[Mapping[type[BaseModel], Any]] = {
    SessionRequest: {
        "lot_id": LOT,
        "plate": "AV-1234",
        "vehicle": {"autonomous": True, "fleet_id": FLEET, "vin": "1HGCM826X4A004352"},
    }
}

_BOOKED: Final = show_session(
    Session(
        lot=LOT,
        session=SESSION,
        state=SessionState.RESERVED,
        fleet=FLEET,
        autonomous=True,
        vin="1HGCM826X4A004352",
        plate="AV-1234",
        plate_letters="AV1234",
        plate_folded="AV1234",
        gate_code="481516232",
        space="A-01",
        entry_lane="north-in",
        currency="USD",
        rate_minor_per_hour=350,
        estimated_minor=700,
        reserved_at=datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
        hold_until=datetime(2026, 11, 28, 10, tzinfo=UTC),
        entered_at=None,
        ended_at=None,
        amount_minor=None,
    )
)

ANSWERS: Final[Mapping[type[BaseModel], BaseModel]] = {
    SessionAnswer: SessionAnswer(session=_BOOKED),
    SessionsAnswer: SessionsAnswer(sessions=(_BOOKED,)),
    Availability: Availability(
        lot_id=LOT,
        as_of=datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
        spaces=24,
        free=7,
        free_by_class={"accessible": 2, "autonomous": 1, "standard": 4},
    ),
    ErrorAnswer: ErrorAnswer(
        error=ErrorBody(
            code=ErrorCode.NOT_FOUND,
            message="there is no such session",
            request_id="req_01KB3YNQ80Z9Y8X7W6V5T4S3R2",
            field="session",
        )
    ),
}
