"""The folder of a lot's state: the ledger and its tail, for one program at a time."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.journal.tail import FILE_NAME, Tail
from parkgraph.runtime.appended_file import AppendedFile
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.disk import make_folder
from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph.runtime.sqlite import connect, lock, migrate, translated
from parkgraph_edge.settings import EdgeSettings

LEDGER_FILE: Final = "ledger.db"
LOCK_FILE: Final = "lock"


@contextlib.contextmanager
def own(directory: Path) -> Iterator[None]:
    """Make `directory` if need be, and keep every other program out of it.

    Raises:
        RefusedError: another one works on it.
        UnavailableError: it cannot be made.
    """
    make_folder(directory)
    held = lock(directory / LOCK_FILE)
    try:
        yield
    finally:
        os.close(held)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the ledger at `path` for its one writer, made if need be, in its newest form.

    Raises:
        CorruptError: it is damaged.
        UnavailableError: it cannot be opened, or is of a newer program.
    """
    connection = connect(path)
    try:
        with translated(path):
            migrate(connection, [MIGRATIONS, "parkgraph_edge.store.migrations"])
    except RefusedError as error:  # an older program was put back: its exits have to open
        connection.close()
        raise UnavailableError(f"{path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_tail(settings: EdgeSettings, clock: Clock) -> tuple[AppendedFile, Tail]:
    """Return the second copy of the lot's newest rows, and the file that it is in.

    Raises:
        UnavailableError: its folder cannot be made.
    """
    directory = settings.state.tail_directory or settings.state.directory
    make_folder(directory)
    file = AppendedFile(directory / FILE_NAME)
    tail = Tail(
        file,
        settings.lot.id,
        clock=clock,
        has_copy=settings.cloud is not None,
        set_aside=file.set_aside,
    )
    return file, tail
