"""One thread writes: many are answered by one commit, and nobody before it."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from parkgraph.runtime import writer as writer_module
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph.runtime.sqlite import connect
from parkgraph.runtime.writer import BATCH, MOST_URGENT_WAITING, MOST_WAITING, Job, Writer


@contextlib.asynccontextmanager
async def a_writer(path: Path) -> AsyncIterator[Writer]:
    connection = connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS notes (note TEXT PRIMARY KEY)")
    writer = Writer(connection, path)
    try:
        yield writer
    finally:
        await writer.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


def write(note: str) -> Job[str]:
    def job(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO notes VALUES (?)", (note,))
        return note

    return job


def fail(note: str, error: Exception) -> Job[str]:
    def job(connection: sqlite3.Connection) -> str:
        write(note)(connection)
        raise error

    return job


def notes_in(path: Path) -> list[str]:
    """Return what another process can read."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [note for (note,) in connection.execute("SELECT note FROM notes ORDER BY rowid")]


@contextlib.asynccontextmanager
async def held_up(writer: Writer) -> AsyncIterator[Callable[[], None]]:
    """Hold the writer's thread up in a job, so that others wait; yield what lets it go on."""
    has_begun, may_end = threading.Event(), threading.Event()

    def job(_: sqlite3.Connection) -> None:
        has_begun.set()
        may_end.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.submit(job))
        await asyncio.to_thread(has_begun.wait)
        try:
            yield may_end.set
        finally:
            may_end.set()


async def test_the_answer_is_what_the_job_returned(path: Path) -> None:
    async with a_writer(path) as writer:
        answer = await writer.submit(write("one"))

    assert answer == "one"


async def test_nobody_is_answered_before_the_commit(path: Path) -> None:
    async with a_writer(path) as writer:
        for number in range(20):
            await writer.submit(write(str(number)))

            assert notes_in(path)[-1] == str(number)


async def test_a_job_is_not_answered_while_its_batch_is_not_committed(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group:
        has_begun, may_end = threading.Event(), threading.Event()

        def slow(_: sqlite3.Connection) -> str:
            has_begun.set()
            may_end.wait()
            return "slow"

        async with held_up(writer) as let_go:
            first = group.create_task(writer.submit(write("first")))
            last = group.create_task(writer.submit(slow))
            await asyncio.sleep(0)
            let_go()
        await asyncio.to_thread(has_begun.wait)

        assert not first.done()
        assert notes_in(path) == []
        may_end.set()
        assert (await first, await last) == ("first", "slow")


async def test_many_who_wait_take_few_commits(path: Path) -> None:
    async with a_writer(path) as writer:
        async with held_up(writer) as let_go, asyncio.TaskGroup() as group:
            for number in range(BATCH):
                group.create_task(writer.submit(write(str(number))))
            await asyncio.sleep(0)
            let_go()

        assert writer.commits == 2
    assert len(notes_in(path)) == BATCH


async def test_who_was_answered_and_comes_again_shares_a_commit_with_who_waits(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group:
        async with held_up(writer) as let_go:
            group.create_task(writer.submit(write("waits")))
            await asyncio.sleep(0)
            let_go()
        await writer.submit(write("comes again"))

        assert writer.commits == 2


async def test_neither_an_urgent_job_nor_the_end_waits_until_callers_have_come_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "TURNS_BETWEEN", 1_000_000_000)
    async with asyncio.timeout(10), a_writer(path) as writer:
        await writer.submit(write("first"))
        caller = asyncio.create_task(writer.submit(write("caller")))
        await writer.submit(write("lane"), urgent=True)

        assert not caller.done()
        assert notes_in(path) == ["first", "lane"]
    assert await caller == "caller"


async def test_the_end_comes_once_however_many_turns_the_loop_has(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        async with a_writer(path) as writer:
            await writer.submit(write(str(number)))

    assert [record.getMessage() for record in caplog.records] == []


async def test_urgent_jobs_go_first_and_each_queue_keeps_its_order(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group, held_up(writer):
        for note in ("call 1", "call 2"):
            group.create_task(writer.submit(write(note)))
        for note in ("lane 1", "lane 2"):
            group.create_task(writer.submit(write(note), urgent=True))
        await asyncio.sleep(0)

    assert notes_in(path) == ["lane 1", "lane 2", "call 1", "call 2"]


async def test_a_flood_of_calls_delays_a_lane_by_one_batch_at_most(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group, held_up(writer):
        for number in range(3 * BATCH):
            group.create_task(writer.submit(write(f"call {number}")))
        group.create_task(writer.submit(write("lane"), urgent=True))
        await asyncio.sleep(0)

    assert notes_in(path)[0] == "lane"


async def test_an_urgent_job_waits_for_one_job_and_not_for_the_batch_it_came_into(
    path: Path,
) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group:
        has_begun, may_end = threading.Event(), threading.Event()

        def slow(connection: sqlite3.Connection) -> str:
            has_begun.set()
            may_end.wait()
            return write("call 1")(connection)

        async with held_up(writer) as let_go:
            group.create_task(writer.submit(slow))
            for note in ("call 2", "call 3"):
                group.create_task(writer.submit(write(note)))
            await asyncio.sleep(0)
            let_go()
        await asyncio.to_thread(has_begun.wait)
        group.create_task(writer.submit(write("lane"), urgent=True))
        await asyncio.sleep(0)
        may_end.set()

    assert notes_in(path) == ["call 1", "lane", "call 2", "call 3"]


@pytest.mark.parametrize(
    "error", [RefusedError("no"), UnavailableError("away"), ValueError("a bug")], ids=repr
)
async def test_a_job_that_raises_leaves_nothing_and_harms_no_other(
    path: Path, error: Exception
) -> None:
    async with a_writer(path) as writer:
        async with held_up(writer) as let_go, asyncio.TaskGroup() as group:
            before = group.create_task(writer.submit(write("before")))
            failing = group.create_task(_error_of(writer, fail("failing", error)))
            behind = group.create_task(writer.submit(write("behind")))
            await asyncio.sleep(0)
            let_go()

        assert failing.result() is error
        assert (before.result(), behind.result()) == ("before", "behind")
    assert notes_in(path) == ["before", "behind"]


async def _error_of(writer: Writer, job: Job[str]) -> Exception | None:
    try:
        await writer.submit(job)
    except Exception as error:  # noqa: BLE001  whatever it is, the test looks at it
        return error
    return None


async def test_a_broken_constraint_is_the_job_s_own(path: Path) -> None:
    async with a_writer(path) as writer:
        await writer.submit(write("one"))

        with pytest.raises(sqlite3.IntegrityError):
            await writer.submit(write("one"))

        assert await writer.submit(write("two")) == "two"


@pytest.mark.parametrize(
    ("is_urgent", "most"), [(False, MOST_WAITING), (True, MOST_URGENT_WAITING)]
)
async def test_a_full_queue_refuses(path: Path, is_urgent: bool, most: int) -> None:  # noqa: FBT001
    async with a_writer(path) as writer, asyncio.TaskGroup() as group, held_up(writer):
        for number in range(most):
            group.create_task(writer.submit(write(str(number)), urgent=is_urgent))
        await asyncio.sleep(0)

        with pytest.raises(UnavailableError, match=f"{most} commands wait already"):
            await writer.submit(write("too many"), urgent=is_urgent)

    assert len(notes_in(path)) == most


async def test_a_caller_that_gave_up_harms_no_other(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group:
        async with held_up(writer):
            impatient = group.create_task(writer.submit(write("impatient")))
            patient = group.create_task(writer.submit(write("patient")))
            await asyncio.sleep(0)
            impatient.cancel()

        assert await patient == "patient"


async def test_a_job_whose_caller_gave_up_before_it_began_does_not_run(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group:
        async with held_up(writer):
            for is_urgent in (True, False):
                gone = group.create_task(writer.submit(write("gone"), urgent=is_urgent))
                await asyncio.sleep(0)
                gone.cancel()
            patient = group.create_task(writer.submit(write("patient")))
            await asyncio.sleep(0)

        assert await patient == "patient"
    assert notes_in(path) == ["patient"]


@pytest.mark.parametrize("is_urgent", [True, False])
async def test_where_room_could_be_made_urgent_jobs_are_tried_once_more(
    path: Path,
    is_urgent: bool,  # noqa: FBT001
) -> None:
    connection = connect(path)
    connection.execute("CREATE TABLE notes (note TEXT PRIMARY KEY)")
    asked: list[bool] = []

    def make_room() -> bool:
        asked.append(True)
        connection.execute("PRAGMA max_page_count = 10000")
        return True

    writer = Writer(connection, path, on_full=make_room)
    await writer.submit(_limit_pages(to=8))

    error = None
    try:
        await writer.submit(write("x" * 100_000), urgent=is_urgent)
    except UnavailableError as refusal:
        error = refusal
    await writer.close()

    assert (error is None) is is_urgent
    assert len(notes_in(path)) == is_urgent
    assert asked == [True]


async def test_where_no_room_could_be_made_urgent_jobs_are_told(path: Path) -> None:
    async with a_writer(path) as writer:
        await writer.submit(_limit_pages(to=8))

        with pytest.raises(UnavailableError, match="the disk is full"):
            await writer.submit(write("x" * 100_000), urgent=True)

        assert await writer.submit(write("small"), urgent=True) == "small"


async def test_a_full_disk_fails_the_batch_and_the_writer_goes_on_afterwards(path: Path) -> None:
    async with a_writer(path) as writer:
        await writer.submit(write("before"))
        await writer.submit(_limit_pages(to=8))

        async with held_up(writer) as let_go, asyncio.TaskGroup() as group:
            small = group.create_task(_error_of(writer, write("small")))
            large = group.create_task(_error_of(writer, write("x" * 100_000)))
            await asyncio.sleep(0)
            let_go()

        for error in (small.result(), large.result()):
            assert isinstance(error, UnavailableError)
            assert "the disk is full; make room" in str(error)
        assert notes_in(path) == ["before"]
        await writer.submit(_limit_pages(to=10_000))
        await writer.submit(write("afterwards"))
    assert notes_in(path) == ["before", "afterwards"]


def _limit_pages(*, to: int) -> Job[str]:
    def job(connection: sqlite3.Connection) -> str:
        return str(connection.execute(f"PRAGMA max_page_count = {to}").fetchone()[0])

    return job


async def test_a_damaged_file_ends_the_writer_and_everybody_is_told(path: Path) -> None:
    async with a_writer(path) as writer:
        for number in range(200):
            await writer.submit(write(f"{number} " + "x" * 500))
    damage(path)
    async with a_writer(path) as writer:
        with pytest.raises(UnavailableError, match="the writer has ended"):
            await writer.submit(read_all)

        with pytest.raises(CorruptError, match="the database is damaged"):
            await writer.run()
        with pytest.raises(UnavailableError, match="the writer has ended"):
            await writer.submit(write("too late"))


def read_all(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT group_concat(note) FROM notes").fetchone()[0])


def damage(path: Path) -> None:
    """Overwrite the rows of the database at `path`, but not its schema."""
    content = bytearray(path.read_bytes())
    content[3 * 4096 : -4096] = b"\xaa" * (len(content) - 4 * 4096)
    path.write_bytes(content)


async def test_closing_finishes_what_waits(path: Path) -> None:
    async with a_writer(path) as writer, asyncio.TaskGroup() as group:
        async with held_up(writer) as let_go:
            waiting = [group.create_task(writer.submit(write(str(n)))) for n in range(100)]
            await asyncio.sleep(0)
            let_go()
            await writer.close()

            assert len(notes_in(path)) == 100
        assert [await task for task in waiting] == [str(n) for n in range(100)]


async def test_after_closing_nothing_is_taken_and_run_returns(path: Path) -> None:
    async with a_writer(path) as writer:
        await writer.close()

        await writer.run()
        with pytest.raises(UnavailableError, match="the writer has ended"):
            await writer.submit(write("too late"))


async def test_how_long_the_oldest_has_waited_is_told(path: Path) -> None:
    async with a_writer(path) as writer:
        assert writer.oldest_waits_seconds() == 0.0

        async with held_up(writer):
            assert writer.oldest_waits_seconds() > 0.0
