"""Operations on stays."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from parkgraph.front.bodies import parse, parse_query
from parkgraph.front.contract import Call, Happened, Port, Stream
from parkgraph.journal.answers import Told
from parkgraph.model.api import (
    ExtensionRequest,
    SessionAnswer,
    SessionEvent,
    SessionRequest,
    SessionsAnswer,
    SessionsQuery,
    show_session,
    warnings_of,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.sessions import Session, SessionState

EVENT_STREAM: Final = "text/event-stream"


async def create_session(port: Port, call: Call) -> Told:
    """Book a space for a vehicle.

    The answer holds all that the vehicle needs to come in: lane, space and gate code. The space is
    held until `hold_until`. One vehicle has one open stay at a lot. The cloud sells what a lot has
    lent it, whether or not the lot can be reached.
    """
    request = parse(SessionRequest, call.content_type, call.body)
    fleet = call.principal.fleet
    if fleet and request.vehicle.fleet_id not in {None, fleet}:
        raise CallRefusedError(
            ErrorCode.FORBIDDEN, f"this key books for {fleet} only", field="vehicle.fleet_id"
        )
    if request.plate is None and request.vehicle.vin is None:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST, "give the vehicle's plate, its VIN, or both", field="plate"
        )
    warnings = warnings_of(request)

    def show(made: Session) -> SessionAnswer:
        return SessionAnswer(session=show_session(made), warnings=warnings)

    return await port.reserve(call.principal, request, call.seal(show))


async def get_session(port: Port, call: Call) -> SessionAnswer:
    """Read a stay.

    A key of one fleet sees that fleet's stays only.
    """
    return _shown(await _own_session(port, call))


async def list_sessions(port: Port, call: Call) -> SessionsAnswer:
    """List stays of a fleet, newest first.

    A lot lists its own, the cloud those of all lots; `scope` says which. Follow `next_cursor` for
    older ones.
    """
    query = parse_query(SessionsQuery, call.query)
    fleet = query.fleet_id or call.principal.fleet
    if not fleet:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST, "say whose stays: ?fleet_id=…", field="fleet_id"
        )
    if call.principal.fleet not in {None, fleet}:
        raise CallRefusedError(
            ErrorCode.FORBIDDEN, "this key sees its own fleet only", field="fleet_id"
        )
    found = await port.sessions(fleet, query)
    reached = {lot.lot_id for lot in await port.lots(call.principal)}
    return SessionsAnswer(
        sessions=tuple(show_session(session) for session in found if session.lot in reached),
        scope=port.scope,
        next_cursor=found[-1].session if len(found) == query.limit else None,
    )


async def end_session(port: Port, call: Call) -> Told:
    """End a stay.

    One whose vehicle has not come is cancelled and costs nothing. One whose vehicle is parked is
    priced, and the vehicle may leave: from the cloud, which asks the lot, only while the lot can
    be reached.
    """
    session = await _own_session(port, call)
    return await port.end(call.principal, session, call.seal(_shown))


async def cancel_session(port: Port, call: Call) -> Told:
    """Cancel a stay whose vehicle has not come.

    It costs nothing, and its space is free again. One whose vehicle has come is ended instead.
    """
    session = await _own_session(port, call)
    return await port.cancel(call.principal, session, call.seal(_shown))


async def extend_session(port: Port, call: Call) -> Told:
    """Come later, or stay longer.

    Before the vehicle has come its space is held for so much longer; in any case the expected
    duration grows, and the estimate with it, at the rate of the booking. A stay that is not
    extended goes on all the same.
    """
    request = parse(ExtensionRequest, call.content_type, call.body)
    session = await _own_session(port, call)
    return await port.extend(call.principal, session, request.minutes, call.seal(_shown))


async def session_events(port: Port, call: Call) -> Stream:
    """Follow a stay as server-sent events.

    The first is a `snapshot`. Who sends `Last-Event-ID` gets what came after that event. The
    stream ends when the stay is over; a comment every 15 seconds says that it lives.
    """
    session = await _own_session(port, call)
    chunks = _told(port.events(session, call.last_event))
    return Stream(EVENT_STREAM, chunks, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def _told(happened: AsyncGenerator[Happened, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(happened):
        async for event in happened:
            if not event.name:
                yield b": still there\n\n"
                continue
            body = SessionEvent(event=event.name, at=event.at, session=show_session(event.session))
            text = f"id: {event.place}\nevent: {event.name}\ndata: {body.model_dump_json()}\n\n"
            yield text.encode()


def _shown(session: Session) -> SessionAnswer:
    return SessionAnswer(session=show_session(session))


async def _own_session(port: Port, call: Call) -> Session:
    session = await port.session(call.path["session"])
    # What nobody has bought yet is nobody's to read: its gate code opens the barrier.
    is_sold = session is not None and session.state is not SessionState.ALLOTTED
    if session is None or not is_sold or call.principal.fleet not in {None, session.fleet}:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
    await port.lot(call.principal, session.lot)
    return session
