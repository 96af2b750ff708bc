"""SQLite: opened with the pragmas that durability needs, migrated forward, read apart."""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import aiosqlite

from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError

# synchronous=FULL: NORMAL loses acknowledged commits when the power goes.
PRAGMAS: Final[Mapping[str, str | int]] = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "temp_store": 2,  # what a savepoint needs to go back to stays in memory
}
# What Python's module raises without a code where a value is none, or a function of ours refuses.
_PIECE: Final = 1024 * 1024
_DAMAGE: Final = ("Could not decode to UTF-8", "user-defined function raised exception")


class DiskFullError(UnavailableError):
    """There is no room for what was to be written."""


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file, what is wrong and what to do.

    Raises:
        DiskFullError: the disk is full.
        UnavailableError: the file is held by another or cannot be reached.
        CorruptError: the file is no database, or a damaged one.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # the name of a column, in a damaged schema
        raise CorruptError(f"{path}: the database is damaged ({error})") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise DiskFullError(f"{path}: the disk is full; make room on it") from error
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise UnavailableError(f"{path}: another program holds it; end that") from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or str(error).startswith(
            _DAMAGE
        ):
            raise CorruptError(
                f"{path}: the database is damaged ({error}); keep the file for examination, "
                "restore a backup or move it away"
            ) from error
        if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise UnavailableError(
                f"{path}: cannot be written ({error}); check folder, owner and mount"
            ) from error
        raise


def lock(path: Path) -> int:
    """Take the lock that keeps a second program out; hold the returned descriptor open.

    Raises:
        RefusedError: another process has it.
        UnavailableError: the lock file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}; check folder, owner, disk") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RefusedError(f"{path}: another process works on this folder; stop it first") from None
    return descriptor


def row_digest(*values: Any) -> str:
    """Return the digest of a row's values, in the order of its columns."""
    return hashlib.blake2b(ascii(values).encode(), digest_size=8).hexdigest()


def check_digest(digest: Any, *values: Any) -> None:
    """Raise `CorruptError` where `digest` is not the one of `values`."""
    if digest != row_digest(*values):
        raise CorruptError("a row does not fit its digest")


def add_functions(connection: sqlite3.Connection) -> None:
    """Let SQL call `row_digest` and `check_digest`, as triggers of a schema may."""
    connection.create_function("row_digest", -1, row_digest, deterministic=True)
    connection.create_function("check_digest", -1, check_digest)


def connect(path: Path) -> sqlite3.Connection:
    """Open `path` for its one writer, in autocommit mode, and read the pragmas back.

    The connection may be handed to one other thread.
    """
    _make_durable(path.with_name(f"{path.name}-wal"))
    with translated(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        for name, value in PRAGMAS.items():
            connection.execute(f"PRAGMA {name} = {value}")
            held = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if held != value:
                raise CorruptError(f"{path}: pragma {name} is {held}, not {value}")
        add_functions(connection)
    return connection


def _make_durable(log: Path) -> None:
    """Write the write-ahead log over itself, and sync it.

    After a sync that failed the system shows what it could not write as if it were on disk, and
    forgets that it is not: commits that a new program finds there would be gone with the power.
    What a checkpoint could not sync is in the log still. Source: fsync(2), Linux since 4.13.
    """
    try:
        with log.open("r+b", buffering=0) as file:
            while piece := file.read(_PIECE):
                file.seek(-len(piece), os.SEEK_CUR)
                file.write(piece)
            os.fsync(file.fileno())
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UnavailableError(f"{log}: {error.strerror}; check disk, folder, owner") from error


def migrate(connection: sqlite3.Connection, packages: Sequence[str]) -> None:
    """Bring the schema forward by the `.sql` files of `packages`, in order; one transaction each.

    Raises:
        RefusedError: a newer program has migrated this database.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    done = {row["name"] for row in connection.execute("SELECT name FROM migrations")}
    known = {
        f"{package}/{script.name}": script.read_text(encoding="utf-8")
        for package in packages
        for script in sorted(files(package).iterdir(), key=lambda script: script.name)
        if script.name.endswith(".sql")
    }
    if unknown := sorted(done - known.keys()):
        raise RefusedError(f"the database is newer than this program: it has {unknown[-1]}")
    for name, text in known.items():
        if name not in done:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{text}\n;INSERT INTO migrations VALUES ('{name}');\nCOMMIT;"  # noqa: S608 (a file's name)
            )


class Reader:
    """A reader beside the writer: sees what is committed and can change nothing."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def all(self, query: str, parameters: Mapping[str, Any]) -> list[sqlite3.Row]:
        """Return every row of `query`, which sets its own limit."""
        return list(await self._connection.execute_fetchall(query, parameters))

    async def one(self, query: str, parameters: Mapping[str, Any]) -> sqlite3.Row | None:
        """Return the first row of `query`, or None."""
        rows = await self.all(query, parameters)
        return rows[0] if rows else None


@contextlib.asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[Reader]:
    """Open `path` for reading only."""
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        connection.row_factory = sqlite3.Row
        await connection.execute("PRAGMA query_only = 1")
        yield Reader(connection)
