"""One who writes: he commits what waits in one transaction, urgent jobs first."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.sqlite import DiskFullError, translated

BATCH: Final = 64
MOST_WAITING: Final = 1024
MOST_URGENT_WAITING: Final = 256
# Between two batches the loop has so many turns: those who were answered come again meanwhile, and
# one commit is for all. At work together, loop and thread take the interpreter from each other at
# every statement, which costs more than the wait.
TURNS_BETWEEN: Final = 10

# Errors of SQLite that are the job's own; any other is the disk's or the file's.
_BUGS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError)

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]


@dataclass(slots=True)
class _Waiting:
    job: Job[Any]
    answer: asyncio.Future[Any]
    since: float
    result: Any = None
    error: BaseException | None = None


class Writer:
    """The only one who changes a database: group commit, on a thread of its own.

    Each job runs in a savepoint, so a job that raises leaves nothing behind and harms no other.
    Nobody is answered before the commit, and before what is to happen after each commit. A full
    disk fails the whole batch and the writer goes on; any other error of the disk or the file, and
    a job that finds what cannot be (`CorruptError`), ends it: `run` raises. A job whose caller went
    away before it began does not run.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        after_commit: Job[None] | None = None,
        on_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """Write on `connection`, which now belongs to this object, to the file `path`.

        `after_commit` runs after each commit, before anybody is answered. `on_full` is asked to
        make room when the disk is full; where it could, urgent jobs are tried once more. Both run
        on the writer's thread.
        """
        self._connection = connection
        self._path = path
        self._after_commit = after_commit
        self._on_full = on_full
        self._loop = asyncio.get_running_loop()
        self._thread: Executor = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._urgent: deque[_Waiting] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: list[_Waiting] = []
        self._turns_left = 0
        self._is_closing = False
        self.commits = 0

    async def run(self) -> None:
        """Wait until the writer can go on no longer.

        Raises:
            CorruptError: the file is damaged.
            sqlite3.Error: reading or writing failed; no sync is tried twice.
        """
        await asyncio.shield(self._ended)

    async def submit(self, job: Job[T], *, urgent: bool = False) -> T:
        """Run `job` inside the next transaction; return what it returned, once committed.

        Raises:
            UnavailableError: too many jobs wait, the disk is full, or the writer has ended.
        """
        queue, most = (
            (self._urgent, MOST_URGENT_WAITING) if urgent else (self._waiting, MOST_WAITING)
        )
        if self._is_closing or self._ended.done():
            raise UnavailableError(f"{self._path}: the writer has ended")
        if len(queue) >= most:
            raise UnavailableError(f"{self._path}: {most} commands wait already; try again")
        waiting = _Waiting(job, self._loop.create_future(), self._loop.time())
        queue.append(waiting)
        self._go_on()
        result: T = await waiting.answer
        return result

    def oldest_waits_seconds(self) -> float:
        """Return for how long the oldest unanswered job has waited; 0 when none does."""
        ages = [w.since for w in (*self._urgent, *self._waiting, *self._in_hand)]
        return self._loop.time() - min(ages) if ages else 0.0

    async def close(self) -> None:
        """Finish what waits, then close the database."""
        self._is_closing = True
        self._go_on()
        await asyncio.wait([self._ended])

    def _go_on(self) -> None:
        """Hand the next batch to the thread, unless it has one, or rests and nothing is urgent."""
        is_resting = self._turns_left and not (self._urgent or self._is_closing)
        if self._in_hand or self._ended.done() or is_resting:
            return
        urgent = _next_batch(self._urgent)
        batch = urgent or _next_batch(self._waiting)
        self._in_hand = batch
        if batch:
            work = self._loop.run_in_executor(self._thread, self._commit, batch, bool(urgent))
            work.add_done_callback(self._hand_back)
        elif self._is_closing:
            closed = self._loop.run_in_executor(self._thread, self._connection.close)
            closed.add_done_callback(lambda _: self._end(None))

    def _hand_back(self, work: asyncio.Future[int]) -> None:
        batch, self._in_hand = self._in_hand, []
        if work.exception() is None and (left := batch[work.result() :]):
            self._waiting.extendleft(reversed(left))
            batch = batch[: work.result()]
        if (error := work.exception()) is not None:
            self._end(error)
            batch += [*self._urgent, *self._waiting]
            for waiting in batch:
                waiting.error = UnavailableError(f"{self._path}: the writer has ended: {error}")
        else:
            if not self._turns_left:
                self._loop.call_soon(self._turn)
            self._turns_left = TURNS_BETWEEN
            self._go_on()
        for waiting in batch:
            _answer(waiting)

    def _turn(self) -> None:
        """Count a turn of the loop, and go on after the last."""
        self._turns_left -= 1
        if self._turns_left:
            self._loop.call_soon(self._turn)
        elif not self._is_closing:  # for then it has gone on already
            self._go_on()

    def _end(self, error: BaseException | None) -> None:
        self._thread.shutdown(wait=False)
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
            self._ended.exception()  # whoever closes does not ask for it

    def _commit(self, batch: list[_Waiting], is_urgent: bool) -> int:  # noqa: FBT001
        """Run and commit `batch`, on the thread; less of it when something urgent comes meanwhile.

        Returns how many of it ran.
        """
        ran, error = self._transact(batch, is_urgent=is_urgent)
        if isinstance(error, DiskFullError) and self._on_full() and is_urgent:
            ran, error = self._transact(batch, is_urgent=True)
        if error is not None:
            for waiting in batch:
                waiting.error = error
        elif self._after_commit:
            self._after_commit(self._connection)
        return ran

    def _transact(
        self, batch: list[_Waiting], *, is_urgent: bool
    ) -> tuple[int, UnavailableError | None]:
        """Return how many jobs are settled, and the error of them all if nothing was committed."""
        ran = 0
        try:
            with translated(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
                for waiting in batch:
                    self._run_one(waiting)
                    ran += 1
                    if self._urgent and not is_urgent:
                        break
                self._connection.execute("COMMIT")
                self.commits += 1
        except UnavailableError as error:
            # SQLite may have ended the transaction itself: no job can be told from the others.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return len(batch), error
        return ran, None

    def _run_one(self, waiting: _Waiting) -> None:
        self._connection.execute("SAVEPOINT job")
        waiting.error = None
        try:
            waiting.result = waiting.job(self._connection)
        except Exception as error:  # it is the caller's, who gets it after the commit
            is_of_sqlite = isinstance(error, sqlite3.Error) and not isinstance(error, _BUGS)
            if is_of_sqlite or isinstance(error, CorruptError | UnicodeDecodeError):
                raise
            self._connection.execute("ROLLBACK TO job")
            waiting.error = error
        self._connection.execute("RELEASE job")


def _next_batch(queue: deque[_Waiting]) -> list[_Waiting]:
    batch: list[_Waiting] = []
    while queue and len(batch) < BATCH:
        waiting = queue.popleft()
        if not waiting.answer.cancelled():
            batch.append(waiting)
    return batch


def _answer(waiting: _Waiting) -> None:
    if waiting.answer.done():
        return
    if waiting.error is None:
        waiting.answer.set_result(waiting.result)
    else:
        waiting.answer.set_exception(waiting.error)
