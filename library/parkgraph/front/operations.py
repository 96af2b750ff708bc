"""The contract of `/api/v1` as one table, from which the routes come."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from parkgraph.model.api import (
    Availability,
    SessionAnswer,
    SessionRequest,
    SessionsAnswer,
    show_session,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.sessions import Session

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
    body: bytes
    idempotency: str | None = None


P_contra = TypeVar("P_contra", bound=Port, contravariant=True)
B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Operation(Generic[P_contra]):
    """One row of the contract."""

    method: str
    path: str
    status: int
    handle: Callable[[P_contra, Call], Awaitable[BaseModel]]


async def create_session(port: SellingPort, call: Call) -> SessionAnswer:
    """POST /api/v1/sessions."""
    request = _parse(SessionRequest, call.body)
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
    """GET /api/v1/sessions/{session}."""
    return SessionAnswer(session=show_session(await _own_session(port, call)))


async def list_sessions(port: Port, call: Call) -> SessionsAnswer:
    """GET /api/v1/sessions?fleet_id=…."""
    fleet = call.query.get("fleet_id") or call.principal.fleet
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
    """POST /api/v1/sessions/{session}/end."""
    session = await _own_session(port, call)
    ended = await port.end(call.principal, session.session, idempotency=call.idempotency)
    return SessionAnswer(session=show_session(ended))


async def lot_availability(port: LotPort, call: Call) -> Availability:
    """GET /api/v1/lots/{lot}/availability."""
    return await port.availability(call.path["lot"])


SHARED: Final[tuple[Operation[Port], ...]] = (
    Operation("GET", "/api/v1/sessions", 200, list_sessions),
    Operation("GET", "/api/v1/sessions/{session}", 200, get_session),
)
IN_THE_CLOUD: Final[tuple[Operation[SellingPort], ...]] = (
    *SHARED,
    Operation("POST", "/api/v1/sessions", 201, create_session),
    Operation("POST", "/api/v1/sessions/{session}/end", 200, end_session),
)
AT_THE_LOT: Final[tuple[Operation[LotPort], ...]] = (
    *IN_THE_CLOUD,
    Operation("GET", "/api/v1/lots/{lot}/availability", 200, lot_availability),
)


async def _own_session(port: Port, call: Call) -> Session:
    session = await port.session(call.path["session"])
    if session is None or call.principal.fleet not in {None, session.fleet}:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
    return session


def _parse(model: type[B], body: bytes) -> B:
    if not body:
        raise CallRefusedError(ErrorCode.BAD_REQUEST, "the body is empty; send JSON", field="body")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        what = first["msg"].removeprefix("Value error, ")
        raise CallRefusedError(ErrorCode.BAD_REQUEST, f"{field}: {what}", field=field) from error
