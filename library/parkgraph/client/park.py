"""The calls of `/api/v1` that vehicles and fleets make."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote as quoted

from pydantic import BaseModel, ValidationError

from parkgraph.client.errors import UnreadableAnswerError
from parkgraph.client.events import follow
from parkgraph.client.outside import Outside
from parkgraph.client.sides import Lots, Sides
from parkgraph.client.transport import Ask, Door, Reach, Side, Verify, check_header, http_client
from parkgraph.model.api import (
    MOST_LISTED,
    ActivityFeed,
    ActivityQuery,
    AgentAnswer,
    AgentBody,
    AgentRequest,
    AuditAnswer,
    AuditRow,
    Availability,
    ExtensionRequest,
    KeyAnswer,
    KeyBody,
    KeyRequest,
    KeysAnswer,
    KeysQuery,
    LotAnswer,
    LotBody,
    LotsAnswer,
    Observation,
    ObservationsAnswer,
    ObservationsRequest,
    Page,
    Quote,
    QuoteQuery,
    RatesBody,
    RatesRequest,
    SearchQuery,
    SessionAnswer,
    SessionBody,
    SessionEvent,
    SessionRequest,
    SessionsAnswer,
    SessionsQuery,
    Status,
    StatusAnswer,
)

CLOUD_URL: Final = "https://api.parkgraph.com"

B = TypeVar("B", bound=BaseModel)
log = logging.getLogger("parkgraph.client")


class ParkGraph:
    """A caller of the API: in the cloud, and at the lot where the cloud is away.

    ```python
    from parkgraph.client import ParkGraph
    from parkgraph.model.api import SessionRequest, Vehicle

    async with ParkGraph(base_url, key) as park:
        stay = await park.create_session(
            SessionRequest(lot_id=lot_id, plate="AV-1234", vehicle=Vehicle(fleet_id="fleet-1"))
        )
        print(stay.entry_instructions.gate_code, stay.entry_instructions.entry_lane)
    ```

    Each change carries an `Idempotency-Key`, of the caller or made up, so nothing is done twice.
    What may have another answer soon is tried again, four times at most, after a pause by chance
    that grows: no connection, no answer in time, 429, 502, 504, and 503 with `Retry-After`.

    With `lot_url`, calls about a stay or a lot go to the lot's own address while the cloud does
    not answer or says `LOT_OFFLINE`, with the same `Idempotency-Key`: lot and cloud know it for
    one request. The cloud is asked again after 5 seconds, then after longer, up to a minute.

    All methods raise:

    - `ApiError`: the API refused it.
    - `UnreachableError`: no answer came.
    - `UnreadableAnswerError`: what answered is not this API.
    - `ValueError`: what was passed cannot be sent.
    """

    def __init__(  # noqa: PLR0913 (what it reaches, how it trusts that, and what stands in for it)
        self,
        base_url: str,
        key: str,
        *,
        lot_url: str | Mapping[str, str] | None = None,
        verify: Verify = True,
        lot_verify: Verify | None = None,
        timeout_seconds: float = 10.0,
        outside: Outside | None = None,
    ) -> None:
        """Call `base_url`, which is `CLOUD_URL` or a lot's address, with the API key `key`.

        `lot_url` is the address of the lot, or of each by its id. `verify` is True to trust the
        public authorities, or a file of PEM certificates to trust instead, or an SSL context;
        `lot_verify` the same for lots, which have an authority of their own. A try may take
        `timeout_seconds`, a call six times that. `outside` is for tests.

        Raises:
            ValueError: an address or the key cannot be one.
            OSError: a file of certificates cannot be read.
        """
        outside = outside or Outside()
        check_header("the key", key)
        self._http = http_client(key, verify, outside)
        self._lot_http = self._http if lot_verify is None else http_client(key, lot_verify, outside)
        self._outside = outside
        cloud, lots = Door(Side.CLOUD, base_url, self._http), Lots(lot_url, self._lot_http)
        self._sides = Sides(cloud, lots, outside, timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all connections."""
        await self._http.aclose()
        await self._lot_http.aclose()

    @property
    def side(self) -> Side:
        """Who answered last, `cloud` or `lot`: `cloud` is whatever has `base_url`."""
        return self._sides.last

    async def create_session(
        self, request: SessionRequest, *, idempotency_key: str | None = None
    ) -> SessionBody:
        """Book a space. The answer holds all that the vehicle needs to come in.

        What looks wrong in `request` and was taken all the same is logged as a warning.
        """
        ask = self._change(_path("sessions"), request, idempotency_key, lot=request.lot_id)
        answer, side = await self._answer(ask, SessionAnswer)
        for warned in answer.warnings:
            log.warning("%s: %s: %s", warned.field, warned.code, warned.message)
        return self._noted(answer.session, side)

    async def session(self, session: str, *, lot_id: str | None = None) -> SessionBody:
        """Return a stay. `lot_id` says where, which matters where this object has not seen it."""
        ask = Ask("GET", _path("sessions", session), session=session, lot=lot_id)
        answer, side = await self._answer(ask, SessionAnswer)
        return self._noted(answer.session, side)

    async def sessions(
        self,
        fleet_id: str | None = None,
        *,
        lot_id: str | None = None,
        status: Status | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncGenerator[SessionBody, None]:
        """Return all stays of a fleet, newest first, as they are read page by page.

        A key of one fleet may leave `fleet_id` out. `since` and `until` are times of booking, the
        latter not included. Without `lot_id` only the cloud is asked, as a lot knows its own only.

        ```python
        from parkgraph.client import ParkGraph

        async with ParkGraph(base_url, key) as park:
            async for stay in park.sessions(fleet_id="fleet-1", status="active"):
                print(stay.id, stay.state, stay.estimated_minor, stay.currency)
        ```
        """
        query = SessionsQuery(
            limit=MOST_LISTED,
            fleet_id=fleet_id,
            lot_id=lot_id,
            status=status,
            since=since,
            until=until,
        )
        only: Side | None = None
        while True:
            ask = Ask("GET", _path("sessions"), lot=lot_id, query=_query(query), only=only)
            answer, only = await self._answer(ask, SessionsAnswer)
            for stay in answer.sessions:
                yield self._noted(stay, only)
            if answer.next_cursor is None:
                return
            query = query.model_copy(update={"cursor": answer.next_cursor})

    async def end_session(
        self, session: str, *, lot_id: str | None = None, idempotency_key: str | None = None
    ) -> SessionBody:
        """End a stay: a parked vehicle is priced and may leave, an awaited one costs nothing."""
        return await self._change_stay(session, "end", None, lot_id, idempotency_key)

    async def cancel_session(
        self, session: str, *, lot_id: str | None = None, idempotency_key: str | None = None
    ) -> SessionBody:
        """Cancel a stay whose vehicle has not come; it costs nothing."""
        return await self._change_stay(session, "cancel", None, lot_id, idempotency_key)

    async def extend_session(
        self,
        session: str,
        minutes: int,
        *,
        lot_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> SessionBody:
        """Hold the space, or expect the stay to last, for so many `minutes` more."""
        request = ExtensionRequest(minutes=minutes)
        return await self._change_stay(session, "extend", request, lot_id, idempotency_key)

    def events(
        self, session: str, *, lot_id: str | None = None
    ) -> AsyncGenerator[SessionEvent, None]:
        """Return what happens to a stay, as it happens, until the stay is over.

        The first event is a `snapshot`; so is the first where some may have been missed. A lost
        connection is made anew, to either side, and goes on after the last event; where that does
        not succeed for 10 minutes, it raises `UnreachableError`. Who leaves the loop early closes
        the connection with `contextlib.aclosing`.

        ```python
        from contextlib import aclosing
        from parkgraph.client import ParkGraph

        async with ParkGraph(base_url, key) as park, aclosing(park.events(session)) as events:
            async for event in events:
                print(event.at, event.event, event.session.state)
                if event.session.state == "reserved":
                    break
        ```
        """
        path = _path("sessions", session, "events")
        ask = Ask("GET", path, session=session, lot=lot_id, is_stream=True)
        return follow(self._sides, ask, self._outside)

    async def search_lots(
        self,
        lat: float,
        lng: float,
        *,
        radius: int | None = None,
        av: bool | None = None,
        limit: int | None = None,
    ) -> LotsAnswer:
        """Find lots near a place, the nearest first.

        `lat` and `lng` are degrees, `radius` is metres, `limit` how many at most. Lots that
        vehicles without a driver cannot use are left out unless `av` is False. With one lot's
        address known that lot answers while the cloud is away, for itself: `scope` is `lot` then.
        """
        given = {"radius": radius, "av": av, "limit": limit}
        query = SearchQuery.model_validate(
            {"lat": lat, "lng": lng}
            | {name: each for name, each in given.items() if each is not None}
        )
        ask = Ask("GET", _path("lots", "search"), Reach.ANY_LOT, query=_query(query))
        return (await self._answer(ask, LotsAnswer))[0]

    async def lot(self, lot: str) -> LotBody:
        """Return where a lot is, and who can use it."""
        return (await self._answer(Ask("GET", _path("lots", lot), lot=lot), LotAnswer))[0].lot

    async def availability(self, lot: str) -> Availability:
        """Return how many spaces of a lot are free. To count is not to hold."""
        ask = Ask("GET", _path("lots", lot, "availability"), lot=lot)
        return (await self._answer(ask, Availability))[0]

    async def rates(self, lot: str) -> RatesBody:
        """Return what a lot charges who books now."""
        ask = Ask("GET", _path("lots", lot, "rates"), lot=lot)
        return (await self._answer(ask, RatesBody))[0]

    async def quote(
        self, lot: str, *, minutes: int | None = None, autonomous: bool = False
    ) -> Quote:
        """Return what a stay of so many `minutes` would cost that is booked now.

        It is for 120 minutes where they are left out, and binds nobody.
        """
        given = {} if minutes is None else {"expected_duration_minutes": minutes}
        query = QuoteQuery.model_validate({"autonomous": autonomous} | given)
        ask = Ask("GET", _path("lots", lot, "quote"), lot=lot, query=_query(query))
        return (await self._answer(ask, Quote))[0]

    async def upload_observations(
        self,
        lot: str,
        observations: Sequence[Observation],
        *,
        idempotency_key: str | None = None,
    ) -> ObservationsAnswer:
        """Tell what was seen in spaces of a lot just now, of at most 1,000 at once."""
        request = ObservationsRequest(observations=tuple(observations))
        path = _path("lots", lot, "observations")
        ask = self._change(path, request, idempotency_key, lot=lot)
        return (await self._answer(ask, ObservationsAnswer))[0]

    async def change_rates(
        self, lot: str, request: RatesRequest, *, idempotency_key: str | None = None
    ) -> RatesBody:
        """Change what a lot charges who books from now on. Only the cloud does that."""
        path = _path("lots", lot, "rates")
        ask = self._change(path, request, idempotency_key, method="PUT", reach=Reach.CLOUD)
        return (await self._answer(ask, RatesBody))[0]

    async def create_key(
        self, request: KeyRequest, *, idempotency_key: str | None = None
    ) -> KeyAnswer:
        """Make an API key. Its `key` is told once: keep it.

        Where the first answer is lost the try after it gets `key` None. Make another one then,
        with `replaces`. Only the cloud does that.
        """
        ask = self._change(_path("api-keys"), request, idempotency_key, reach=Reach.CLOUD)
        return (await self._answer(ask, KeyAnswer))[0]

    async def keys(self, *, fleet_id: str | None = None) -> tuple[KeyBody, ...]:
        """Return the keys that work, the newest first, at most 200. Only the cloud knows them."""
        query = _query(KeysQuery(fleet_id=fleet_id))
        ask = Ask("GET", _path("api-keys"), Reach.CLOUD, query=query)
        return (await self._answer(ask, KeysAnswer))[0].api_keys

    async def delete_key(self, key_id: str, *, idempotency_key: str | None = None) -> KeyBody:
        """Revoke a key: in the cloud at once, at lots when they hear of it."""
        path = _path("api-keys", key_id)
        ask = self._change(path, None, idempotency_key, method="DELETE", reach=Reach.CLOUD)
        return (await self._answer(ask, KeyAnswer))[0].api_key

    async def register_agent(
        self, request: AgentRequest, *, idempotency_key: str | None = None
    ) -> AgentBody:
        """Make an agent known: a program that calls for people. Only the cloud does that."""
        ask = self._change(_path("agents"), request, idempotency_key, reach=Reach.CLOUD)
        return (await self._answer(ask, AgentAnswer))[0].agent

    async def audit(self, lot: str) -> AsyncGenerator[AuditRow, None]:
        """Return the audit log of a lot in its order, as it is read page by page."""
        page, only = Page(limit=MOST_LISTED), None
        while True:
            path = _path("lots", lot, "audit")
            ask = Ask("GET", path, lot=lot, query=_query(page), only=only)
            answer, only = await self._answer(ask, AuditAnswer)
            for row in answer.rows:
                yield row
            if answer.next_cursor is None:
                return
            page = page.model_copy(update={"cursor": answer.next_cursor})

    async def activity(
        self, *, lot_id: str | None = None, limit: int = 50, before: str | None = None
    ) -> ActivityFeed:
        """Return what happened last, the newest first, at most `limit` events.

        `before` is the `id` of an event: those are returned that happened before it.
        """
        query = _query(ActivityQuery(lot_id=lot_id, limit=limit, cursor=before))
        ask = Ask("GET", _path("activity"), lot=lot_id, query=query)
        return (await self._answer(ask, ActivityFeed))[0]

    async def status(self) -> StatusAnswer:
        """Return what works now, as `base_url` knows it."""
        ask = Ask("GET", _path("status"), Reach.CLOUD)
        return (await self._answer(ask, StatusAnswer))[0]

    def _change(  # noqa: PLR0913 (what a request is made of)
        self,
        path: str,
        request: BaseModel | None,
        idempotency_key: str | None,
        *,
        method: str = "POST",
        reach: Reach = Reach.ITS_LOT,
        lot: str | None = None,
        session: str | None = None,
    ) -> Ask:
        """Return a request that changes something; it is the same one however often it is sent."""
        if idempotency_key is not None:
            check_header("idempotency_key", idempotency_key)
        return Ask(
            method,
            path,
            reach,
            lot=lot,
            session=session,
            body=None if request is None else request.model_dump_json(exclude_none=True),
            idempotency_key=idempotency_key or self._outside.new_key(),
        )

    async def _change_stay(
        self,
        session: str,
        verb: str,
        request: BaseModel | None,
        lot_id: str | None,
        idempotency_key: str | None,
    ) -> SessionBody:
        path = _path("sessions", session, verb)
        ask = self._change(path, request, idempotency_key, lot=lot_id, session=session)
        answer, side = await self._answer(ask, SessionAnswer)
        return self._noted(answer.session, side)

    async def _answer(self, ask: Ask, model: type[B]) -> tuple[B, Side]:
        side, response = await self._sides.call(ask)
        try:
            return model.model_validate_json(response.content), side
        except ValidationError as error:
            raise UnreadableAnswerError(
                f"{response.url.host} answered {ask.method} {ask.path} with no {model.__name__}"
            ) from error

    def _noted(self, stay: SessionBody, side: Side) -> SessionBody:
        self._sides.stays.note(stay.id, stay.lot_id, side)
        return stay


def _path(*parts: str) -> str:
    """Return the path of an operation.

    Raises:
        ValueError: a part would lead to another one.
    """
    for part in parts:
        if part in {"", ".", ".."}:
            raise ValueError(f"{part!r} is no id")
    return "/api/v1/" + "/".join(quoted(part, safe="") for part in parts)


def _query(model: BaseModel) -> dict[str, str]:
    """Return what was given in `model`, as it stands in an address."""
    given = model.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    return {
        name: str(each).lower() if isinstance(each, bool) else str(each)
        for name, each in given.items()
    }
