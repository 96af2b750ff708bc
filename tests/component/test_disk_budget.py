"""When the disk fills up: promises stop first, exits and closures never."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parkgraph.journal.ledger import Command
from parkgraph.model.errors import HTTP_STATUS, CallRefusedError, ErrorCode
from parkgraph.model.records import AllotmentsAsked, Direction, SpaceClass
from parkgraph.runtime.disk import MEBIBYTE, DiskBudget, Level
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import connect
from parkgraph.runtime.writer import Writer
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.store.bookings import End
from parkgraph_edge.store.directives import TakeDirective
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import Admitted, Present, RecordFindings
from tests.builders import LOT, NOON, TERMS, a_booking, a_gate, a_lot, a_plate, an_admission
from tests.fakes import OpenLedger, open_ledger, until

DISK_MIB = 16


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, where this may be made."""
    path = tmp_path / "disk"
    path.mkdir()
    size = f"size={DISK_MIB}m"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", path], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def a_budget(path: Path, reserve_mib: int = 2, ballast_mib: int = 1) -> DiskBudget:
    reserve_bytes, ballast_bytes = reserve_mib * MEBIBYTE, ballast_mib * MEBIBYTE
    return DiskBudget(path, reserve_bytes=reserve_bytes, ballast_bytes=ballast_bytes)


def fill(path: Path, *, leave: int) -> None:
    """Take what is free on the disk of `path`, all but `leave` bytes."""
    free = os.statvfs(path)
    size = free.f_bavail * free.f_frsize - leave
    if size > 0:
        with (path / "filler").open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), size)


def fill_up(path: Path) -> None:
    fill(path, leave=0)
    with (path / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x"):
            pass


def test_with_room_the_ballast_is_really_there_and_all_goes_on(disk: Path) -> None:
    budget = a_budget(disk)

    budget.look()

    assert (budget.level, budget.trouble) == (Level.PLENTY, None)
    assert (disk / "ballast").stat().st_blocks * 512 == MEBIBYTE


@pytest.mark.parametrize(
    ("free_mib", "level"), [(10, Level.PLENTY), (6, Level.SHORT), (1.5, Level.RESERVED)]
)
def test_the_level_follows_from_what_is_free(disk: Path, free_mib: float, level: Level) -> None:
    levels: list[Level] = []
    budget = DiskBudget(
        disk, reserve_bytes=2 * MEBIBYTE, ballast_bytes=MEBIBYTE, on_level=levels.append
    )
    budget.look()
    fill(disk, leave=int(free_mib * MEBIBYTE))

    budget.look()
    budget.look()

    assert budget.level is level
    assert levels == ([level] if level else [])
    assert budget.may_promise == (level < Level.RESERVED)
    (disk / "filler").unlink()
    budget.look()
    assert budget.level is Level.PLENTY


def test_of_a_small_disk_only_a_part_is_kept(disk: Path) -> None:
    budget = a_budget(disk, reserve_mib=1024, ballast_mib=1024)

    budget.look()

    assert budget.level is Level.PLENTY
    assert (disk / "ballast").stat().st_size == MEBIBYTE


def test_a_ballast_that_was_thrown_off_comes_back_only_when_there_is_room(disk: Path) -> None:
    budget = a_budget(disk)
    budget.look()
    fill_up(disk)

    assert budget.make_room()
    assert not budget.make_room()
    assert budget.level is Level.RESERVED
    assert "nearly full" in (budget.trouble or "")
    budget.look()
    assert not (disk / "ballast").exists()
    (disk / "filler").unlink()
    budget.look()
    assert (disk / "ballast").exists()
    assert budget.may_promise


def test_a_folder_that_cannot_be_asked_changes_nothing(tmp_path: Path) -> None:
    budget = a_budget(tmp_path / "away")

    budget.look()

    assert budget.level is Level.PLENTY


@pytest.mark.hurried
async def test_it_looks_again_and_again(disk: Path) -> None:
    budget = a_budget(disk)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(budget.run())
        await until((disk / "ballast").exists)
        fill(disk, leave=MEBIBYTE)
        await until(lambda: budget.level is Level.RESERVED)
        task.cancel()


async def test_on_a_full_disk_urgent_jobs_get_the_ballast_and_others_have_to_come_again(
    disk: Path,
) -> None:
    path = disk / "notes.db"
    budget = a_budget(disk)
    budget.look()
    connection = connect(path)
    connection.execute("CREATE TABLE notes (note TEXT)")
    writer = Writer(connection, path, on_full=budget.make_room)

    def write(note: str, connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO notes VALUES (?)", (note * 5000,))
        return note

    fill_up(disk)
    try:
        lane = await writer.submit(lambda c: write("lane", c), urgent=True)
        assert lane == "lane"
        assert budget.level is Level.RESERVED
        with pytest.raises(UnavailableError, match="the disk is full"):
            await writer.submit(lambda c: write("call" * 500, c))
    finally:
        (disk / "filler").unlink()
        await writer.close()


async def test_on_a_full_disk_a_car_gets_out_and_its_stay_is_closed(
    disk: Path, tmp_path: Path
) -> None:
    budget = a_budget(disk)
    async with open_ledger(disk, on_full=budget.make_room) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        session = await ledger.submit(a_booking())
        await pass_through(ledger, Direction.ENTRY)
        budget.look()
        fill_up(disk)

        await pass_through(ledger, Direction.EXIT)

        assert ledger.one("SELECT state FROM sessions") == "completed"
        assert not (disk / "ballast").exists()
        other = await refused(ledger, a_booking("CAR 2", may_promise=budget.may_promise))
        assert other.code is ErrorCode.UNAVAILABLE
        assert session.session
        (disk / "filler").unlink()


async def pass_through(ledger: OpenLedger, direction: Direction) -> None:
    gate = a_gate(direction)
    admitted = await ledger.submit(Present(gate, f"pres_{direction}", a_plate()), urgent=True)
    assert isinstance(admitted, Admitted)
    admission = an_admission(admitted.admission, session=admitted.session)
    findings = [Finding(Effect.CROSSED, admission)]
    await ledger.submit(RecordFindings(gate, findings), urgent=True)


async def refused(ledger: OpenLedger, command: Command[Any]) -> CallRefusedError:
    with pytest.raises(CallRefusedError) as caught:
        await ledger.submit(command)
    return caught.value


async def test_with_little_room_nothing_is_promised_and_what_was_is_kept(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        made = await ledger.submit(a_booking(request="r1"))

        again = await ledger.submit(a_booking(request="r1", may_promise=False))
        error = await refused(ledger, a_booking("CAR 2", may_promise=False))
        await pass_through(ledger, Direction.ENTRY)
        ended = await ledger.submit(End(LOT, "key:1", made.session))

        assert again.session == made.session
        assert (HTTP_STATUS[error.code], "nearly full" in error.message) == (503, True)
        assert ended.amount_minor is not None


async def test_with_little_room_nothing_is_lent(tmp_path: Path) -> None:
    terms = replace(TERMS, allotments={SpaceClass.STANDARD: 2})
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        asked = AllotmentsAsked(asked_at=NOON)
        await ledger.submit(TakeDirective(terms, asked, frozenset(), may_promise=False))
        before = ledger.types()
        await ledger.submit(TakeDirective(terms, asked, frozenset()))

        assert before == ["lot_described"]
        assert ledger.types().count("allotment_granted") == 2
