"""The simulated disk bites: what was not synced is lost, and only that."""

import sqlite3
from random import Random

import pytest

from tests.simulation.database import open_database
from tests.simulation.disk import SECTOR, Disk
from tests.simulation.mounts import Mount


def a_mount(disk: Disk) -> Mount:
    return Mount(disk, lambda _: None)


def test_a_power_cut_takes_what_was_appended_and_not_synced() -> None:
    left = set()
    for seed in range(20):
        disk = Disk(Random(seed))
        log = a_mount(disk).file("tail")
        log.append(b"kept")
        log.sync()
        log.append(b"lost")

        disk.power_cut()

        left.add(a_mount(disk).file("tail").read())

    assert b"kept" in left
    assert b"keptlost" in left
    assert all(each.startswith(b"kept") for each in left)


def test_sectors_are_lost_each_for_itself_and_some_are_torn() -> None:
    disk = Disk(Random(1))
    log = a_mount(disk).file("tail")
    log.append(bytes(1000 * SECTOR))
    log.sync()
    disk.write(disk.files["tail"], b"x" * 1000 * SECTOR, 0)

    disk.power_cut()

    data = log.read()
    written = [data[i : i + SECTOR].count(b"x") for i in range(0, len(data), SECTOR)]
    assert 350 < written.count(SECTOR) < 550
    assert 400 < written.count(0) < 600
    assert any(0 < count < SECTOR for count in written)


def test_a_file_that_was_never_synced_may_vanish() -> None:
    remained = set()
    for seed in range(20):
        disk = Disk(Random(seed))
        a_mount(disk).file("new").append(b"x")

        disk.power_cut()

        remained.add("new" in disk.files)

    assert remained == {True, False}


def test_a_replaced_file_is_the_old_or_the_new_one_whenever_the_power_goes() -> None:
    left = set()
    for seed in range(30):
        disk = Disk(Random(seed))
        mount = a_mount(disk)
        mount.file("state").replace(b"old" * 500)
        disk.light_fuse(1 + seed % 4, disk.power_cut)

        try:
            mount.file("state").replace(b"new" * 500)
            left.add("returned")
            assert mount.file("state").read() == b"new" * 500
        except OSError:
            left.add(a_mount(disk).file("state").read()[:3].decode())

    assert left == {"old", "new", "returned"}


def test_a_corpse_cannot_write() -> None:
    disk = Disk(Random(1))
    corpse = a_mount(disk)
    corpse.file("tail").append(b"alive")

    corpse.detach()
    corpse.file("tail").append(b"dead")
    corpse.file("tail").replace(b"dead")

    assert corpse.file("tail").read() == b"alive"


def test_an_old_backup_brings_back_old_rows_and_a_flipped_bit_is_in_the_file() -> None:
    disk = Disk(Random(1))
    mount = a_mount(disk)
    database = open_database(mount, "a.db")
    database.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
    backup = disk.snapshot()
    database.execute("INSERT INTO t VALUES (2)")
    mount.detach()

    disk.restore(backup)

    restored = open_database(a_mount(disk), "a.db")
    assert [row["n"] for row in restored.execute("SELECT n FROM t")] == [1]
    before = bytes(disk.files["a.db"].memory)
    offset = disk.flip_bit("a.db")
    assert disk.files["a.db"].memory[offset] != before[offset]


@pytest.mark.parametrize(("synchronous", "may_lose"), [(2, False), (1, True)])
def test_full_keeps_every_commit_over_power_cuts_and_normal_loses_some(
    synchronous: int, *, may_lose: bool
) -> None:
    lost = 0
    for seed in range(60):
        disk = Disk(Random(seed))
        acknowledged = _commit_until_the_power_goes(disk, synchronous)

        database = open_database(a_mount(disk), "a.db")

        kept = {row["n"] for row in database.execute("SELECT n FROM t")}
        lost += len(acknowledged - kept)
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    assert (lost > 0) == may_lose


def _commit_until_the_power_goes(disk: Disk, synchronous: int) -> set[int]:
    mount = a_mount(disk)
    database = open_database(mount, "a.db")
    database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, filling TEXT)")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("PRAGMA wal_autocheckpoint = 20")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    disk.light_fuse(disk._random.randrange(1, 400), disk.power_cut)
    acknowledged = set()
    try:
        for number in range(1000):
            database.execute("INSERT INTO t VALUES (:n, :filling)", {"n": number, "filling": "x"})
            acknowledged.add(number)
    except sqlite3.OperationalError:
        mount.detach()
    return acknowledged
