"""The cloud behind `/api/v1`: every lot's stays as their journals tell them, and what it owns."""

import functools
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from typing import Final, Literal

from parkgraph.front.contract import Audited, Happened, Principal
from parkgraph.front.events import happened
from parkgraph.front.journals import active, audited
from parkgraph.front.key_facts import LedgerKeys
from parkgraph.front.views import check_reach, lot_body, sessions_of_fleet
from parkgraph.journal.answers import Outcome, Seal, Told
from parkgraph.journal.chain import CLOUD
from parkgraph.journal.changes import Changes
from parkgraph.journal.facts import find_session
from parkgraph.journal.ledger import Command, JournalLedger
from parkgraph.journal.observations import Observe
from parkgraph.model.api import (
    ActivityItem,
    AgentBody,
    AgentRequest,
    Availability,
    KeyBody,
    KeyRequest,
    LotBody,
    Observation,
    RatesRequest,
    SessionRequest,
    SessionsQuery,
    StatusAnswer,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.plates import parse_plate
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    CancelAsked,
    EndAsked,
    ExtensionAsked,
    KeyTerms,
    LotDescribed,
)
from parkgraph.model.sessions import Session
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph_cloud.agents import RegisterAgent
from parkgraph_cloud.asking import Asking, Wish
from parkgraph_cloud.keys import SQL as KEYS
from parkgraph_cloud.keys import IssueKey, RevokeKey, show_key, working_at
from parkgraph_cloud.lot_keys import LotKeys
from parkgraph_cloud.lot_states import availability, read_heard
from parkgraph_cloud.rates import ChangeRates, rates_of
from parkgraph_cloud.sales import Sell

SQL: Final = load_queries("parkgraph_cloud", "fleet.sql")

LedgerOf = Callable[[str], JournalLedger]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the port works with.

    `ledger_of` gives the ledger of what the cloud decides for a lot, and of `CLOUD`. `is_connected`
    says whether lots can be heard at all.
    """

    reader: Reader
    ledger_of: LedgerOf
    changes: Changes
    keys: LedgerKeys
    lot_keys: LotKeys
    clock: Clock
    is_connected: Callable[[], bool] = lambda: True


class FleetView:
    """Implements `parkgraph.front.contract.CloudPort`."""

    scope: Literal["lot", "cloud"] = "cloud"

    def __init__(self, around: Surroundings) -> None:
        """Serve what is in the database of `around`."""
        self._around = around
        self._reader = around.reader
        self._asking = Asking(around.reader, around.ledger_of, around.changes)

    async def lot(self, principal: Principal, lot: str) -> LotBody:
        """See `Port.lot`."""
        row = await self._reader.one(SQL["lot"], {"lot": lot})
        if row is None:
            raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such lot", field="lot_id")
        body, takes_live_keys = _described(row["lot"], row["description"])
        check_reach(principal, body, takes_live_keys=takes_live_keys)
        return body

    async def lots(self, principal: Principal) -> Sequence[LotBody]:
        """See `Port.lots`."""
        rows = await self._reader.all(SQL["lots"], {})
        return [body for row in rows if (body := _reached(principal, row))]

    async def availability(self, lot: str) -> Availability:
        """See `Port.availability`."""
        return await availability(self._reader, lot, self._around.clock.now())

    async def rates(self, lot: str) -> RateCard:
        """See `Port.rates`."""
        return await rates_of(self._reader, lot)

    async def session(self, session: str) -> Session | None:
        """See `Port.session`."""
        return await find_session(self._reader, session)

    async def sessions(self, fleet: str, query: SessionsQuery) -> Sequence[Session]:
        """See `Port.sessions`."""
        return await sessions_of_fleet(self._reader, fleet, query)

    async def reserve(
        self, principal: Principal, request: SessionRequest, seal: Seal[Session]
    ) -> Told:
        """See `Port.reserve`. Whether the lot can be reached is no matter."""
        await self.lot(principal, request.lot_id)
        sell = Sell(
            lot=request.lot_id,
            key=principal.key_id,
            plate=parse_plate(request.plate) if request.plate else None,
            vin=request.vehicle.vin,
            fleet=request.vehicle.fleet_id or principal.fleet,
            autonomous=request.vehicle.autonomous,
            stay=timedelta(minutes=request.expected_minutes),
            request=seal.request,
        )
        return await self._around.ledger_of(request.lot_id).submit(seal.around(sell))

    async def end(self, principal: Principal, session: Session, seal: Seal[Session]) -> Told:
        """See `Port.end`. What the cloud sold and is awaited it cancels; else it asks the lot."""
        wish = EndAsked(session=session.session, request=seal.request)
        return await self._ask(principal, session, wish, seal)

    async def cancel(self, principal: Principal, session: Session, seal: Seal[Session]) -> Told:
        """See `Port.cancel`. The lot has the last word: the vehicle may be there."""
        wish = CancelAsked(session=session.session)
        return await self._ask(principal, session, wish, seal)

    async def extend(
        self, principal: Principal, session: Session, minutes: int, seal: Seal[Session]
    ) -> Told:
        """See `Port.extend`. The lot is asked."""
        wish = ExtensionAsked(session=session.session, minutes=minutes)
        return await self._ask(principal, session, wish, seal)

    async def _ask(
        self, principal: Principal, session: Session, wish: Wish, seal: Seal[Session]
    ) -> Told:
        return await self._asking.ask(principal, session.lot, wish, seal)

    def events(self, session: Session, after: str | None) -> AsyncGenerator[Happened, None]:
        """See `Port.events`."""
        return happened(self._reader, self._around.changes, session, after)

    async def observe(
        self,
        principal: Principal,
        lot: str,
        observations: Sequence[Observation],
        seal: Seal[int],
    ) -> Told:
        """See `Port.observe`. It counts for what the cloud sells; the lot does not hear of it."""
        observe = Observe(lot, principal.actor, observations)
        return await self._around.ledger_of(lot).submit(seal.around(observe))

    async def audit(
        self, lot: str, *, after: str | None, limit: int
    ) -> tuple[Sequence[Audited], str | None]:
        """See `Port.audit`."""
        return await audited(self._reader, lot, after, limit)

    async def activity(
        self, lots: Sequence[str], *, limit: int, before: str | None
    ) -> Sequence[ActivityItem]:
        """See `Port.activity`."""
        return await active(self._reader, lots, limit, before)

    async def status(self, lots: Sequence[str]) -> StatusAnswer:
        """See `Port.status`."""
        now = self._around.clock.now()
        told = [(await read_heard(self._reader, lot)).status(lot, now) for lot in lots]
        is_whole = all(lot.link == "up" and not lot.away for lot in told)
        return StatusAnswer(
            status="ok" if is_whole and self._around.is_connected() else "degraded",
            version=metadata.version("parkgraph"),
            as_of=now,
            lots=tuple(told),
        )

    async def change_rates(
        self, principal: Principal, lot: str, request: RatesRequest, seal: Seal[RateCard]
    ) -> Told:
        """See `CloudPort.change_rates`."""
        change = ChangeRates(lot, principal, request)
        return await self._around.ledger_of(lot).submit(seal.around(change))

    async def create_key(
        self, principal: Principal, request: KeyRequest, seal: Seal[tuple[KeyBody, str]]
    ) -> Told:
        """See `CloudPort.create_key`."""
        issue = IssueKey(principal, request, self._around.keys.is_configured)
        return await self._change_keys(issue, seal)

    async def keys(self, fleet: str | None) -> Sequence[KeyBody]:
        """See `CloudPort.keys`."""
        working = working_at(self._around.clock.now(), fleet)
        rows = await self._reader.all(KEYS["working_keys"], working)
        return [show_key(row["key"], KeyTerms.model_validate_json(row["terms"])) for row in rows]

    async def delete_key(self, principal: Principal, key: str, seal: Seal[KeyBody]) -> Told:
        """See `CloudPort.delete_key`."""
        revoke = RevokeKey(principal, key, self._around.keys.is_configured)
        return await self._change_keys(revoke, seal)

    async def _change_keys(self, command: Command[Outcome], seal: Seal[Outcome]) -> Told:
        """Let the change be in effect here before it is answered, and at lots soon."""
        told = await self._around.ledger_of(CLOUD).submit(seal.around(command))
        await self._around.keys.refresh(self._reader)
        self._around.lot_keys.soon()
        return told

    async def register_agent(
        self, principal: Principal, request: AgentRequest, seal: Seal[AgentBody]
    ) -> Told:
        """See `CloudPort.register_agent`."""
        register = RegisterAgent(principal, request)
        return await self._around.ledger_of(CLOUD).submit(seal.around(register))


# Descriptions change seldom, and every call needs one or all of them.
@functools.lru_cache(maxsize=4096)
def _described(lot: str, text: str) -> tuple[LotBody, bool]:
    description = LotDescribed.model_validate_json(text)
    return lot_body(lot, description), description.takes_live_keys


def _reached(principal: Principal, row: sqlite3.Row) -> LotBody | None:
    body, takes_live_keys = _described(row["lot"], row["description"])
    try:
        check_reach(principal, body, takes_live_keys=takes_live_keys)
    except CallRefusedError:
        return None
    return body
