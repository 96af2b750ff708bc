"""At a lot each fact carries a digest: what flipped on the disk is found before it is used."""

import asyncio
import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from parkgraph.journal.apply import FactsConflictError
from parkgraph.journal.digests import fault_of
from parkgraph.journal.facts import find_session
from parkgraph.journal.ledger import MIGRATIONS, Command
from parkgraph.model.records import (
    AgentRegistered,
    CancelAsked,
    ConflictFound,
    KeyAccepted,
    KeyBarred,
    RatesSet,
)
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import connect, migrate, translated
from parkgraph_edge.store.audit import live_fault
from parkgraph_edge.store.bookings import DeclareNoShows, End
from parkgraph_edge.store.facts import PastDamagedError
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import OrderVend, Present
from tests.builders import (
    KEY_TERMS,
    LOT,
    RATES,
    a_booking,
    a_gate,
    a_lot,
    a_plate,
    a_reservation,
    typed,
)
from tests.fakes import (
    EDGE_MIGRATIONS,
    FACT_TABLES,
    FakeClock,
    Recording,
    a_database,
    columns_of,
    facts_of,
    open_ledger,
)
from tests.ledgers import a_day, flip, take_directives

CODE = "000000000"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the ledger of a day, in which every fact table has a row."""
    folder = tmp_path_factory.mktemp("day")

    async def write() -> None:
        clock = FakeClock()
        async with open_ledger(folder, clock=clock) as ledger:
            await a_day(ledger, clock)
            await ledger.submit(Present(a_gate(), "pres_9", typed(CODE)))
            await ledger.submit(OrderVend(a_gate(), "adm_9"))
            await ledger.submit(
                Recording(
                    [
                        ConflictFound(session="sess_9", kind="space_lost", what="refund"),
                        KeyBarred(key="9"),
                        KeyAccepted(key="8", terms=KEY_TERMS),
                        RatesSet(card=RATES),
                        AgentRegistered(agent="ag_1", name="Concierge", purpose=None),
                    ]
                )
            )

    with asyncio.Runner() as runner:
        runner.run(write())
    return folder


def test_every_row_of_a_day_fits_its_digest(day: Path) -> None:
    with contextlib.closing(connect(day / "ledger.db")) as connection:
        for table in FACT_TABLES:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()

            assert rows, table
            assert [fault_of(row) for row in rows if fault_of(row)] == []


@pytest.mark.parametrize("table", FACT_TABLES)
def test_a_change_of_any_column_is_found(day: Path, table: str) -> None:
    with contextlib.closing(connect(day / "ledger.db")) as connection:
        columns = [*columns_of(connection, table), "digest"]
        for column in columns:
            changed = [name if name != column else f"{name} || '!' AS {name}" for name in columns]
            nulled = [name if name != column else f"NULL AS {name}" for name in columns]
            for what in (changed, nulled):
                rows = connection.execute(
                    f"SELECT {', '.join(what)} FROM {table} WHERE {column} IS NOT NULL"
                )
                for row in rows:
                    assert fault_of(row), column


def test_a_text_that_has_become_a_blob_is_found(day: Path) -> None:
    with contextlib.closing(connect(day / "ledger.db")) as connection:
        row = connection.execute(
            "SELECT lot, space, CAST(space_class AS BLOB) AS space_class, holder, is_listed, digest"
            " FROM spaces"
        ).fetchone()

        assert fault_of(row) == "space 'S-00'"


def test_a_ledger_of_before_the_digests_gets_them(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(connect(path)) as connection:
        migrate(connection, [MIGRATIONS])
        connection.execute("INSERT INTO barred_keys (lot, key) VALUES ('lot', 'k')")
        connection.execute(
            "INSERT INTO spaces (lot, space, space_class, is_listed)"
            " VALUES ('lot', 'S-01', 'standard', 1)"
        )

        migrate(connection, [MIGRATIONS, EDGE_MIGRATIONS])

        for table in ("barred_keys", "spaces"):
            row = connection.execute(f"SELECT * FROM {table}").fetchone()
            assert row["digest"]
            assert fault_of(row) is None


def test_the_cloud_has_no_digests_and_misses_none(tmp_path: Path) -> None:
    with contextlib.closing(a_database(tmp_path / "cloud.db", MIGRATIONS)) as connection:
        connection.execute("INSERT INTO barred_keys (lot, key) VALUES ('lot', 'k')")
        row = connection.execute("SELECT * FROM barred_keys").fetchone()

        assert row.keys() == ["lot", "key"]
        assert fault_of(row) is None


# Queries that carry no digest: rows of the journal, and a hint to which no single row matters.
UNCHECKED = {"reserved_with", "readings_confirmed"}


def test_every_query_of_a_decision_brings_whole_rows(tmp_path: Path) -> None:
    with contextlib.closing(a_database(tmp_path / "ledger.db")) as connection:
        for name, query in load_queries("parkgraph_edge.store", "facts.sql").items():
            names = dict.fromkeys(re.findall(r":(\w+)", query), 1) | {"occupied": "[]"}
            columns = connection.execute(query, names).description
            last = columns[-1][0]

            assert (last == "digest") == (name not in UNCHECKED), name


DECISIONS: list[tuple[str, Command[Any]]] = [
    ("UPDATE sessions SET expected_minutes = 1 WHERE state = 'reserved'", a_booking("CAR 1")),
    ("UPDATE sessions SET hold_until = '2020'", DeclareNoShows(LOT)),
    ("UPDATE sessions SET autonomous = 1", Present(a_gate(), "pres_1", a_plate("CAR 1"))),
    ("UPDATE spaces SET space_class = 'autonomous'", a_booking("CAR 2", autonomous=True)),
    ("UPDATE spaces SET digest = NULL", a_booking("CAR 2")),
    ("UPDATE lots SET name = 'Elm'", OpenLot(LOT, a_lot())),
]


@pytest.mark.parametrize(("change", "command"), DECISIONS, ids=[c for c, _ in DECISIONS])
async def test_a_decision_on_a_damaged_fact_ends_the_writer_and_the_next_start_finds_it(
    tmp_path: Path, change: str, command: Command[Any]
) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        await ledger.submit(a_booking("CAR 1"))
    flip(tmp_path / "ledger.db", change)

    async with open_ledger(tmp_path) as ledger:
        before = facts_of(ledger.path), ledger.rows()
        with pytest.raises(UnavailableError, match="the writer has ended: the ledger is damaged"):
            await ledger.submit(command)

        with pytest.raises(CorruptError, match="does not fit its digest; keep the file"):
            await ledger.writer.run()
        assert (facts_of(ledger.path), ledger.rows()) == before
    with contextlib.closing(connect(tmp_path / "ledger.db")) as connection:
        assert live_fault(connection, LOT)


async def test_damage_gets_no_new_digest_from_a_change(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
    flip(tmp_path / "ledger.db", "UPDATE spaces SET space_class = 'accessible'")

    async with open_ledger(tmp_path) as ledger:
        # It is held, which changes its row, without having been read.
        with pytest.raises(UnavailableError, match="the writer has ended"):
            await ledger.submit(Recording([a_reservation()]))

        with pytest.raises(CorruptError, match=r"ledger\.db: the database is damaged"):
            await ledger.writer.run()


async def test_a_damaged_stay_that_is_over_turns_away_only_who_asks_for_it(tmp_path: Path) -> None:
    async with open_ledger(tmp_path, clock=(clock := FakeClock())) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        over = await ledger.submit(a_booking("CAR 1"))
        clock.advance(3600)
        await ledger.submit(DeclareNoShows(LOT))
    flip(tmp_path / "ledger.db", "UPDATE sessions SET estimated_minor = 1")

    async with open_ledger(tmp_path) as ledger:
        with pytest.raises(PastDamagedError, match="which is over"):
            await ledger.submit(End(LOT, "key:1", over.session))
        with pytest.raises(CorruptError):
            await find_session(ledger.reader, over.session)
        await take_directives(ledger, CancelAsked(session=over.session))

        assert issubclass(PastDamagedError, (UnavailableError, FactsConflictError))
        assert ledger.one("SELECT why FROM dead_letters").endswith("which is over")
        assert (await ledger.submit(a_booking("CAR 2"))).space == "S-01"
        assert await ledger.writer.submit(lambda connection: live_fault(connection, LOT)) is None


async def test_a_call_that_reads_gets_no_damaged_stay(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        session = await ledger.submit(a_booking("CAR 1"))
        flip(tmp_path / "ledger.db", "UPDATE sessions SET gate_code = '1'")

        with pytest.raises(CorruptError, match=f"session '{session.session}' does not fit"):
            await find_session(ledger.reader, session.session)


LIVE = [
    "UPDATE sessions SET state = 'parkee' WHERE state = 'parked'",
    "DELETE FROM sessions WHERE state = 'parked'",
    "UPDATE spaces SET holder = NULL",
    "UPDATE keypads SET wrong_codes = 0",
    "UPDATE barred_keys SET key = '8'",
    "UPDATE keys SET terms = '{}'",
    "UPDATE rate_cards SET card = '{}'",
    "UPDATE admissions SET presence = '?' WHERE outcome IS NULL",
    "UPDATE orders SET token = 9 WHERE outcome IS NULL",
    "UPDATE lots SET currency = 'EUR'",
    "UPDATE cursors SET seq = seq + 1",
    "UPDATE cursors SET hash = '0'",
    "DELETE FROM journal WHERE seq = (SELECT MAX(seq) FROM journal)",
    "UPDATE journal SET body = '{}' WHERE seq = (SELECT MAX(seq) FROM journal)",
]


@pytest.mark.parametrize("change", LIVE)
def test_a_start_looks_at_all_that_is_open(day: Path, tmp_path: Path, change: str) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes((day / "ledger.db").read_bytes())
    with contextlib.closing(connect(path)) as connection:
        assert live_fault(connection, LOT) is None
    flip(path, change)

    with contextlib.closing(connect(path)) as connection:
        assert live_fault(connection, LOT)


PAST = [
    "UPDATE sessions SET amount_minor = 1 WHERE state = 'completed'",
    "UPDATE admissions SET presence = '?' WHERE outcome IS NOT NULL",
    "UPDATE journal SET actor = '?' WHERE seq < 5",
]


@pytest.mark.parametrize("change", PAST)
def test_a_start_does_not_mind_what_is_past(day: Path, tmp_path: Path, change: str) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes((day / "ledger.db").read_bytes())
    flip(path, change)

    with contextlib.closing(connect(path)) as connection:
        assert live_fault(connection, LOT) is None


def test_facts_cannot_be_written_without_their_digests(day: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes((day / "ledger.db").read_bytes())

    with (
        contextlib.closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.OperationalError, match="no such function"),
    ):
        connection.execute("UPDATE spaces SET holder = NULL")


def test_a_text_that_is_none_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with (
        contextlib.closing(connect(path)) as connection,
        pytest.raises(CorruptError),
        translated(path),
    ):
        connection.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()
