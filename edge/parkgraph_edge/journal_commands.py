"""`journal verify`, `export`, `show` and `replay`: what a ledger holds, and whether it is whole."""

import argparse
import contextlib
import importlib.util
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from parkgraph.front.audit_csv import read, verified
from parkgraph.journal.chain import Head, lot_of
from parkgraph.journal.digests import DIGEST
from parkgraph.runtime.configuration import ConfigurationError
from parkgraph.runtime.errors import CorruptError, RefusedError
from parkgraph_edge import journal_show
from parkgraph_edge.settings import load_settings
from parkgraph_edge.store.audit import AUDIT, UNREADABLE, Tally, look_through
from parkgraph_edge.store.replay import empty_ledger, replay

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (its only name)

SUCCESS: Final = 0
FAULTY: Final = 1
MISUSED: Final = 2
MOST_TOLD: Final = 50

_LEDGER_FILE: Final = "ledger.db"
_MAGIC: Final = b"SQLite format 3\0"
_WHERE: Final = "edge.toml, or the ledger.db itself; the gateway may be running"
_VERIFY: Final = (
    "CONFIG may also be an audit log that was exported from /api/v1 as CSV: then its chains are"
    " verified. Exit status: 0 it is whole, 1 it is not, 2 it cannot be read."
)
_EXPORT: Final = """\
One JSON object a line: stream, epoch, seq, at, actor, subject, type, body, digest, hash. To verify
it elsewhere: `hash` is the SHA-256 (hex) of the JSON array [hash of the row before, stream, epoch,
seq, at, actor, subject, type, body, digest], written as Python's json.dumps does, with ", " between
members and all but ASCII escaped; before the first row of an epoch stand 64 zeros. `digest` is the
SHA-256 of "salt:personal", which only --with-personal gives: plates, VINs and gate codes."""


class _UnusableError(RefusedError):
    """What was given is no ledger that can be read; says what to give instead."""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `journal` and its actions.

    The parsed arguments have `run`: call it with them; it prints and returns the exit status.
    """
    journal = subparsers.add_parser("journal", help="read, verify, export or replay the journal")
    actions = journal.add_subparsers(required=True, metavar="ACTION")
    verify = _add(actions, "verify", "say whether the ledger is whole", _verify)
    verify.epilog = _VERIFY
    verify.set_defaults(run=_verify_what_it_is)
    export = _add(actions, "export", "print every row as a line of JSON", _export)
    export.epilog = _EXPORT
    export.formatter_class = argparse.RawDescriptionHelpFormatter
    export.add_argument("--stream", metavar="NAME", help="of this stream alone")
    export.add_argument("--since", type=int, default=0, metavar="SEQ", help="from this number on")
    export.add_argument("--with-personal", action="store_true", help="plates, VINs and gate codes")
    show = _add(actions, "show", "tell what happened, in sentences and the lot's time", _show)
    journal_show.add_options(show)
    again = _add(actions, "replay", "make facts and amounts anew and compare", _replay)
    again.add_argument("--into", type=Path, metavar="NEW", help="keep what was made in this file")
    again.epilog = "Exit status: 0 the facts are the same, 1 they differ, 2 it cannot be read."
    if importlib.util.find_spec("parkgraph_edge.recovery_command"):
        import_module("parkgraph_edge.recovery_command").register(actions)


def _add(
    actions: "Subparsers",
    name: str,
    about: str,
    act: Callable[[sqlite3.Connection, argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=about, description=f"{about[:1].upper()}{about[1:]}.")
    parser.add_argument("ledger", type=Path, metavar="CONFIG", help=_WHERE)
    parser.set_defaults(run=lambda arguments: _run(act, arguments))
    return parser


def _run(
    act: Callable[[sqlite3.Connection, argparse.Namespace], int], arguments: argparse.Namespace
) -> int:
    """Open the ledger for reading alone, act, and say in one line what is in the way."""
    try:
        follows = getattr(arguments, "follow", False)
        with _opened(arguments.ledger, follows=follows) as connection:
            return act(connection, arguments)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
    except (RefusedError, ValueError) as error:
        print(f"parkgraph-edge: {error}", file=sys.stderr)
    except sqlite3.Error as error:
        print(
            f"parkgraph-edge: {arguments.ledger}: cannot be read on: {error};"
            " see what `journal verify` says",
            file=sys.stderr,
        )
        return FAULTY
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except KeyboardInterrupt:
        return SUCCESS
    return MISUSED


@contextlib.contextmanager
def _opened(place: Path, *, follows: bool) -> Iterator[sqlite3.Connection]:
    """Open the ledger for reading. `follows`: rows that come later are wanted too.

    Where no gateway has it open it is read as it stands, so that no file is left beside it.
    """
    path = _database(place)
    wal = path.with_name(f"{path.name}-wal")
    is_alone = not follows and not wal.exists()
    way = "immutable=1" if is_alone else "mode=ro"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{way}", uri=True, timeout=10.0)
    with contextlib.closing(connection):
        connection.row_factory = sqlite3.Row
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if not {"journal", "sessions", "epochs"} <= tables:
            raise _UnusableError(f"{path}: is no ledger of a lot; give {_WHERE}")
        yield connection
    if is_alone and wal.exists():
        print("parkgraph-edge: a gateway began to write meanwhile; do this again", file=sys.stderr)


def _database(place: Path) -> Path:
    """Return the ledger that `place` is, or that the configuration in it names."""
    try:
        if place.is_dir():
            raise _UnusableError(f"{place}: is a folder; give {_WHERE}")
        with place.open("rb") as file:
            is_database = file.read(len(_MAGIC)) == _MAGIC or place.suffix == ".db"
        if is_database:
            return place
        path: Path = load_settings(place).settings.state.directory / _LEDGER_FILE
        if not path.exists():
            raise _UnusableError(
                f"{path}: there is no ledger yet; the gateway makes it at its first start"
            )
    except PermissionError as error:
        raise _UnusableError(
            f"{error.filename}: may not be read by this user; run this as the gateway's user"
        ) from error
    except OSError as error:
        raise _UnusableError(
            f"{place}: {(error.strerror or str(error)).lower()}; give {_WHERE}"
        ) from error
    return path


def _verify(connection: sqlite3.Connection, _: argparse.Namespace) -> int:
    """Verify chain, digests, indexes and replay; print a line for each, and every fault."""
    connection.execute("BEGIN")
    tally = Tally()
    found = faults_of(connection, tally)
    for stream in sorted({stream for stream, _ in tally.rows}):
        epochs = [epoch for name, epoch in tally.rows if name == stream]
        head = tally.heads[stream, epochs[-1]]
        rows = sum(tally.rows[stream, epoch] for epoch in epochs)
        print(_told_of(stream, len(epochs), rows, head))
    print(f"{'facts':<24} {_many(sum(tally.facts.values()), 'row')}{_without_digests(connection)}")
    counts = connection.execute(AUDIT["counts"]).fetchone()
    attention = f"{counts['conflicts']} conflicts, {counts['set_aside']} rows set aside"
    print(
        f"{'for people':<24} {attention}{'; see journal show --conflicts' if any(counts) else ''}"
    )
    _print_some(found)
    print("ok" if not found else f"{_many(len(found), 'fault')}; keep the file as it is")
    return FAULTY if found else SUCCESS


def _verify_what_it_is(arguments: argparse.Namespace) -> int:
    place: Path = arguments.ledger
    if place.suffix.lower() == ".csv":
        return _verify_export(place)
    return _run(_verify, arguments)


def _verify_export(place: Path) -> int:
    """Verify the chains of an audit log as CSV; print a line for each stream, and every fault."""
    heads: dict[tuple[str, int], Head] = {}
    found: list[str] = []
    try:
        with place.open(encoding="utf-8-sig", newline="") as lines:
            found += verified(read(lines), heads)
    except OSError as error:
        print(f"parkgraph-edge: {place}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return MISUSED
    except CorruptError as error:
        found.append(str(error))
    for stream in sorted({stream for stream, _ in heads}):
        ends = [head for (name, _), head in heads.items() if name == stream]
        rows = sum(head.seq for head in ends)
        print(_told_of(stream, len(ends), rows, ends[-1]))
    _print_some(found)
    print("ok" if not found else f"{_many(len(found), 'fault')}; this is not what was exported")
    return FAULTY if found else SUCCESS


def _told_of(stream: str, epochs: int, rows: int, head: Head) -> str:
    what = f"{_many(epochs, 'epoch')}, {_many(rows, 'row')}"
    return f"{stream:<24} {what:<32} head {head.seq} {head.hash[:12]}"


def faults_of(connection: sqlite3.Connection, tally: Tally) -> list[str]:
    """Return all that is wrong with a ledger; `tally` has then seen all of it.

    That is the chains, the digests of the facts, what SQLite finds in its file (indexes too), and
    facts that do not follow from the journal.
    """
    found = [fault.what for fault in look_through(connection, tally)]
    found += _bookkeeping_faults(connection, tally)
    found += [f"file: {what}" for what in _integrity_faults(connection)]
    with contextlib.closing(empty_ledger(None)) as made:
        found += [f"schema: {what}" for what in _schema_faults(connection, made)]
        found += [f"replay: {what}" for what in _list(replay(connection, made))]
    return found


def _schema_faults(connection: sqlite3.Connection, made: sqlite3.Connection) -> Iterator[str]:
    """Yield what is declared otherwise than this program's own migrations do."""
    query = "SELECT name, sql FROM sqlite_master UNION ALL SELECT name, '' FROM migrations"
    try:
        ours, theirs = (dict(each.execute(query).fetchall()) for each in (made, connection))
    except UNREADABLE as error:
        yield f"cannot be read: {error}"
        return
    is_older = any("/" in name for name in ours.keys() - theirs.keys())
    for name in sorted(ours.keys() | theirs.keys()):
        if not is_older and ours.get(name) != theirs.get(name):
            yield f"{name} is not as it was declared"


def _bookkeeping_faults(connection: sqlite3.Connection, tally: Tally) -> Iterator[str]:
    """Yield what is wrong with where the journal says that it begins, goes on and ends."""
    try:
        epochs = {(row["stream"], row["epoch"]) for row in connection.execute(AUDIT["streams"])}
        cursors = connection.execute(AUDIT["cursors"]).fetchall()
        for stream, epoch in tally.rows.keys() - epochs:
            yield f"journal {stream}: epoch {epoch} is not known"
        for row in cursors:
            own = tally.heads.get((row["stream"], row["epoch"]))
            head = Head.model_validate(dict(row))
            if row["name"] == "head" and own != head:
                yield f"journal {row['stream']}: no epoch ends at its head, row {row['seq']}"
    except (*UNREADABLE, ValueError) as error:
        yield f"journal: epochs and cursors cannot be read: {error}"


def _integrity_faults(connection: sqlite3.Connection) -> list[str]:
    try:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
        told = [line for row in rows for line in row[0].splitlines()]
    except UNREADABLE as error:
        return [str(error)]
    return [line for line in told if line != "ok"]


def _export(connection: sqlite3.Connection, arguments: argparse.Namespace) -> int:
    connection.execute("BEGIN")
    streams = connection.execute(AUDIT["streams"]).fetchall()
    names = list(dict.fromkeys(row["stream"] for row in streams))
    if arguments.stream and arguments.stream not in names:
        raise _UnusableError(f"--stream {arguments.stream}: is none; here are {', '.join(names)}")
    left_out = () if arguments.with_personal else ("personal", "salt")
    for row in sorted(streams, key=lambda row: names.index(row["stream"])):
        if arguments.stream in {None, row["stream"]}:
            place = {"stream": row["stream"], "epoch": row["epoch"], "since": arguments.since}
            for columns in connection.execute(AUDIT["exported"], place):
                told = {
                    name: value for name, value in dict(columns).items() if name not in left_out
                }
                print(json.dumps(told, ensure_ascii=True))
    sys.stdout.flush()
    return SUCCESS


def _show(connection: sqlite3.Connection, arguments: argparse.Namespace) -> int:
    journal_show.show(connection, arguments, lambda line: print(line, flush=arguments.follow))
    sys.stdout.flush()
    return SUCCESS


def _replay(connection: sqlite3.Connection, arguments: argparse.Namespace) -> int:
    """Make facts and amounts anew and print how they differ, and who paid less than his time."""
    if arguments.into and arguments.into.exists():
        raise _UnusableError(f"{arguments.into}: is there already; name a new file")
    connection.execute("BEGIN")
    with contextlib.closing(empty_ledger(arguments.into)) as made:
        lower: list[str] = []
        found = _list(replay(connection, made, lower))
        count = sum(
            row["stream"] == lot_of(row["stream"])
            for row in connection.execute("SELECT stream FROM journal")
        )
    _print_some(found)
    _print_some(lower, mark="=")
    verdict = _many(len(found), "difference") if found else "the same facts"
    print(f"{_many(count, 'row')} replayed: {verdict}")
    return FAULTY if found else SUCCESS


def _list(differences: Iterator[str]) -> list[str]:
    """Return all of `differences`; what ends them early is the last."""
    found: list[str] = []
    try:
        found.extend(differences)
    except UNREADABLE as error:
        found.append(f"the ledger cannot be read on: {error}")
    return found


def _print_some(found: list[str], *, mark: str = "!") -> None:
    for what in found[:MOST_TOLD]:
        print(f"{mark} {what}")
    if len(found) > MOST_TOLD:
        print(f"{mark} and {len(found) - MOST_TOLD} more")


def _without_digests(connection: sqlite3.Connection) -> str:
    columns: list[Any] = connection.execute("PRAGMA table_info(sessions)").fetchall()
    has_them = any(row["name"] == DIGEST for row in columns)
    return "" if has_them else ", without digests: an older program wrote them"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
