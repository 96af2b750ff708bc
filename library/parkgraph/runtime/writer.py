"""One thread that writes: it commits what waits in one transaction, urgent jobs first."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import translated

BATCH: Final = 64
MOST_WAITING: Final = 1024
MOST_URGENT_WAITING: Final = 256

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
    """The only one who changes a database: group commit on a thread of its own.

    Each job runs in a savepoint, so a job that raises leaves nothing behind and harms no other.
    Nobody is answered before the commit. A full disk fails the whole batch and the thread goes on;
    any other error of the disk or the file ends it: `run` raises.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Start writing on `connection`, which now belongs to this object, to the file `path`."""
        self._connection = connection
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._urgent: deque[_Waiting] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: list[_Waiting] = []
        self._change = threading.Condition()
        self._is_closing = False
        self.commits = 0
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

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
        waiting = _Waiting(job, self._loop.create_future(), self._loop.time())
        with self._change:
            if self._is_closing or not self._thread.is_alive():
                raise UnavailableError(f"{self._path}: the writer has ended")
            if len(queue) >= most:
                raise UnavailableError(f"{self._path}: {most} commands wait already; try again")
            queue.append(waiting)
            self._change.notify()
        result: T = await waiting.answer
        return result

    def oldest_waits_seconds(self) -> float:
        """Return for how long the oldest unanswered job has waited; 0 when none does."""
        with self._change:
            ages = [w.since for w in (*self._urgent, *self._waiting, *self._in_hand)]
        return self._loop.time() - min(ages) if ages else 0.0

    def close(self) -> None:
        """Finish what waits, then close the database."""
        with self._change:
            self._is_closing = True
            self._change.notify()
        self._thread.join()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            while batch := self._take():
                self._commit(batch)
                self._hand_back(batch)
            self._connection.close()
        except BaseException as caught:  # noqa: BLE001 (what ends the writer ends the program)
            error = caught
            with self._change:
                self._is_closing = True  # whoever comes now is refused and not left waiting
                left = [*self._in_hand, *self._urgent, *self._waiting]
            for waiting in left:
                waiting.error = UnavailableError(f"{self._path}: the writer has ended: {caught}")
            self._hand_back(left)
        self._loop.call_soon_threadsafe(self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    def _take(self) -> list[_Waiting]:
        """Wait for jobs and return up to a batch; an empty list when it is time to close."""
        with self._change:
            self._change.wait_for(lambda: self._urgent or self._waiting or self._is_closing)
            batch: list[_Waiting] = []
            for queue in (self._urgent, self._waiting):
                while queue and len(batch) < BATCH:
                    batch.append(queue.popleft())
            self._in_hand = batch
            return batch

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            with translated(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
                for waiting in batch:
                    self._run_one(waiting)
                self._connection.execute("COMMIT")
                self.commits += 1
        except UnavailableError as error:
            # SQLite may have ended the transaction itself: no job can be told from the others.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for waiting in batch:
                waiting.error = error

    def _run_one(self, waiting: _Waiting) -> None:
        self._connection.execute("SAVEPOINT job")
        try:
            waiting.result = waiting.job(self._connection)
        except Exception as error:  # it is the caller's, who gets it after the commit
            if isinstance(error, sqlite3.Error) and not isinstance(error, _BUGS):
                raise
            self._connection.execute("ROLLBACK TO job")
            waiting.error = error
        self._connection.execute("RELEASE job")

    def _hand_back(self, batch: list[_Waiting]) -> None:
        self._in_hand = []
        self._loop.call_soon_threadsafe(_answer, batch)


def _answer(batch: list[_Waiting]) -> None:
    for waiting in batch:
        if waiting.answer.done():
            continue
        if waiting.error is None:
            waiting.answer.set_result(waiting.result)
        else:
            waiting.answer.set_exception(waiting.error)
