"""The contract of `/api/v1` as one table, from which the routes come."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

from pydantic import BaseModel

from parkgraph.front.bodies import parse
from parkgraph.model.api import (
    Availability,
    SessionAnswer,
    SessionRequest,
    SessionsAnswer,
    SessionsQuery,
    show_session,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.sessions import Session, SessionState

LONGEST_BODY: Final = 1_048_576
LONGEST_IDEMPOTENCY_KEY: Final = 255
LONGEST_END_USER_ID: Final = 128
MOST_LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose key it is. `fleet` is set where the key belongs to one fleet."""

    key_id: str
    fleet: str | None


class Port(Protocol):
    """What lot and cloud each implement behind the front door."""

    async def session(self, session: str) -> Session | None:
        """Return one stay, or None."""
        ...

    async def sessions_of_fleet(self, fleet: str, *, limit: int) -> list[Session]:
        """Return the newest stays of a fleet, newest first."""
        ...


class SellingPort(Port, Protocol):
    """What sells a space: a lot its own, the cloud one that a lot lent it."""

    async def reserve(
        self, principal: Principal, request: SessionRequest, *, idempotency: str | None
    ) -> Session:
        """Promise a space; the same one to a request with the same `idempotency` digest.

        Raises:
            CallRefusedError: no space, or the vehicle has a stay already.
        """
        ...

    async def end(self, principal: Principal, session: str, *, idempotency: str | None) -> Session:
        """Cancel a stay that is awaited; at the lot, price one that is inside and let it out.

        Raises:
            CallRefusedError: there is no such stay inside, or it has ended.
        """
        ...


class LotPort(SellingPort, Protocol):
    """What only a lot tells."""

    async def availability(self, lot: str) -> Availability:
        """Return the spaces of a lot that can be booked now.

        Raises:
            CallRefusedError: it is another lot.
        """
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as far as an operation needs it."""

    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str | None
    body: bytes
    idempotency: str | None = None


class RateClass(StrEnum):
    """Which budget of requests a minute a call counts against."""

    CREATE = "create"
    READ = "read"  # search, availability, rates
    OTHER = "other"


P_contra = TypeVar("P_contra", bound=Port, contravariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[P_contra]):
    """One row of the contract. What callers read of it is the docstring of `handle`.

    `errors` are the codes that only some operations answer with; see `ERRORS_OF_ALL`.
    """

    method: str
    path: str
    status: int
    handle: Callable[[P_contra, Call], Awaitable[BaseModel]]
    answer: type[BaseModel]
    request: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    errors: tuple[ErrorCode, ...] = ()
    rate_class: RateClass = RateClass.OTHER


async def create_session(port: SellingPort, call: Call) -> SessionAnswer:
    """Book a space for a vehicle.

    The answer holds all that the vehicle needs to come in: lane, space and gate code. The space is
    held until `hold_until`. One vehicle has one open stay at a lot. The cloud sells what a lot has
    lent it, whether or not the lot can be reached.
    """
    request = parse(SessionRequest, call.content_type, call.body)
    fleet = call.principal.fleet
    if fleet and request.vehicle.fleet_id not in {None, fleet}:
        raise CallRefusedError(
            ErrorCode.FORBIDDEN,
            f"this key books for {fleet} only",
            field="vehicle.fleet_id",
        )
    if request.plate is None and request.vehicle.vin is None:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST, "give the vehicle's plate, its VIN, or both", field="plate"
        )
    made = await port.reserve(call.principal, request, idempotency=call.idempotency)
    return SessionAnswer(session=show_session(made))


async def get_session(port: Port, call: Call) -> SessionAnswer:
    """Read a stay.

    A key of one fleet sees that fleet's stays only.
    """
    return SessionAnswer(session=show_session(await _own_session(port, call)))


async def list_sessions(port: Port, call: Call) -> SessionsAnswer:
    """List the newest stays of a fleet.

    A lot lists its own, the cloud those of all lots.
    """
    query = SessionsQuery.model_validate(dict(call.query))
    fleet = query.fleet_id or call.principal.fleet
    if not fleet:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST, "say whose stays: ?fleet_id=…", field="fleet_id"
        )
    if call.principal.fleet not in {None, fleet}:
        raise CallRefusedError(
            ErrorCode.FORBIDDEN, "this key sees its own fleet only", field="fleet_id"
        )
    found = await port.sessions_of_fleet(fleet, limit=MOST_LISTED)
    return SessionsAnswer(sessions=tuple(show_session(session) for session in found))


async def end_session(port: SellingPort, call: Call) -> SessionAnswer:
    """End a stay.

    One whose vehicle has not come is cancelled and costs nothing. At the lot, one whose vehicle is
    parked is priced, and the vehicle may leave; the cloud cancels only what it has sold itself.
    """
    session = await _own_session(port, call)
    ended = await port.end(call.principal, session.session, idempotency=call.idempotency)
    return SessionAnswer(session=show_session(ended))


async def lot_availability(port: LotPort, call: Call) -> Availability:
    """Count the free spaces of a lot.

    To count is not to hold: book to be sure of a space.
    """
    return await port.availability(call.path["lot"])


# Any operation may answer so.
ERRORS_OF_ALL: Final = (
    ErrorCode.BAD_REQUEST,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.PAYLOAD_TOO_LARGE,
    ErrorCode.RATE_LIMITED,
    ErrorCode.INTERNAL,
    ErrorCode.UNAVAILABLE,
)
SHARED: Final[tuple[Operation[Port], ...]] = (
    Operation(
        "GET",
        "/api/v1/sessions",
        200,
        list_sessions,
        SessionsAnswer,
        query=SessionsQuery,
        errors=(ErrorCode.FORBIDDEN,),
    ),
    Operation(
        "GET",
        "/api/v1/sessions/{session}",
        200,
        get_session,
        SessionAnswer,
        errors=(ErrorCode.NOT_FOUND,),
    ),
)
IN_THE_CLOUD: Final[tuple[Operation[SellingPort], ...]] = (
    Operation(
        "POST",
        "/api/v1/sessions",
        201,
        create_session,
        SessionAnswer,
        SessionRequest,
        errors=(
            ErrorCode.FORBIDDEN,
            ErrorCode.NOT_FOUND,
            ErrorCode.CONFLICT,
            ErrorCode.LOT_FULL,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            ErrorCode.LOT_OFFLINE,
        ),
        rate_class=RateClass.CREATE,
    ),
    *SHARED,
    Operation(
        "POST",
        "/api/v1/sessions/{session}/end",
        200,
        end_session,
        SessionAnswer,
        errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.LOT_OFFLINE),
    ),
)
AT_THE_LOT: Final[tuple[Operation[LotPort], ...]] = (
    *IN_THE_CLOUD,
    Operation(
        "GET",
        "/api/v1/lots/{lot}/availability",
        200,
        lot_availability,
        Availability,
        errors=(ErrorCode.NOT_FOUND,),
        rate_class=RateClass.READ,
    ),
)


async def _own_session(port: Port, call: Call) -> Session:
    session = await port.session(call.path["session"])
    # What nobody has bought yet is nobody's to read: its gate code opens the barrier.
    is_sold = session is not None and session.state is not SessionState.ALLOTTED
    if session is None or not is_sold or call.principal.fleet not in {None, session.fleet}:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
    return session
