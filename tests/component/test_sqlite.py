"""SQLite is opened so that what is committed stays, and says in one line what is wrong."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph.runtime.sqlite import connect, lock, migrate, open_reader, translated
from tests.fakes import EDGE_MIGRATIONS, a_database


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_what_durability_needs_is_set(tmp_path: Path, pragma: str, value: str | int) -> None:
    with contextlib.closing(connect(tmp_path / "ledger.db")) as connection:
        held = connection.execute(f"PRAGMA {pragma}").fetchone()[0]

    assert held == value


def test_a_database_that_cannot_keep_the_promise_is_refused() -> None:
    with pytest.raises(CorruptError, match="pragma journal_mode is memory, not wal"):
        connect(Path(":memory:"))


@pytest.mark.parametrize("content", [b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)

    with pytest.raises(CorruptError) as caught:
        connect(path)

    assert str(caught.value).startswith(f"{path}: the database is damaged")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot be written .*; check folder") as caught:
        connect(tmp_path / "nowhere" / "ledger.db")

    assert "\n" not in str(caught.value)


def test_migrating_twice_is_migrating_once(tmp_path: Path) -> None:
    with contextlib.closing(a_database(tmp_path / "ledger.db")) as connection:
        before = connection.execute("SELECT * FROM sqlite_master").fetchall()
        migrate(connection, [MIGRATIONS, EDGE_MIGRATIONS])

        assert connection.execute("SELECT * FROM sqlite_master").fetchall() == before


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(a_database(tmp_path / "ledger.db")) as connection:
        connection.execute("INSERT INTO migrations VALUES ('parkgraph.journal/0099_later.sql')")

        with pytest.raises(
            RefusedError, match=r"newer than this program: it has .*0099_later\.sql"
        ):
            migrate(connection, [MIGRATIONS, EDGE_MIGRATIONS])


def test_the_lock_keeps_a_second_one_out_and_ends_with_its_holder(tmp_path: Path) -> None:
    held = lock(tmp_path / "lock")

    with pytest.raises(RefusedError, match="another process works on this folder"):
        lock(tmp_path / "lock")

    os.close(held)
    os.close(lock(tmp_path / "lock"))


def test_the_lock_keeps_a_second_process_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "from pathlib import Path; from parkgraph.runtime.sqlite import lock; "
        f"lock(Path({str(path)!r}))"
    )
    held = lock(path)

    second = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    os.close(held)
    assert "RefusedError" in second.stderr


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="check folder, owner, disk"):
        lock(tmp_path / "nowhere" / "lock")


async def test_a_reader_sees_what_is_committed_and_can_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(a_database(path)) as connection:
        async with open_reader(path) as reader:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO barred_keys (lot, key) VALUES ('lot', '1')")
            assert await reader.one("SELECT * FROM barred_keys", {}) is None
            connection.execute("COMMIT")

            assert await reader.one("SELECT key FROM barred_keys", {}) is not None
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                await reader.all("DELETE FROM barred_keys", {})


def test_a_database_that_another_program_holds_is_away_and_not_broken(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with (
        contextlib.closing(a_database(path)) as holder,
        contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as waiter,
    ):
        holder.execute("BEGIN IMMEDIATE")

        with pytest.raises(UnavailableError, match="another program holds it"), translated(path):
            waiter.execute("BEGIN IMMEDIATE")


def test_the_log_that_a_dead_program_left_is_written_again_before_it_is_trusted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "notes.db"
    dead = sqlite3.connect(path)
    dead.execute("PRAGMA journal_mode = wal")
    dead.execute("CREATE TABLE notes (note TEXT)")
    log = path.with_name("notes.db-wal")
    before = log.read_bytes()
    os.utime(log, ns=(0, 0))

    with contextlib.closing(connect(path)) as connection:
        written_at, after = log.stat().st_mtime_ns, log.read_bytes()
        tables = connection.execute("SELECT name FROM sqlite_schema").fetchall()

    dead.close()
    assert written_at > 0
    assert after == before
    assert [row["name"] for row in tables] == ["notes"]
