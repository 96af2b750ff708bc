"""`journal show`: the journal as sentences, for people."""

import argparse
import json
import re
import sqlite3
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from parkgraph.model.plates import PlateError, parse_plate
from parkgraph.model.records import parse_record
from parkgraph.model.sentences import Stay, sentence, wants_attention
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.zones import find_zone
from parkgraph_edge.store.audit import AUDIT

WIDTH: Final = 100
SLICE: Final = 500
FOLLOW_EVERY_SECONDS: Final = 0.5
# number, time, mark, actor
_INDENT: Final = 7 + 1 + 8 + 1 + 1 + 1 + 16 + 1
_AGES: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Line:
    """One row for people; `at` is the lot's time."""

    row: sqlite3.Row
    at: datetime
    lanes: frozenset[str]
    sessions: frozenset[str]
    sentence: str
    wants_attention: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    which = parser.add_argument_group("which rows")
    which.add_argument("--session", metavar="ID", help="about this stay")
    which.add_argument("--lane", metavar="LANE", help="about this lane")
    which.add_argument("--plate", metavar="PLATE", help="about the vehicle with this plate")
    which.add_argument("--type", metavar="TYPE", help="records of this type, such as crossed")
    which.add_argument(
        "--since",
        metavar="WHEN",
        help="from then on: 90m, 12h, 3d ago, or lot time such as 2026-06-01 or 2026-06-01T12:30",
    )
    which.add_argument(
        "--last", type=_count, metavar="N", help="the last N (default 40, or all with --since)"
    )
    parser.add_argument("--follow", action="store_true", help="go on as rows come, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--conflicts", action="store_true", help="what a person has to look at, instead of rows"
    )


def show(connection: sqlite3.Connection, options: argparse.Namespace, out: Print) -> None:
    """Print the rows that `options` ask for, oldest first.

    Raises:
        ValueError: an option has a value that is none.
    """
    zone = _zone(connection)
    wanted = _wanted(options)
    since = _since(options.since, zone) if options.since else None
    if options.conflicts:
        _show_conflicts(connection, zone, out, as_json=options.json)
        return
    most = options.last or (None if since else 40)
    printer = _Printer(out, as_json=options.json)
    newest = connection.execute("SELECT COALESCE(MAX(rowid), 0) FROM journal").fetchone()[0]
    lines = _backwards(connection, zone, newest, since)
    found = []
    for line in lines:
        if wanted(line):
            found.append(line)
            if len(found) == most:
                break
    for line in reversed(found):
        printer.print(line)
    if options.follow:
        _follow(
            connection, zone, newest, lambda line: printer.print(line) if wanted(line) else None
        )
    elif not options.json:
        _tell_rest(connection, len(found), out)


def _follow(
    connection: sqlite3.Connection, zone: ZoneInfo, after: int, tell: Callable[[Line], None]
) -> None:
    while True:
        parameters = {"after": after, "limit": SLICE}
        for row in connection.execute(AUDIT["told_after"], parameters).fetchall():
            tell(_line(row, zone))
            after = max(after, row["place"])
        time.sleep(FOLLOW_EVERY_SECONDS)


def _backwards(
    connection: sqlite3.Connection, zone: ZoneInfo, newest: int, since: datetime | None
) -> Iterator[Line]:
    """Yield lines from the newest back, until a whole slice is from before `since`."""
    before = newest + 1
    while True:
        parameters = {"before": before, "limit": SLICE}
        rows = connection.execute(AUDIT["told_before"], parameters).fetchall()
        lines = [_line(row, zone) for row in rows]
        recent = [line for line in lines if since is None or line.at >= since]
        yield from recent
        if not recent or rows[-1]["place"] >= before:  # the latter only where it is damaged
            return
        before = rows[-1]["place"]


def _line(row: sqlite3.Row, zone: ZoneInfo) -> Line:
    at = datetime.fromisoformat(row["at"]).astimezone(zone)
    try:
        record = parse_record(row["body"], row["personal"])
    except ValidationError:
        what = f"a record of the type {row['type']}, which is not known here"
        return Line(row, at, frozenset(), frozenset({row["subject"]}), what, True)
    stay = Stay(row["plate"], row["vin"], row["space"], row["currency"])
    told = record.model_dump(include={"lane", "entry_lane", "session", "kept", "twin"})
    return Line(
        row,
        at,
        frozenset(told[name] for name in ("lane", "entry_lane") if told.get(name)),
        frozenset(told[name] for name in ("session", "kept", "twin") if told.get(name)),
        sentence(record, stay, zone),
        wants_attention(record),
    )


def _wanted(options: argparse.Namespace) -> Callable[[Line], bool]:
    letters = parse_plate(options.plate).letters if options.plate else None

    def wanted(line: Line) -> bool:
        return (
            (options.session is None or options.session in line.sessions)
            and (options.lane is None or options.lane in line.lanes)
            and (options.type is None or options.type == line.row["type"])
            and (letters is None or letters in _plates(line.row))
        )

    return wanted


def _plates(row: sqlite3.Row) -> set[str]:
    """Return the plates that a row is about: of its stay, and its own."""
    personal = json.loads(row["personal"]) if row["personal"] else {}
    plates: set[str] = set()
    for plate in (row["plate"], personal.get("plate")):
        try:
            plates |= {parse_plate(plate).letters} if plate else set()
        except PlateError:
            continue
    return plates


class _Printer:
    """Prints lines under the days on which they were written."""

    def __init__(self, out: Print, *, as_json: bool) -> None:
        self._out = out
        self._as_json = as_json
        self._day = ""

    def print(self, line: Line) -> None:
        if self._as_json:
            self._out(json.dumps(_as_object(line), ensure_ascii=False))
            return
        day = f"{line.at:%A %d %B %Y} ({line.at.tzinfo})"
        if day != self._day:
            self._out(f"{'' if not self._day else chr(10)}{day}")
            self._day = day
        mark = "!" if line.wants_attention else " "
        actor = line.row["actor"][:16]
        head = f"{line.row['seq']:>7} {line.at:%H:%M:%S} {mark} {actor:<16} "
        texts = textwrap.wrap(line.sentence, WIDTH - _INDENT) or [""]
        self._out(head + texts[0])
        for text in texts[1:]:
            self._out(" " * _INDENT + text)


def _as_object(line: Line) -> dict[str, Any]:
    row = {name: line.row[name] for name in ("stream", "epoch", "seq", "actor", "subject", "type")}
    told = {"sentence": line.sentence, "wants_attention": line.wants_attention}
    return row | {"at": line.at.isoformat(timespec="milliseconds")} | told


def _show_conflicts(
    connection: sqlite3.Connection, zone: ZoneInfo, out: Print, *, as_json: bool
) -> None:
    conflicts = connection.execute(AUDIT["conflicts_told"]).fetchall()
    letters = connection.execute(AUDIT["dead_letters"]).fetchall()
    if as_json:
        for kind, rows in (("conflict", conflicts), ("set_aside", letters)):
            for row in rows:
                out(json.dumps({"is": kind} | dict(row), ensure_ascii=False))
        return
    for row in conflicts:
        at = datetime.fromisoformat(row["at"]).astimezone(zone)
        _paragraph(f"{at:%Y-%m-%d %H:%M:%S} ! {row['session']}: {row['what']} ({row['kind']})", out)
    for row in letters:
        what = f"row {row['seq']} of {row['stream']}, about {row['subject']}, was set aside"
        _paragraph(f"! {what}: {row['why']}", out)
    if not conflicts and not letters:
        out("nothing to look at: no conflict, and no row was set aside")


def _paragraph(text: str, out: Print) -> None:
    out(textwrap.fill(text, WIDTH, subsequent_indent=" " * 4))


def _tell_rest(connection: sqlite3.Connection, shown: int, out: Print) -> None:
    counts = connection.execute(AUDIT["counts"]).fetchone()
    if not shown:
        out("no row fits; try fewer filters, or an earlier --since")
    if any(counts):
        what = f"{counts['conflicts']} conflicts and {counts['set_aside']} rows set aside"
        out(f"\n! {what}: see --conflicts")


def _zone(connection: sqlite3.Connection) -> ZoneInfo:
    row = connection.execute(AUDIT["time_zone"]).fetchone()
    return find_zone(row["time_zone"] if row else None)


def _since(text: str, zone: ZoneInfo) -> datetime:
    if age := re.fullmatch(r"(\d{1,6})([smhd])", text):
        seconds = int(age[1]) * _AGES[age[2]]
        return SystemClock().now() - timedelta(seconds=seconds)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--since {text}: is no time; write 90m, 12h, 3d, 2026-06-01 or 2026-06-01T12:30"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write 1 or more")
    return number
