"""`journal recover`: for a ledger that was put back, is damaged, or is gone with its machine."""

import argparse
import contextlib
import os
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parkgraph.journal.epochs import begin_epoch, begin_recovery, finish_recovery
from parkgraph.journal.ledger import Moment, read_head
from parkgraph.journal.tail import Tail
from parkgraph.model.loans import given_up_after
from parkgraph.runtime.appended_file import AppendedFile, free_name
from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_edge.settings import EdgeSettings, load_settings
from parkgraph_edge.store import folder
from parkgraph_edge.store.audit import Tally, look_through

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (its only name)

SUCCESS: Final = 0
BROKEN: Final = 1
MISUSED: Final = 2

_ABOUT: Final = """\
For a ledger that was put back from a backup, is damaged, or is new on a machine that was replaced.
Stop the gateway first. Nothing is deleted: what cannot be used is moved aside."""
_ALONE: Final = "go on with what is here, for a lot without [cloud]; what is missing stays missing"


def register(actions: "Subparsers") -> None:
    """Add `recover` to the actions of `journal`.

    The parsed arguments have `run`: call it with them; it prints and returns the exit status.
    """
    parser = actions.add_parser("recover", help="put a lost ledger right", description=_ABOUT)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="edge.toml")
    parser.add_argument("--alone", action="store_true", help=_ALONE)
    parser.epilog = "Exit status: 0 done, 1 the disk is broken, 2 you can mend it."
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        settings = load_settings(arguments.config).settings
        for line in recover(settings, SystemClock(), is_alone=arguments.alone):
            sys.stdout.write(f"{line}\n")
    except (RefusedError, UnavailableError, CorruptError, sqlite3.Error, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED if isinstance(error, RefusedError) else BROKEN
    return SUCCESS


def recover(settings: EdgeSettings, clock: Clock, *, is_alone: bool) -> list[str]:
    """Make the ledger one that the gateway can start with; return what was done and what comes.

    Raises:
        RefusedError: the gateway runs, or it has to be said whether the lot is alone.
        UnavailableError: the disk does not let us.
    """
    if is_alone and settings.cloud:
        raise RefusedError(
            "this lot has a [cloud] that returns what was lost; leave --alone out. If that cloud is"
            " gone for good, take [cloud] out of the file first"
        )
    if not is_alone and not settings.cloud:
        raise RefusedError(
            "this lot has no [cloud], so nobody can return what was lost; put the newest backup of"
            " ledger.db back, then say --alone to go on with what is there"
        )
    with folder.own(settings.state.directory):
        told: list[str] = []
        connection = _usable_database(settings.state.directory / folder.LEDGER_FILE, told)
        with contextlib.closing(connection):
            file, tail = folder.open_tail(settings, clock)
            _take_tail(connection, settings, file, tail, told)
            moment = Moment(clock.now(), os.urandom)
            told += _decide(connection, settings, moment, is_alone=is_alone)
            if is_alone:
                tail.reconcile(connection)
            file.close()
        return told


def _usable_database(path: Path, told: list[str]) -> sqlite3.Connection:
    """Open the ledger at `path`; where it is damaged, move it aside and make a new one."""
    existed = path.exists()
    try:
        connection = folder.open_database(path)
        fault = _first_fault(connection)
        if fault is None:
            told.append("The ledger is whole." if existed else "There was no ledger; made one.")
            return connection
        connection.close()
    except CorruptError as error:
        fault = str(error)
    aside = free_name(path, "damaged")
    for end in ("", "-wal", "-shm"):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    told.append(f"The ledger is damaged ({fault}).")
    told.append(f"It was moved to {aside}, and a new one was made.")
    return folder.open_database(path)


def _first_fault(connection: sqlite3.Connection) -> str | None:
    try:
        check = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        faults = look_through(connection, Tally())
    except sqlite3.Error as error:
        return str(error)
    if check != "ok":
        return check.splitlines()[-1]
    return faults[0].what if faults else None


def _take_tail(
    connection: sqlite3.Connection,
    settings: EdgeSettings,
    file: AppendedFile,
    tail: Tail,
    told: list[str],
) -> None:
    """Take back what the second copy has; move it aside where it says something else."""
    try:
        count = tail.reconcile(connection)
    except (CorruptError, UnavailableError) as error:
        is_gap = isinstance(error, UnavailableError)
        if is_gap and settings.cloud:
            raise
        where = file.set_aside(file.read())
        file.replace(b"")
        told.append(f"{error}")
        told.append(f"The second copy of the newest records was moved to {where}.")
        return
    if count:
        told.append(f"{count} records that the ledger had lost were taken from the second copy.")


def _decide(
    connection: sqlite3.Connection, settings: EdgeSettings, moment: Moment, *, is_alone: bool
) -> list[str]:
    lot = settings.lot.id
    head = read_head(connection, lot, "head")
    count = head.seq if head else 0
    connection.execute("BEGIN IMMEDIATE")
    if is_alone:
        begin_epoch(connection, lot, moment, why="lost")
        finish_recovery(connection, lot)
        connection.execute("COMMIT")
        return [
            f"{lot} goes on after record {count}, under a new epoch: start the gateway.",
            "Whoever is in the lot and not in this ledger is let out by the exit after a while,",
            "and is not charged.",
        ]
    begin_recovery(connection, lot)
    connection.execute("COMMIT")
    lent = settings.allotments
    longest = given_up_after(timedelta(hours=lent.hours if lent else 0))
    return [
        f"{lot} has {count} records and waits for what the cloud has beyond: start the gateway.",
        "Until the cloud has returned it, entries refuse, nothing is booked and every exit opens.",
        f"If the cloud cannot be reached within {longest}, the lot goes on with what it has.",
    ]
