"""What a cloud does first whose database was put back from a backup."""

import contextlib
import os
import sqlite3
from typing import Final

from parkgraph.journal.epochs import begin_recovery
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import connect, lock, migrate, translated
from parkgraph_cloud.settings import CloudSettings

DATABASE_FILE: Final = "cloud.db"
_SQL: Final = load_queries("parkgraph_cloud", "recovery.sql")


def recover(settings: CloudSettings) -> int:
    """Let nothing be sold for any lot until it has returned what the cloud decided for it.

    Returns the number of lots. To be run before the cloud is started on a restored database: what
    it sold since the backup it does not know, and would sell again.

    Raises:
        RefusedError: the cloud runs, or there is no database.
        UnavailableError: the folder cannot be written.
        CorruptError: the database is damaged.
    """
    directory = settings.state.directory
    path = directory / DATABASE_FILE
    if not path.exists():
        raise RefusedError(f"{path}: there is no database; put the newest backup there first")
    held = lock(directory / "lock")
    try:
        with contextlib.closing(connect(path)) as connection, translated(path):
            migrate(connection, [MIGRATIONS, "parkgraph_cloud.migrations"])
            return _mark(connection)
    finally:
        os.close(held)


def _mark(connection: sqlite3.Connection) -> int:
    connection.execute("BEGIN IMMEDIATE")
    streams = [row["stream"] for row in connection.execute(_SQL["own_streams"])]
    for stream in streams:
        begin_recovery(connection, stream)
    connection.execute("COMMIT")
    return len(streams)
