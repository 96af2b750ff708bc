"""Builders: each gives all but what the test is about."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from parkgraph.model.codes import check_digit
from parkgraph.model.plates import parse_plate
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AnyRecord,
    Crossed,
    Direction,
    KeyTerms,
    LaneDescription,
    LotDescribed,
    Means,
    NoShowDeclared,
    Personal,
    SessionEnded,
    SessionReserved,
    SpaceClass,
    SpaceDescription,
)
from parkgraph.model.sessions import Session, SessionState
from parkgraph.runtime.signatures import SigningKey
from parkgraph_edge.rules.barriers import BarrierState
from parkgraph_edge.rules.identity import Alternative
from parkgraph_edge.rules.lanes import Lane, LaneState, OpenAdmission, Presence
from parkgraph_edge.rules.sightings import Sighting
from parkgraph_edge.store.bookings import Reserve
from parkgraph_edge.store.passages import CodeTyped, Gate, PlateSeen
from parkgraph_edge.store.terms import LotTerms

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
LOT: Final = "elm-street"
ENTRY: Final = Direction.ENTRY
EXIT: Final = Direction.EXIT
CODE: Final = "12345678" + check_digit("12345678")
CODE_KEY: Final = bytes(range(32))
SIGNING_SECRET: Final = bytes(range(32, 64))
PUBLIC_KEY: Final = SigningKey(SIGNING_SECRET).public_key
RATES: Final = RateCard(version="rates-1", currency="USD", unit_minor=350)
A_RATE: Final = RATES.rate_for(autonomous=False)
KEY_TERMS: Final = KeyTerms(
    name="fleet 1",
    digest="0" * 64,
    is_test=True,
    plan="fleet",
    scopes=("sessions:write",),
    fleet="fleet-1",
    created_at=NOON,
)
TERMS: Final = LotTerms(LOT, RATES, "north-in", CODE_KEY)


def the_documented_configuration() -> str:
    """Return `config/edge.toml` with what an installer has to fill in."""
    text = (Path(__file__).parents[1] / "config" / "edge.toml").read_text()
    return re.sub(r"paste here[^\"]*", PUBLIC_KEY, text)


def an_api_key(folder: Path) -> None:
    """Write `api.key`, which configurations name, as its owner alone may read it."""
    key = folder / "api.key"
    key.write_text("pk_test_0123456789abcdefghij\n")
    key.chmod(0o600)


def a_session(state: SessionState = SessionState.RESERVED, **changes: Any) -> Session:
    is_inside = state in {SessionState.PARKED, SessionState.LEAVING, SessionState.COMPLETED}
    session = Session(
        lot=LOT,
        session="sess_1",
        state=state,
        fleet="fleet-1",
        autonomous=False,
        vin=None,
        plate="ABC1234",
        plate_letters=parse_plate("ABC1234").letters,
        plate_folded=parse_plate("ABC1234").folded,
        gate_code=CODE,
        space="S-01",
        entry_lane="north-in",
        rate=A_RATE,
        expected_minutes=120,
        estimated_minor=700,
        reserved_at=NOON,
        hold_until=NOON + timedelta(minutes=30),
        entered_at=NOON if is_inside else None,
        ended_at=None,
        amount_minor=None,
    )
    return replace(session, **changes)


def a_barrier_state(**changes: Any) -> BarrierState:
    """Return a look at a closed boom with nobody near it."""
    state = BarrierState(
        is_armed=False,
        is_occupied=False,
        is_open=False,
        is_closed=True,
        has_fire=False,
        has_tamper=False,
        has_fault=False,
        angle_degrees=0.0,
        passages=0,
        token=0,
        last_order=0,
        keypad_entries=0,
        keypad_digits="",
        asked_at=0.0,
    )
    return replace(state, **changes)


def a_sighting(text: str = "ABC1234", *, taken_at: float, **changes: Any) -> Sighting:
    sighting = Sighting("north-in", text, 0.9, frames=3, taken_at=taken_at, box=(0, 0, 100, 20))
    return replace(sighting, **changes)


def an_admission(admission: str = "adm_1", *, at: float = 1000.0, **changes: Any) -> OpenAdmission:
    return replace(OpenAdmission(admission, "sess_1", granted_at=at, ordered_at=at), **changes)


def a_lane(state: LaneState = LaneState.CLEAR, **last_look: Any) -> Lane:
    """Return a lane in `state`; the loops of its last look fit, or are as `last_look` says."""
    is_there = state is not LaneState.CLEAR
    is_admitted = state in {LaneState.ADMITTED, LaneState.CROSSING}
    look = {"is_armed": is_there, "is_occupied": state is LaneState.CROSSING} | last_look
    return Lane(
        state,
        Presence("pres_1", since=1000.0) if is_there else None,
        an_admission() if is_admitted else None,
        a_barrier_state(**look),
    )


def a_lot(
    *spaces: str, space_class: SpaceClass = SpaceClass.STANDARD, name: str = "Elm Street Garage"
) -> LotDescribed:
    return LotDescribed(
        name=name,
        time_zone="America/Los_Angeles",
        currency="USD",
        spaces=tuple(
            SpaceDescription(space=space, space_class=space_class)
            for space in spaces or ("S-01", "S-02")
        ),
        lanes=(
            LaneDescription(lane="north-in", direction=Direction.ENTRY),
            LaneDescription(lane="south-out", direction=Direction.EXIT),
        ),
    )


def a_reservation(
    session: str = "sess_1",
    *,
    space: str = "S-01",
    plate: str | None = "ABC1234",
    vin: str | None = None,
    gate_code: str = CODE,
) -> SessionReserved:
    return SessionReserved(
        session=session,
        fleet="fleet-1",
        autonomous=False,
        space=space,
        entry_lane="north-in",
        rate=A_RATE,
        expected_minutes=120,
        estimated_minor=700,
        hold_until=NOON + timedelta(minutes=30),
        personal=Personal(plate=plate, vin=vin, gate_code=gate_code),
    )


def a_grant(
    session: str | None = "sess_1",
    *,
    admission: str = "adm_1",
    direction: Direction = Direction.ENTRY,
) -> AdmissionGranted:
    return AdmissionGranted(
        admission=admission,
        session=session,
        lane="north-in" if direction is Direction.ENTRY else "south-out",
        direction=direction,
        presence="pres_1",
        means=Means.PLATE,
        passages_before=0,
    )


def a_crossing(
    session: str | None = "sess_1",
    *,
    admission: str = "adm_1",
    direction: Direction = Direction.ENTRY,
) -> Crossed:
    return Crossed(
        admission=admission,
        session=session,
        lane="north-in" if direction is Direction.ENTRY else "south-out",
        direction=direction,
        amount_minor=None if direction is Direction.ENTRY else 350,
    )


def a_lapse(session: str | None = "sess_1", *, admission: str = "adm_1") -> AdmissionLapsed:
    return AdmissionLapsed(admission=admission, session=session, lane="north-in", why="backed_out")


def records_that_move_a_session(session: str = "sess_1") -> list[AnyRecord]:
    """Return one record of each kind that can move a session."""
    return [
        a_grant(session),
        a_crossing(session),
        a_lapse(session),
        SessionEnded(session=session, amount_minor=350),
        NoShowDeclared(session=session),
    ]


def a_booking(plate: str | None = "ABC1234", **changes: Any) -> Reserve:
    """Return the wish for a space at the lot."""
    wish = Reserve(
        terms=TERMS,
        key="1",
        plate=parse_plate(plate) if plate else None,
        vin=None,
        fleet="fleet-1",
        autonomous=False,
        stay=None,
        occupied=frozenset(),
    )
    return replace(wish, **changes)


def a_gate(direction: Direction = Direction.ENTRY, **changes: Any) -> Gate:
    gate = Gate(
        lot=LOT,
        lane="north-in" if direction is Direction.ENTRY else "south-out",
        direction=direction,
        token=257,
        last_order=0,
        passages=0,
        open_seconds=5.0,
    )
    return replace(gate, **changes)


def a_plate(text: str = "ABC1234", *, frames: int = 3, **nats: float) -> PlateSeen:
    """Return the plate `text` as read, and what it may say as well, by how many nats less."""
    return PlateSeen(parse_plate(text), 0.9, 120, frames, a_reading(text, **nats))


def a_reading(text: str = "ABC1234", **nats: float) -> tuple[Alternative, ...]:
    """Return what vision says that a plate may say: `text`, and by how many nats less what else."""
    itself = Alternative(parse_plate(text).folded, 0.0)
    return (itself, *(Alternative(parse_plate(one).folded, nats[one]) for one in nats))


def typed(digits: str) -> CodeTyped:
    return CodeTyped(digits)


def another_code(code: str) -> str:
    """Return a well-formed code that is not `code`."""
    digits = f"{(int(code[:8]) + 1) % 10**8:08}"
    return digits + check_digit(digits)
