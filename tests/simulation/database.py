"""SQLite on a simulated disk, behaving like the standard library's as far as the product goes."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import apsw
import apsw.ext

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import PRAGMAS, add_functions
from tests.simulation.mounts import Mount

_STATEMENTS_KEPT: Final = 300
_CHANGES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")
# A query on a reader's connection takes so long.
_READ_SECONDS: Final = (0.0002, 0.002)

Parameters = Sequence[Any] | Mapping[str, Any]

# What the standard library raises for a primary result code; the rest is a DatabaseError.
_ERRORS: Final[Mapping[int, type[sqlite3.Error]]] = {
    **dict.fromkeys(
        (
            sqlite3.SQLITE_ERROR,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_ABORT,
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_INTERRUPT,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_PROTOCOL,
            sqlite3.SQLITE_EMPTY,
            sqlite3.SQLITE_SCHEMA,
        ),
        sqlite3.OperationalError,
    ),
    sqlite3.SQLITE_TOOBIG: sqlite3.DataError,
    sqlite3.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    sqlite3.SQLITE_MISMATCH: sqlite3.IntegrityError,
    sqlite3.SQLITE_MISUSE: sqlite3.InterfaceError,
    sqlite3.SQLITE_RANGE: sqlite3.InterfaceError,
    sqlite3.SQLITE_INTERNAL: sqlite3.InternalError,
    sqlite3.SQLITE_NOTFOUND: sqlite3.InternalError,
}
# Names of the codes, for `sqlite_errorname`.
_NAMES: Final = {code: name for name, code in vars(sqlite3).items() if name.startswith("SQLITE_")}
# Only real cursors make real rows, and only of the columns that they have.
_TEMPLATES: Final = sqlite3.connect(":memory:", check_same_thread=False)


class _Statement:
    """What is known of one SQL text: whether it changes rows, and its columns."""

    __slots__ = ("changes", "template")

    def __init__(self, sql: str) -> None:
        self.changes = _without_comments(sql)[:7].upper().startswith(_CHANGES)
        self.template: sqlite3.Cursor | None = None


class Cursor:
    """What a statement gave. It has run to the end, so nothing stays open behind it."""

    __slots__ = ("_connection", "_next", "_rows", "_statement", "lastrowid", "rowcount")

    def __init__(
        self, connection: "Connection", statement: _Statement | None, rows: list[Any]
    ) -> None:
        self._connection = connection
        self._statement = statement
        self._rows = rows
        self._next = 0
        self.rowcount = -1
        self.lastrowid: int | None = None

    @property
    def description(self) -> Any:
        """The columns, as the standard library has them; None where no row came."""
        template = self._statement.template if self._statement else None
        return template.description if template else None

    def fetchone(self) -> Any:
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._made(self._rows[self._next - 1])

    def fetchmany(self, size: int = 1) -> list[Any]:
        rows = self._rows[self._next : self._next + size]
        self._next += len(rows)
        return [self._made(row) for row in rows]

    def fetchall(self) -> list[Any]:
        return self.fetchmany(len(self._rows))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def close(self) -> None:
        self._rows = []

    def _made(self, row: Any) -> Any:
        factory = self._connection.row_factory
        if factory is None or self._statement is None:
            return row
        # A factory is handed a cursor for its columns alone.
        return factory(self._statement.template, row)


class Connection:
    """Stands for a `sqlite3.Connection` with `isolation_level=None`."""

    def __init__(self, mount: Mount, path: str) -> None:
        """Open `path` on the disk of `mount`, which nobody else has open."""
        self.row_factory: Any = None
        self.isolation_level = None
        self._apsw: apsw.Connection = _run(
            lambda: apsw.Connection(path, vfs=mount.vfs_name, statementcachesize=_STATEMENTS_KEPT)
        )
        self._known: dict[str, _Statement] = {}
        # Without it SQLite would ask for memory that processes share.
        self.execute("PRAGMA locking_mode = exclusive")

    def execute(self, sql: str, parameters: Parameters = ()) -> Cursor:
        """Run one statement to its end.

        Raises:
            sqlite3.Error: with `sqlite_errorcode`, as the standard library does.
        """
        statement = self._known.get(sql)
        if statement is None:
            statement = self._known[sql] = _Statement(sql)
        try:
            cursor = self._apsw.execute(sql, parameters or None)
            if statement.template is None and (names := _columns(cursor)):
                statement.template = _template(names)
            rows = cursor.fetchall()
        except (apsw.Error, KeyError, TypeError) as error:
            raise _translated(error) from error
        result = Cursor(self, statement, rows)
        if statement.changes:
            result.rowcount = self._apsw.changes()
            result.lastrowid = self._apsw.last_insert_rowid()
        return result

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Cursor:
        """Run one statement for each of `parameters`."""
        before = self._apsw.total_changes()
        try:
            self._apsw.executemany(sql, parameters).fetchall()
        except (apsw.Error, KeyError, TypeError) as error:
            raise _translated(error) from error
        result = Cursor(self, None, [])
        result.rowcount = self._apsw.total_changes() - before
        return result

    def executescript(self, script: str) -> Cursor:
        """Run all statements of `script`; commit first what is open."""
        self._known.clear()  # what `*` stands for may change
        if self.in_transaction:
            self.execute("COMMIT")
        _run(lambda: self._apsw.execute(script).fetchall())
        return Cursor(self, None, [])

    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        _run(
            lambda: self._apsw.create_scalar_function(name, func, narg, deterministic=deterministic)
        )

    @property
    def in_transaction(self) -> bool:
        return self._apsw.in_transaction

    @property
    def total_changes(self) -> int:
        return self._apsw.total_changes()

    def close(self) -> None:
        # The last checkpoint may fail; the standard library does not tell either.
        with contextlib.suppress(sqlite3.OperationalError):
            _run(self._apsw.close)


class DirectReader:
    """Stands for `parkgraph.runtime.sqlite.Reader`, on the writer's own connection.

    All is one thread and the writer's batches run in one go, so it sees only what is committed.
    """

    def __init__(self, connection: sqlite3.Connection, random: Random) -> None:
        """Read through `connection`, with delays drawn from `random`."""
        self._connection = connection
        self._random = random

    async def all(self, query: str, parameters: Mapping[str, Any]) -> list[sqlite3.Row]:
        """Return every row of `query`."""
        await asyncio.sleep(self._random.uniform(*_READ_SECONDS))
        return self._connection.execute(query, parameters).fetchall()

    async def one(self, query: str, parameters: Mapping[str, Any]) -> sqlite3.Row | None:
        """Return the first row of `query`, or None."""
        rows = await self.all(query, parameters)
        return rows[0] if rows else None


def _make_durable(mount: Mount, log: str) -> None:
    """Stand for the product's own: its log is rewritten, as a failed sync may have left it out."""
    file = mount.disk.files.get(log)
    if file is None or not mount.is_attached:
        return
    try:
        mount.disk.write(file, bytes(file.memory), 0)
        mount.disk.sync(file)
    except OSError as error:
        raise UnavailableError(f"{log}: {error}") from error


def open_database(
    mount: Mount, path: Path | str, *, synchronous: int | None = None
) -> sqlite3.Connection:
    """Open `path` as `parkgraph.runtime.sqlite.connect` does, and read the pragmas back.

    What is returned is no `sqlite3.Connection` but behaves like one; a call that it does not know
    is an AttributeError.
    """
    _make_durable(mount, f"{path}-wal")
    connection = Connection(mount, str(path))
    connection.row_factory = sqlite3.Row
    pragmas = dict(PRAGMAS)
    if synchronous is not None:
        pragmas["synchronous"] = synchronous
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}")
        held = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if held != value:
            raise sqlite3.DatabaseError(f"{path}: pragma {name} is {held}, not {value}")
    opened = cast("sqlite3.Connection", connection)
    add_functions(opened)
    return opened


def _run(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except apsw.Error as error:
        raise _translated(error) from error


def _translated(error: Exception) -> sqlite3.Error:
    code = getattr(error, "extendedresult", None)
    if code is not None:
        ours = _ERRORS.get(code & 0xFF, sqlite3.DatabaseError)(str(error))
        ours.sqlite_errorcode = code
        ours.sqlite_errorname = _NAMES.get(code, "SQLITE_UNKNOWN")
        return ours
    return sqlite3.ProgrammingError(f"{type(error).__name__}: {error}")


def _columns(cursor: apsw.Cursor) -> tuple[str, ...]:
    try:
        return tuple(column[0] for column in cursor.get_description())
    except apsw.ExecutionCompleteError:
        return ()


def _template(names: Sequence[str]) -> sqlite3.Cursor:
    quoted = (name.replace('"', '""') for name in names)
    return _TEMPLATES.execute("SELECT " + ", ".join(f'NULL AS "{name}"' for name in quoted))


def _without_comments(sql: str) -> str:
    while True:
        sql = sql.lstrip()
        if sql.startswith("--"):
            sql = sql.partition("\n")[2]
        elif sql.startswith("/*"):
            sql = sql.partition("*/")[2]
        else:
            return sql
