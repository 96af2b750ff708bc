"""What the contract and its page show as examples, made as real answers are: one story."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from parkgraph.front.audit_csv import HEADER, line
from parkgraph.front.contract import Audited
from parkgraph.front.keys import ID_LENGTH, RANDOM_BYTES, id_of, new_key
from parkgraph.journal.chain import GENESIS, Row, digest_personal, hash_row
from parkgraph.model.api import (
    ActivityFeed,
    ActivityItem,
    ActivityQuery,
    AgentAnswer,
    AgentBody,
    AgentRequest,
    AuditAnswer,
    AuditRow,
    Availability,
    ErrorAnswer,
    ErrorBody,
    ExtensionRequest,
    GateBody,
    KeyAnswer,
    KeyBody,
    KeyRequest,
    KeysAnswer,
    KeysQuery,
    LotAnswer,
    LotBody,
    LotFound,
    LotsAnswer,
    LotStatus,
    ObservationsAnswer,
    ObservationsRequest,
    Page,
    Quote,
    QuoteQuery,
    RatesRequest,
    SearchQuery,
    SessionAnswer,
    SessionEvent,
    SessionRequest,
    SessionsAnswer,
    SessionsQuery,
    StatusAnswer,
    show_rates,
    show_session,
    warnings_of,
)
from parkgraph.model.codes import check_digit
from parkgraph.model.errors import ErrorCode
from parkgraph.model.loans import HOLD
from parkgraph.model.money import from_minor
from parkgraph.model.observations import COUNTS_FOR
from parkgraph.model.rates import RateCard
from parkgraph.model.scopes import Plan, Scope
from parkgraph.model.sessions import Session, SessionState

LOT: Final = "uuid-of-lot"
FLEET: Final = "fleet_waymo_sf"
SESSION: Final = "sess_01KB3YNQ80D4E5F6G7H8J9KMNP"
EVENT: Final = "3.1207"

_NOON: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
_ENTERED: Final = _NOON + timedelta(minutes=21)
_ENDED: Final = _ENTERED + timedelta(minutes=88)
_SCOPES: Final = (Scope.SESSIONS_READ, Scope.SESSIONS_WRITE, Scope.LOTS_READ)
_KEY: Final = new_key(bytes(range(7, 7 + RANDOM_BYTES)), is_test=True)
KEY_ID: Final = id_of(_KEY)

# The first is the request of the public API document.
REQUESTS: Final[Mapping[type[BaseModel], Any]] = {
    SessionRequest: {
        "lot_id": LOT,
        "plate": "AV-1234",
        "vehicle": {"autonomous": True, "fleet_id": FLEET, "vin": "1HGCM826X4A004352"},
    },
    ExtensionRequest: {"minutes": 60},
    ObservationsRequest: {
        "observations": [
            {"space": "A-01", "occupied": True},
            {"space": "A-02", "occupied": False},
        ]
    },
    RatesRequest: {
        "rate_minor": 400,
        "autonomous_rate_minor": 350,
        "increment_minutes": 15,
        "grace_minutes": 10,
        "daily_cap_minor": 2800,
    },
    KeyRequest: {
        "name": "dispatch in San Francisco",
        "fleet_id": FLEET,
        "scopes": [scope.value for scope in _SCOPES],
        "test": True,
    },
    AgentRequest: {"name": "Valet", "purpose": "parks the vehicles of its owners"},
}
# As they stand in an address.
QUERIES: Final[Mapping[type[BaseModel], Mapping[str, str]]] = {
    SessionsQuery: {"fleet_id": FLEET, "status": "active", "since": "2026-11-28T00:00:00Z"},
    SearchQuery: {"lat": "37.7749", "lng": "-122.4194", "radius": "2000"},
    QuoteQuery: {"autonomous": "true", "expected_duration_minutes": "120"},
    Page: {"limit": "50"},
    ActivityQuery: {"lot_id": LOT, "limit": "50"},
    KeysQuery: {"fleet_id": FLEET},
}

_CARD: Final = RateCard(
    version="rates_01KB3M0W4GZ7YXWVTSRQPNMKJH",
    currency="USD",
    unit_minor=400,
    autonomous_unit_minor=350,
    increment_minutes=15,
    grace_minutes=10,
    daily_cap_minor=2800,
)
_RATE: Final = _CARD.rate_for(autonomous=True)
_STAY: Final = timedelta(hours=2)
_PRICE: Final = _RATE.price(_STAY)
_LONGER: Final = timedelta(minutes=REQUESTS[ExtensionRequest]["minutes"])

_BOOKED: Final = Session(
    lot=LOT,
    session=SESSION,
    state=SessionState.RESERVED,
    fleet=FLEET,
    autonomous=True,
    vin="1HGCM826X4A004352",
    plate="AV-1234",
    plate_letters="AV1234",
    plate_folded="AV1234",
    gate_code="48151623" + check_digit("48151623"),
    space="A-01",
    entry_lane="north-in",
    rate=_RATE,
    expected_minutes=_STAY // timedelta(minutes=1),
    estimated_minor=_PRICE.total_minor,
    reserved_at=_NOON,
    hold_until=_NOON + HOLD,
    entered_at=None,
    ended_at=None,
    amount_minor=None,
)
_PARKED: Final = replace(_BOOKED, state=SessionState.PARKED, entered_at=_ENTERED)
_LEAVING: Final = replace(
    _PARKED,
    state=SessionState.LEAVING,
    ended_at=_ENDED,
    amount_minor=_RATE.price(_ENDED - _ENTERED).total_minor,
)
_CANCELLED: Final = replace(_BOOKED, state=SessionState.CANCELLED)
_EXTENDED: Final = replace(
    _BOOKED,
    hold_until=_BOOKED.hold_until + _LONGER,
    expected_minutes=(_STAY + _LONGER) // timedelta(minutes=1),
    estimated_minor=_RATE.price(_STAY + _LONGER).total_minor,
)
_LOT: Final = LotBody(
    lot_id=LOT,
    name="Oak Street",
    latitude=37.7793,
    longitude=-122.4192,
    time_zone="America/Los_Angeles",
    currency="USD",
    spaces=24,
    spaces_by_class={"standard": 18, "autonomous": 4, "accessible": 2},
    autonomous=True,
    gate=GateBody(automated=True),
    synthetic=True,
)
_SPACES: Final = Availability(
    lot_id=LOT,
    as_of=_NOON,
    stale=False,
    stale_after_seconds=30,
    spaces=24,
    bookable=5,
    free=7,
    free_by_class={"standard": 4, "autonomous": 1, "accessible": 2},
)
_API_KEY: Final = KeyBody(
    id=KEY_ID,
    prefix=_KEY[: len("pk_test_") + ID_LENGTH],
    name="dispatch in San Francisco",
    fleet_id=FLEET,
    plan=Plan.FLEET,
    scopes=_SCOPES,
    test=True,
    requests_per_minute=None,
    created_at=_NOON,
    expires_at=None,
)


def _audited() -> Audited:
    salt = "9f86d081884c7d659a2feaa0c55ad015"
    row = Row(
        seq=1207,
        at=_ENDED.isoformat(),
        actor=f"key:{KEY_ID}",
        subject=SESSION,
        type="session_ended",
        body=f'{{"session":"{SESSION}","amount_minor":{_LEAVING.amount_minor}}}',
        personal=None,
        salt=salt,
        digest=digest_personal(salt, None),
        hash="",
    )
    chained = hash_row(LOT, 3, row, previous=GENESIS)
    return Audited(LOT, 3, row.model_copy(update={"hash": chained}))


def _audit_row(audited: Audited) -> AuditRow:
    row = audited.row
    return AuditRow(
        stream=audited.stream,
        epoch=str(audited.epoch),
        seq=row.seq,
        at=row.at,
        actor_type="key",
        actor_id=KEY_ID,
        subject=row.subject,
        type=row.type,
        diff=row.body,
        digest=row.digest,
        hash=row.hash,
    )


def _event_stream() -> str:
    told = SessionEvent(event="snapshot", at=_ENTERED, session=show_session(_PARKED))
    return f"id: {EVENT}\nevent: {told.event}\ndata: {told.model_dump_json()}\n\n"


# By the operation that answers so; what is text is the whole of a stream.
ANSWERS: Final[Mapping[str, BaseModel | str]] = {
    "create_session": SessionAnswer(
        session=show_session(_BOOKED),
        warnings=warnings_of(SessionRequest.model_validate(REQUESTS[SessionRequest])),
    ),
    "list_sessions": SessionsAnswer(
        sessions=(show_session(_PARKED),), scope="cloud", next_cursor=None
    ),
    "get_session": SessionAnswer(session=show_session(_PARKED)),
    "session_events": _event_stream(),
    "end_session": SessionAnswer(session=show_session(_LEAVING)),
    "cancel_session": SessionAnswer(session=show_session(_CANCELLED)),
    "extend_session": SessionAnswer(session=show_session(_EXTENDED)),
    "search_lots": LotsAnswer(
        lots=(LotFound(lot=_LOT, distance_m=490, availability=_SPACES),), scope="cloud"
    ),
    "get_lot": LotAnswer(lot=_LOT),
    "lot_availability": _SPACES,
    "lot_rates": show_rates(LOT, _CARD),
    "lot_quote": Quote(
        lot_id=LOT,
        rate_version=_CARD.version,
        currency=_CARD.currency,
        expected_duration_minutes=_BOOKED.expected_minutes,
        net_minor=_PRICE.net_minor,
        tax_minor=_PRICE.tax_minor,
        amount=from_minor(_PRICE.total_minor, _CARD.currency),
        amount_minor=_PRICE.total_minor,
    ),
    "upload_observations": ObservationsAnswer(
        accepted=2, counts_for_seconds=COUNTS_FOR // timedelta(seconds=1)
    ),
    "lot_audit": AuditAnswer(rows=(_audit_row(_audited()),), next_cursor=None),
    "lot_audit_csv": (HEADER + line(_audited())).decode(),
    "activity": ActivityFeed(
        title="Park Graph activity",
        items=(
            ActivityItem.model_construct(
                id=f"{LOT}:3:1207",
                date_published=_ENDED.isoformat(),
                content_text="stay ended: 5.25 USD",
                tags=("session_ended",),
                lot_id=LOT,
            ),
        ),
    ),
    "status": StatusAnswer(
        status="degraded",
        version="0.1.0",
        as_of=_ENDED,
        lots=(
            LotStatus(
                lot_id=LOT, link="up", as_of=_ENDED, away={"camera.north-in": "no frame for 12 s"}
            ),
        ),
    ),
    "change_rates": show_rates(LOT, _CARD),
    "create_key": KeyAnswer(api_key=_API_KEY, key=_KEY),
    "list_keys": KeysAnswer(api_keys=(_API_KEY,)),
    "delete_key": KeyAnswer(api_key=_API_KEY, key=None),
    "register_agent": AgentAnswer(
        agent=AgentBody(
            id="agent_01KB40Q2ZR5S6T7V8W9XAYBZC0",
            name="Valet",
            purpose="parks the vehicles of its owners",
            registered_at=_NOON,
        )
    ),
}
ERROR: Final = ErrorAnswer(
    error=ErrorBody(
        code=ErrorCode.NOT_FOUND,
        message="there is no such session",
        request_id="req_01KB3YNQ80Z9Y8X7W6V5T4S3R2",
        field="session",
    )
)
