"""What lot and cloud lend and sell: builders, and a lot that takes directives."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from parkgraph.journal.apply import apply
from parkgraph.model.plates import parse_plate
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    AllotmentsAsked,
    AllotmentSold,
    AnyRecord,
    Direction,
    LaneDescription,
    LotDescribed,
    Personal,
    SpaceClass,
    SpaceDescription,
    parse_record,
)
from parkgraph.model.sessions import Session
from parkgraph_cloud.sales import Sell
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.store.directives import TakeDirective
from parkgraph_edge.store.facts import LotFacts
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import Admitted, Present, Presented, RecordFindings, Refused
from parkgraph_edge.store.terms import LotTerms
from tests.builders import LOT, NOON, TERMS, a_gate, an_admission, typed
from tests.fakes import FakeClock, OpenLedger, a_database, facts_of

STANDARD: Final = SpaceClass.STANDARD
AUTONOMOUS: Final = SpaceClass.AUTONOMOUS
ACCESSIBLE: Final = SpaceClass.ACCESSIBLE
LOAN: Final = timedelta(hours=24)
LENDING: Final = replace(TERMS, allotments={STANDARD: 2, AUTONOMOUS: 1, ACCESSIBLE: 1}, loan=LOAN)
SPACES: Final = {
    "A-1": AUTONOMOUS,
    "A-2": AUTONOMOUS,
    "H-1": ACCESSIBLE,
    "S-1": STANDARD,
    "S-2": STANDARD,
    "S-3": STANDARD,
    "S-4": STANDARD,
}


def a_mixed_lot(spaces: Mapping[str, SpaceClass] = SPACES) -> LotDescribed:
    return LotDescribed(
        name="Elm Street Garage",
        time_zone="America/Los_Angeles",
        currency="USD",
        spaces=tuple(SpaceDescription(space=s, space_class=c) for s, c in spaces.items()),
        lanes=(
            LaneDescription(lane="north-in", direction=Direction.ENTRY),
            LaneDescription(lane="south-out", direction=Direction.EXIT),
        ),
    )


def an_asking(at: datetime = NOON, **more: Any) -> AllotmentsAsked:
    return AllotmentsAsked(asked_at=at, **more)


def a_sale(
    of: Session, plate: str | None = "ABC1234", vin: str | None = None, **changes: Any
) -> AllotmentSold:
    """Return the directive that sells the allotment `of`."""
    sale = AllotmentSold(
        session=of.session,
        space=of.space,
        entry_lane=of.entry_lane,
        rate=of.rate.rate_for(autonomous=False) if isinstance(of.rate, RateCard) else of.rate,
        fleet="fleet-1",
        autonomous=False,
        expected_minutes=120,
        estimated_minor=700,
        arrive_within_seconds=1800,
        hold_until=NOON + timedelta(minutes=30),
        personal=Personal(plate=plate, vin=vin, gate_code=of.gate_code),
    )
    return sale.model_copy(update=changes)


def a_purchase(plate: str | None = "ABC1234", **changes: Any) -> Sell:
    """Return the wish for a space, told to the cloud."""
    wish = Sell(
        lot=LOT,
        key="1",
        plate=parse_plate(plate) if plate else None,
        vin=None,
        fleet="fleet-1",
        autonomous=False,
        stay=None,
        request=None,
    )
    return replace(wish, **changes)


@dataclass(frozen=True, slots=True)
class Lender:
    """A lot that lends, and takes directives one by one."""

    ledger: OpenLedger
    clock: FakeClock

    async def take(
        self,
        directive: AnyRecord,
        *,
        terms: LotTerms = LENDING,
        occupied: frozenset[str] = frozenset(),
    ) -> list[AnyRecord]:
        """Take `directive`; return what the lot recorded of it."""
        before = len(self.ledger.rows())
        await self.ledger.submit(TakeDirective(terms, directive, occupied))
        return self.records()[before:]

    async def lend(self, **how: Any) -> list[Session]:
        """Let the cloud ask; return what is lent then, by space."""
        await self.take(an_asking(self.clock.now()), **how)
        return self.lent()

    def records(self) -> list[AnyRecord]:
        return [parse_record(row.body, row.personal) for row in self.ledger.rows()]

    def sessions(self) -> list[Session]:
        """Return every stay, by space."""
        with contextlib.closing(a_database(self.ledger.path)) as connection:
            found = connection.execute("SELECT session FROM sessions ORDER BY space").fetchall()
            facts = LotFacts(connection, LOT)
            stays = [facts.session(row["session"]) for row in found]
            return [stay for stay in stays if stay]

    def lent(self) -> list[Session]:
        return [stay for stay in self.sessions() if stay.state == "allotted"]

    def now_of(self, session: Session) -> Session:
        return next(stay for stay in self.sessions() if stay.session == session.session)

    def conflicts(self) -> list[tuple[str, str]]:
        return [(c[1], c[2]) for c in self.ledger.facts()["conflicts"]]

    async def present(
        self, presented: Presented, direction: Direction = Direction.ENTRY
    ) -> Admitted | Refused:
        return await self.ledger.submit(Present(a_gate(direction), "pres_1", presented))

    async def passes(
        self,
        stay: Session,
        direction: Direction = Direction.ENTRY,
        effect: Effect = Effect.CROSSED,
    ) -> None:
        """Let who has the code of `stay` through, or let him back out."""
        admitted = await self.present(typed(stay.gate_code), direction)
        assert isinstance(admitted, Admitted)
        admission = an_admission(admitted.admission, session=admitted.session)
        finding = Finding(effect, admission)
        await self.ledger.submit(RecordFindings(a_gate(direction), [finding]))

    async def bring_to(self, stay: Session, state: str) -> None:
        """Bring an allotment to `state`, with no word from the cloud."""
        if state in {"arriving", "parked", "leaving", "completed"}:
            await self.present(typed(stay.gate_code))
        if state in {"parked", "leaving", "completed"}:
            await self._cross(Direction.ENTRY)
        if state in {"leaving", "completed"}:
            await self.present(typed(stay.gate_code), Direction.EXIT)
        if state == "completed":
            await self._cross(Direction.EXIT)

    async def _cross(self, direction: Direction) -> None:
        where = "SELECT {} FROM admissions WHERE outcome IS NULL"
        admission = self.ledger.one(where.format("admission"))
        session = self.ledger.one(where.format("session"))
        finding = Finding(Effect.CROSSED, an_admission(admission, session=session))
        await self.ledger.submit(RecordFindings(a_gate(direction), [finding]))


async def a_lender(ledger: OpenLedger, clock: FakeClock) -> Lender:
    await ledger.submit(OpenLot(LOT, a_mixed_lot()))
    return Lender(ledger, clock)


def assert_facts_follow(ledger: OpenLedger, folder: Path) -> None:
    """Check that a replay of the journal gives equal facts, under the lot's own constraints."""
    copy = folder / "replayed.db"
    with contextlib.closing(a_database(copy)) as connection:
        for row in ledger.rows():
            apply(LOT, row.at, parse_record(row.body, row.personal), connection)
    assert facts_of(copy) == ledger.facts()
