"""The ledger: one journal, gapless and chained, from which all facts follow."""

import asyncio
import contextlib
import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parkgraph.journal.apply import FactsConflictError, apply
from parkgraph.journal.chain import GENESIS, Head, Row, first_fault
from parkgraph.journal.facts import find_session
from parkgraph.journal.ledger import NoLedger
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import (
    SessionReserved,
    SpaceClass,
    parse_record,
)
from parkgraph.model.sessions import Session
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.store.bookings import DeclareNoShows, End
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import (
    Present,
)
from tests.builders import (
    ENTRY,
    EXIT,
    LOT,
    NOON,
    a_booking,
    a_crossing,
    a_gate,
    a_grant,
    a_lot,
    a_reservation,
    typed,
)
from tests.fakes import (
    FACT_TABLES,
    FakeClock,
    OpenLedger,
    Recording,
    a_database,
    facts_of,
    open_ledger,
)
from tests.ledgers import SPACES, a_day, let_through


def head_before(ledger: OpenLedger) -> Head:
    """Return what the first row is chained to."""
    epoch = ledger.one("SELECT epoch FROM cursors WHERE name = 'head'")
    return Head(epoch=epoch, seq=0, hash=GENESIS)


async def test_the_journal_has_no_gap_and_every_row_follows_on_the_one_before(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await a_day(ledger, clock)

        rows = ledger.rows()

        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert first_fault(LOT, head_before(ledger), rows) is None
        assert len({row.type for row in rows}) == 12


async def test_the_journal_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
    async with open_ledger(tmp_path, clock=FakeClock(NOON + timedelta(days=3))) as ledger:
        await ledger.submit(a_booking())

        assert first_fault(LOT, head_before(ledger), ledger.rows()) is None
        assert ledger.types() == ["lot_described", "session_reserved"]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Head, list[Row]]:
    """Return what the first row of a day's journal is chained to, and the rows."""
    folder = tmp_path_factory.mktemp("day")

    async def write() -> tuple[Head, list[Row]]:
        clock = FakeClock()
        async with open_ledger(folder, clock=clock) as ledger:
            await a_day(ledger, clock)
            return head_before(ledger), ledger.rows()

    with asyncio.Runner() as runner:
        return runner.run(write())


COLUMNS = sorted(Row.model_fields.keys() - {"seq"})


@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_byte_anywhere_is_found_and_named(
    day: tuple[Head, list[Row]], data: st.DataObject
) -> None:
    head, rows = day
    place = data.draw(st.integers(0, len(rows) - 1))
    row = rows[place]
    # The salt of a personal part that is not there proves nothing.
    there = [c for c in COLUMNS if c not in {"personal", "salt"} or row.personal is not None]
    column = data.draw(st.sampled_from(there))
    text = bytearray(getattr(row, column).encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    changed = row.model_copy(update={column: text.decode()})

    fault = first_fault(LOT, head, [*rows[:place], changed, *rows[place + 1 :]])

    assert fault
    assert f"row {row.seq}" in fault


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_that_is_missing_doubled_or_swapped_is_found(
    day: tuple[Head, list[Row]], data: st.DataObject
) -> None:
    head, rows = day
    place = data.draw(st.integers(0, len(rows) - 2))
    one, other = rows[place], rows[place + 1]
    instead = data.draw(st.sampled_from([[other], [one, one, other], [other, one]]))

    fault = first_fault(LOT, head, [*rows[:place], *instead, *rows[place + 2 :]])

    assert fault
    assert "stands where" in fault


def test_the_personal_parts_can_be_removed_and_the_chain_still_verifies(
    day: tuple[Head, list[Row]],
) -> None:
    head, rows = day

    erased = [row.model_copy(update={"personal": None}) for row in rows]

    assert first_fault(LOT, head, erased) is None


def test_nothing_personal_stands_outside_the_personal_part(day: tuple[Head, list[Row]]) -> None:
    _, rows = day
    code = next(
        json.loads(row.personal)["gate_code"]
        for row in rows
        if row.type == "session_reserved" and row.personal
    )

    kept = "".join(row.model_copy(update={"personal": None}).model_dump_json() for row in rows)

    assert "CAR 0" not in kept
    assert code not in kept


async def test_replaying_the_journal_gives_the_same_facts(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await a_day(ledger, clock)

    copy = tmp_path / "copy.db"
    with contextlib.closing(a_database(copy)) as connection:
        for row in ledger.rows():
            apply(LOT, row.at, parse_record(row.body, row.personal), connection)

    assert facts_of(copy) == ledger.facts()
    assert all(facts_of(copy)[table] for table in FACT_TABLES[:6])


WISHES = st.lists(
    st.tuples(
        st.sampled_from(["book", "enter", "back out", "leave", "end", "wait", "no-shows", "guess"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


async def wish(ledger: OpenLedger, clock: FakeClock, what: str, car: int) -> None:
    """Do `what` with `car` where that may be."""
    plate = f"CAR {car}"
    with contextlib.suppress(CallRefusedError, AssertionError):
        match what:
            case "book":
                await ledger.submit(a_booking(plate))
            case "enter" | "back out":
                await let_through(ledger, ENTRY, plate, crosses=what == "enter")
            case "leave":
                await let_through(ledger, EXIT, plate)
            case "end":
                session = ledger.one(
                    "SELECT COALESCE(MAX(session), '') FROM sessions WHERE plate = ?", plate
                )
                await ledger.submit(End(LOT, "key:1", session))
            case "wait":
                clock.advance(1000)
            case "no-shows":
                await ledger.submit(DeclareNoShows(LOT))
            case "guess":
                await ledger.submit(Present(a_gate(), "pres_9", typed("000000000")))


@given(wishes=WISHES)
@settings(max_examples=25)
async def test_after_any_day_the_facts_follow_from_the_journal_and_no_space_is_held_twice(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("any-day")
    clock = FakeClock()
    async with open_ledger(folder, clock=clock) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02")))
        for what, car in wishes:
            await wish(ledger, clock, what, car)

    copy = folder / "copy.db"
    with contextlib.closing(a_database(copy)) as connection:
        for row in ledger.rows():
            apply(LOT, row.at, parse_record(row.body, row.personal), connection)
    assert facts_of(copy) == ledger.facts()
    assert ledger.one(
        "SELECT COUNT(*) FROM sessions WHERE state IN ('reserved', 'arriving', 'parked', 'leaving')"
    ) == ledger.one("SELECT COUNT(*) FROM spaces WHERE holder IS NOT NULL")


async def test_what_cannot_be_applied_is_not_recorded_either(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        before = ledger.rows()

        with pytest.raises(FactsConflictError, match="sess_unknown is not known"):
            await ledger.submit(Recording([a_lot(), a_crossing("sess_unknown")]))

        assert ledger.rows() == before


async def reserved(ledger: OpenLedger, plate: str) -> Session | ErrorCode:
    try:
        return await ledger.submit(a_booking(plate))
    except CallRefusedError as error:
        return error.code


async def test_of_fifty_who_want_ten_spaces_exactly_ten_get_one(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reserved(ledger, f"CAR {n}")) for n in range(50)]

        sold = [task.result() for task in tasks if isinstance(task.result(), Session)]
        spaces = [session.space for session in sold if isinstance(session, Session)]
        codes = {session.gate_code for session in sold if isinstance(session, Session)}
        assert sorted(spaces) == list(SPACES)
        assert len(codes) == 10
        assert [task.result() for task in tasks].count(ErrorCode.LOT_FULL) == 40


async def test_of_fifty_calls_for_one_vehicle_exactly_one_gets_a_space(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reserved(ledger, "CAR 1")) for _ in range(50)]

        assert [task.result() for task in tasks].count(ErrorCode.CONFLICT) == 49
        assert ledger.types().count("session_reserved") == 1


@pytest.mark.parametrize(
    "second",
    [
        a_reservation("sess_2", space="S-01", plate="OTHER 1", gate_code="1"),
        a_reservation("sess_2", space="S-02", plate="ABC1234", gate_code="1"),
        a_reservation("sess_2", space="S-02", plate="OTHER 1"),
        a_reservation("sess_2", space="S-02", plate="OTHER 1", vin="V" * 17, gate_code="1"),
    ],
    ids=["space", "plate", "code", "vin"],
)
def test_the_schema_of_a_lot_knows_no_second_open_stay(
    tmp_path: Path, second: SessionReserved
) -> None:
    with contextlib.closing(a_database(tmp_path / "ledger.db")) as connection:
        apply(LOT, NOON.isoformat(), a_lot(), connection)
        apply(LOT, NOON.isoformat(), a_reservation(vin="V" * 17), connection)

        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            apply(LOT, NOON.isoformat(), second, connection)


def test_a_space_that_somebody_holds_is_not_given_away(tmp_path: Path) -> None:
    with contextlib.closing(
        a_database(tmp_path / "copy.db", "parkgraph.journal.migrations")
    ) as copy:
        apply(LOT, NOON.isoformat(), a_lot(), copy)
        apply(LOT, NOON.isoformat(), a_reservation(), copy)

        with pytest.raises(FactsConflictError, match="S-01 is not free"):
            apply(LOT, NOON.isoformat(), a_reservation("sess_2", plate="OTHER 1"), copy)


def test_a_grant_for_a_stay_that_nobody_knows_is_a_conflict(tmp_path: Path) -> None:
    with (
        contextlib.closing(a_database(tmp_path / "ledger.db")) as connection,
        pytest.raises(FactsConflictError, match="not known"),
    ):
        apply(LOT, NOON.isoformat(), a_grant(), connection)


async def test_a_space_is_free_again_when_its_stay_is_over(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01")))
        await ledger.submit(a_booking("CAR 1"))
        assert await reserved(ledger, "CAR 2") is ErrorCode.LOT_FULL
        await let_through(ledger, ENTRY, "CAR 1")
        await let_through(ledger, EXIT, "CAR 1")

        session = await reserved(ledger, "CAR 2")

    assert isinstance(session, Session)
    assert session.space == "S-01"


async def test_who_does_not_come_in_time_frees_the_space(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01")))
        await ledger.submit(a_booking("CAR 1"))
        assert await ledger.submit(DeclareNoShows(LOT)) == 0
        clock.advance(30 * 60 + 2)

        assert await ledger.submit(DeclareNoShows(LOT)) == 1

        assert isinstance(await reserved(ledger, "CAR 2"), Session)


async def test_an_accessible_space_is_sold_to_nobody_who_did_not_ask_for_one(
    tmp_path: Path,
) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", space_class=SpaceClass.ACCESSIBLE)))

        assert await reserved(ledger, "CAR 1") is ErrorCode.LOT_FULL


async def test_a_space_where_a_sensor_sees_somebody_is_not_sold(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02")))

        session = await ledger.submit(a_booking(occupied=frozenset({"S-01"})))

    assert session.space == "S-02"


async def test_what_is_answered_is_what_is_kept(tmp_path: Path) -> None:
    clock = FakeClock(NOON + timedelta(microseconds=123456))
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))

        answered = await ledger.submit(a_booking(vin="1HGCM826X4A004352"))

        assert answered == await find_session(ledger.reader, answered.session)


async def test_without_a_ledger_every_command_is_refused_with_the_reason() -> None:
    with pytest.raises(UnavailableError, match="the disk is away"):
        await NoLedger("the disk is away").submit(a_booking())
