"""The simulated SQLite behaves like the standard library's, as far as the product uses it."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.sqlite import migrate, translated
from parkgraph.runtime.writer import Writer
from tests.simulation.database import open_database
from tests.simulation.disk import Disk
from tests.simulation.engine import Simulation
from tests.simulation.machines import Machine
from tests.simulation.mounts import Mount

TABLE = "CREATE TABLE t (n INTEGER PRIMARY KEY, word TEXT UNIQUE)"


def a_database(disk: Disk | None = None) -> sqlite3.Connection:
    return open_database(Mount(disk or Disk(Random(1)), lambda _: None), "a.db")


def the_real_one() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def everything_of(cursor: sqlite3.Cursor) -> tuple[Any, ...]:
    rows = cursor.fetchall()
    return [dict(row) for row in rows], [tuple(row) for row in rows], cursor.rowcount


def what_it_raises(connection: sqlite3.Connection, sql: str, parameters: Any) -> tuple[Any, ...]:
    try:
        connection.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        return type(error), getattr(error, "sqlite_errorcode", None)
    return ()


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT * FROM t", ()),
        ("SELECT n, word AS w FROM t WHERE n > :n", {"n": 1}),
        ("SELECT * FROM t WHERE n = ?", (99,)),
        ("UPDATE t SET word = word || '!'", ()),
        ("-- a comment\nDELETE FROM t WHERE n = ?", (1,)),
        ("INSERT INTO t (word) VALUES (:word)", {"word": "three", "unused": 1}),
        ("PRAGMA user_version", ()),
    ],
)
def test_rows_and_counts_are_those_of_the_standard_library(sql: str, parameters: Any) -> None:
    both = a_database(), the_real_one()
    for connection in both:
        connection.executescript(f"{TABLE}; INSERT INTO t VALUES (1, 'one'), (2, 'two')")

    simulated, real = (everything_of(each.execute(sql, parameters)) for each in both)

    assert simulated == real


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("INSERT INTO t VALUES (1, 'x')", ()),
        ("INSERT INTO t VALUES (3, 'one')", ()),
        ("INSERT INTO missing VALUES (3)", ()),
        ("SELEC", ()),
        ("SELECT :missing", {}),
        ("SELECT ?", (1, 2)),
        ("COMMIT", ()),
    ],
)
def test_errors_are_those_of_the_standard_library(sql: str, parameters: Any) -> None:
    both = a_database(), the_real_one()
    for connection in both:
        connection.executescript(f"{TABLE}; INSERT INTO t VALUES (1, 'one')")

    simulated, real = (what_it_raises(each, sql, parameters) for each in both)

    assert simulated == real
    assert simulated


def test_a_row_is_read_by_name_and_by_index_and_a_function_can_be_called() -> None:
    database = a_database()
    database.create_function("twice", 1, lambda number: 2 * number, deterministic=True)

    row = database.execute("SELECT twice(4) AS eight, 'x' AS letter").fetchone()

    assert (row["eight"], row[1], row.keys()) == (8, "x", ["eight", "letter"])
    assert isinstance(row, sqlite3.Row)


def test_a_savepoint_is_rolled_back_and_many_rows_are_inserted() -> None:
    database = a_database()
    database.execute(TABLE)

    database.execute("BEGIN IMMEDIATE")
    count = database.executemany("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, "b")]).rowcount
    database.execute("SAVEPOINT job")
    database.execute("DELETE FROM t")
    database.execute("ROLLBACK TO job")
    database.execute("RELEASE job")
    was_open = database.in_transaction
    database.execute("COMMIT")

    assert (count, was_open, database.in_transaction) == (2, True, False)
    assert len(list(database.execute("SELECT * FROM t"))) == 2


def test_a_full_disk_a_failing_sync_and_a_damaged_file_are_told_apart() -> None:
    disk = Disk(Random(1))
    database = a_database(disk)
    database.execute(TABLE)

    disk.quota_bytes = 0
    with pytest.raises(UnavailableError, match="full"), translated(Path("a.db")):
        database.execute("INSERT INTO t VALUES (1, 'one')")
    disk.quota_bytes, disk.failing_syncs = None, 1
    with pytest.raises(sqlite3.OperationalError) as failed, translated(Path("a.db")):
        database.execute("INSERT INTO t VALUES (1, 'one')")
    assert failed.value.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC
    disk.restore({"a.db": b"no database" * 1000})
    with pytest.raises(CorruptError), translated(Path("a.db")):
        a_database(disk).execute("SELECT * FROM t")


def test_the_real_writer_and_the_real_migrations_work_on_it() -> None:
    counted: list[int] = []

    async def count(machine: Machine) -> None:
        connection = machine.open_database("a.db")
        migrate(connection, [MIGRATIONS])
        connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")
        writer, reader = Writer(connection, Path("a.db")), machine.reader(connection)
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(
                    writer.submit(lambda own: own.execute("INSERT INTO t DEFAULT VALUES").lastrowid)
                )
        row = await reader.one("SELECT count(*) AS n FROM t", {})
        assert row
        counted.extend((row["n"], writer.commits))
        await writer.close()

    with Simulation(1) as simulation:
        simulation.machine("lot").start(count)
        simulation.run(asyncio.sleep(0.5))

    assert counted[0] == 100
    assert counted[1] < 10


def test_what_the_real_writer_acknowledged_is_there_after_kills_and_power_cuts() -> None:
    for seed in range(5):
        acknowledged: set[str] = set()
        with Simulation(seed) as simulation:
            machine = simulation.machine("lot")
            machine.start(partial(_book_for_ever, said=acknowledged))

            simulation.run(_faults(machine, simulation.stream("faults")))

            rows = machine.open_database("a.db").execute("SELECT word FROM t").fetchall()
            assert acknowledged <= {row["word"] for row in rows}
            assert len(acknowledged) > 1000
            assert machine.starts > 20


async def _book_for_ever(machine: Machine, said: set[str]) -> None:
    connection = machine.open_database("a.db")
    connection.execute("CREATE TABLE IF NOT EXISTS t (word TEXT)")
    writer = Writer(connection, Path("a.db"))

    async def book() -> None:
        while True:
            await asyncio.sleep(machine.random(1)[0] / 256)
            word = machine.random(8).hex()
            await writer.submit(partial(_insert, word))
            said.add(word)

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        for _ in range(5):
            group.create_task(book())


def _insert(word: str, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (?)", (word,))


async def _faults(machine: Machine, random: Random) -> None:
    for _ in range(15):
        await asyncio.sleep(random.uniform(5, 30))
        machine.kill()
        await asyncio.sleep(random.uniform(5, 30))
        machine.light_fuse(random.randrange(1, 50), seconds=1)
    await asyncio.sleep(60)
    machine.restart_seconds = None
    machine.cut_power()
