"""`journal recover`: a ledger is put right by a person, and nothing is deleted."""

import argparse
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from parkgraph.journal.epochs import is_recovering
from parkgraph.model.records import EpochBegan, parse_record
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.sqlite import connect, lock
from parkgraph_edge.daemon import _books, _budget
from parkgraph_edge.recovery_command import register
from parkgraph_edge.settings import EdgeSettings, load_settings
from tests.builders import LOT, PUBLIC_KEY, a_booking, an_api_key
from tests.component.test_exit_only import CONFIGURATION
from tests.fakes import journal_of

CLOUD = f'[cloud]\nbroker = "mqtt://127.0.0.1:1"\npublic_keys = ["{PUBLIC_KEY}"]\n'

Run = Callable[..., int]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    an_api_key(tmp_path)
    path = tmp_path / "edge.toml"
    path.write_text(CONFIGURATION + CLOUD)
    return path


@pytest.fixture
def run(file: Path) -> Run:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers(required=True))

    def run(*words: str) -> int:
        arguments = parser.parse_args(["recover", *words, str(file)])
        status: int = arguments.run(arguments)
        return status

    return run


def settings_of(file: Path) -> EdgeSettings:
    return load_settings(file).settings


def ledger_of(file: Path) -> Path:
    return settings_of(file).state.directory / "ledger.db"


def leave_the_cloud(file: Path) -> None:
    file.write_text(CONFIGURATION)


async def booked(file: Path, *cars: str) -> bool:
    """Start the gateway's ledger, book, and say whether that could be done."""
    settings = settings_of(file)
    async with _books(settings, SystemClock(), _budget(settings)) as (books, _):
        if books is None or books.is_recovering:
            return False
        for car in cars:
            await books.ledger.submit(a_booking(car))
        return True


def waits(file: Path) -> bool:
    with contextlib.closing(connect(ledger_of(file))) as connection:
        return is_recovering(connection, LOT)


def damage(path: Path) -> None:
    """Spoil pages in the middle of the database at `path`."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[100 : 10 * 4096] = b"\xaa" * (10 * 4096 - 100)
    path.write_bytes(content)


async def test_a_damaged_ledger_is_moved_aside_and_what_the_tail_has_comes_back(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    await booked(file, "CAR 1", "CAR 2")
    rows = journal_of(ledger_of(file))
    damage(ledger_of(file))
    spoiled = ledger_of(file).read_bytes()
    assert not await booked(file)

    status = run()

    out = capsys.readouterr().out
    assert status == 0
    assert ledger_of(file).with_name("ledger-damaged-1.db").read_bytes() == spoiled
    assert "The ledger is damaged" in out
    assert "3 records that the ledger had lost were taken from the second copy" in out
    assert "every exit opens" in out
    assert journal_of(ledger_of(file)) == rows
    assert waits(file)
    assert not await booked(file)


async def test_nothing_that_was_moved_aside_is_overwritten(file: Path, run: Run) -> None:
    for _ in range(2):
        run()
        damage(ledger_of(file))

    run()

    names = sorted(path.name for path in ledger_of(file).parent.glob("*damaged*.db"))
    assert names == ["ledger-damaged-1.db", "ledger-damaged-2.db"]


async def test_a_ledger_that_is_whole_stays_and_waits_for_the_cloud(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    await booked(file, "CAR 1")
    rows = journal_of(ledger_of(file))

    assert run() == 0

    assert "The ledger is whole" in capsys.readouterr().out
    assert journal_of(ledger_of(file)) == rows
    assert waits(file)


async def test_a_row_that_was_changed_is_damage(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    await booked(file, "CAR 1", "CAR 2")
    with contextlib.closing(sqlite3.connect(ledger_of(file))) as database:
        database.execute("UPDATE journal SET actor = 'key:2' WHERE seq = 2")
        database.commit()

    assert run() == 0

    assert "row 2: its hash does not follow" in capsys.readouterr().out
    assert [row.actor for row in journal_of(ledger_of(file))] == ["system", "key:1", "key:1"]


async def test_a_machine_that_was_replaced_asks_the_cloud_for_everything(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0

    assert "There was no ledger; made one." in capsys.readouterr().out
    assert waits(file)


async def test_a_tail_that_contradicts_is_moved_aside(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    await booked(file, "CAR 1")
    tail = ledger_of(file).with_name("ledger.tail")
    kept = tail.read_bytes()
    tail.unlink()
    ledger_of(file).unlink()
    await booked(file, "CAR 2")
    tail.write_bytes(kept)
    assert not await booked(file)

    assert run() == 0

    assert tail.with_name("ledger-aside-1.tail").read_bytes().rstrip(b"\0") == kept.rstrip(b"\0")
    assert "second copy of the newest records was moved" in capsys.readouterr().out


async def test_a_lot_without_a_cloud_goes_on_alone_when_a_person_says_so(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_the_cloud(file)
    await booked(file, "CAR 1")
    ledger = ledger_of(file)
    with contextlib.closing(sqlite3.connect(ledger)) as database:
        database.execute("UPDATE cursors SET name = 'acknowledged'")
        database.execute("INSERT INTO cursors SELECT stream, 'head', epoch, seq, hash FROM cursors")
        database.commit()
    await booked(file)
    ledger.unlink()  # and its tail begins at row 2
    assert not await booked(file)

    statuses = run(), run("--alone")

    told = capsys.readouterr()
    assert statuses == (2, 0)
    assert "say --alone" in told.err
    assert "is let out by the exit" in told.out
    assert await booked(file, "CAR 2")
    record = parse_record(journal_of(ledger)[0].body, None)
    assert isinstance(record, EpochBegan)
    assert record.why == "lost"


def test_alone_is_not_for_a_lot_with_a_cloud(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--alone") == 2

    assert "leave --alone out" in capsys.readouterr().err
    assert not ledger_of(file).exists()


def test_a_gateway_that_runs_is_left_alone(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger_of(file).parent.mkdir()
    lock(ledger_of(file).with_name("lock"))

    assert run() == 2

    assert "stop it first" in capsys.readouterr().err


def test_a_file_that_cannot_be_used_is_named(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("")

    assert run() == 2

    assert str(file) in capsys.readouterr().err
