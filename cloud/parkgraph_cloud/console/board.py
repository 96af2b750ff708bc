"""The board: every lot as an operator sees it. Built from rows; nothing is looked up here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from parkgraph.journal.messages import LotState
from parkgraph.model.records import parse_record
from parkgraph.model.sentences import Stay, sentence, wants_attention
from parkgraph.runtime.zones import find_zone

# A lot says how it is every two seconds.
SILENT_AFTER: Final = timedelta(seconds=10)


class LinkState(StrEnum):
    """Whether a lot can be reached, as far as is known."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Link:
    """`since` is from when it is down; `heard` is when its state last came, from it or its will."""

    state: LinkState
    since: datetime | None = None
    heard: datetime | None = None


@dataclass(frozen=True, slots=True)
class Square:
    """One space, and what is with it: free, held, or lent to the cloud."""

    space: str
    word: str


@dataclass(frozen=True, slots=True)
class Event:
    """One record as a sentence, at a time of the lot."""

    at: datetime
    sentence: str
    wants_attention: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What follows from a lot's journal. `squares` is empty where a lot has too many spaces."""

    spaces: int = 0
    held: int = 0
    lent: int = 0
    inside: int = 0
    dead_letters: int = 0
    squares: tuple[Square, ...] = ()
    conflicts: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def free(self) -> int:
        return self.spaces - self.held


@dataclass(frozen=True, slots=True)
class Away:
    """A barrier, camera or sensor that does not do its work, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Lot:
    """One lot; `now` is its local time. `rows_behind` and `sensed` are None where not told.

    `rejected` says of each camera what plates it could not read.
    """

    lot: str
    name: str
    now: datetime
    zone: str
    link: Link
    rows_behind: int | None
    sensed: int | None
    away: tuple[Away, ...]
    facts: Facts
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """All lots, in the order in which they want attention. `now` is UTC."""

    now: datetime
    is_connected: bool
    lots: tuple[Lot, ...]


def build_board(
    rows: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Facts],
    *,
    now: datetime,
    is_connected: bool,
) -> Board:
    """Return the board at `now` from the rows of the query `lots` and the facts of each lot.

    `is_connected` is whether this program has its own connection to the broker.
    """
    lots = [_lot(row, facts[row["lot"]], now=now, is_connected=is_connected) for row in rows]
    return Board(now, is_connected, tuple(sorted(lots, key=_urgency)))


def find_link(
    state: LotState | None, heard: datetime | None, *, now: datetime, is_connected: bool
) -> Link:
    """Return how the link to a lot is, from the state that came last, at `heard`."""
    if not is_connected:
        return Link(LinkState.UNKNOWN, heard=heard)
    if state is None or heard is None:
        return Link(LinkState.DOWN)
    if state.link == "down" or now - heard >= SILENT_AFTER:
        return Link(LinkState.DOWN, since=heard, heard=heard)
    return Link(LinkState.UP, heard=heard)


def build_facts(
    counts: Mapping[str, Any],
    squares: Sequence[Mapping[str, Any]],
    conflicts: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    zone: tzinfo,
) -> Facts:
    """Return a lot's facts from the rows of the queries of the same names; times are in `zone`."""
    return Facts(
        **counts,
        squares=tuple(Square(row["space"], row["word"]) for row in squares),
        conflicts=tuple(f"session {row['session']}: {row['what']}" for row in conflicts),
        events=tuple(_event(row, zone) for row in events),
    )


def _lot(row: Mapping[str, Any], facts: Facts, *, now: datetime, is_connected: bool) -> Lot:
    zone = find_zone(row["time_zone"])
    state = LotState.model_validate_json(row["state"]) if row["state"] else None
    heard = (
        datetime.fromisoformat(row["received_at"]).astimezone(zone) if row["received_at"] else None
    )
    # A will that came before anything else knows nothing of the lot.
    told = state if state and (state.link == "up" or state.at) else None
    return Lot(
        lot=row["lot"],
        name=row["name"] or row["lot"],
        now=now.astimezone(zone),
        zone=zone.key,
        link=find_link(state, heard, now=now, is_connected=is_connected),
        rows_behind=max(0, told.head_seq - (row["seq"] or 0)) if told else None,
        sensed=told.occupied if told else None,
        away=tuple(Away(what, why) for what, why in sorted(told.away.items())) if told else (),
        facts=facts,
        rejected=_rejected(told.rejected) if told else (),
    )


def _rejected(counts: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """Say how often each camera could not read a plate, the commonest reason first."""
    reasons = {
        camera: sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        for camera, counts in sorted(counts.items())
    }
    return tuple(
        f"{camera} " + ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in told)
        for camera, told in reasons.items()
    )


def _event(row: Mapping[str, Any], zone: tzinfo) -> Event:
    at = datetime.fromisoformat(row["at"]).astimezone(zone)
    try:
        record = parse_record(row["body"], row["personal"])
    except ValidationError:
        return Event(at, f"a record of the type {row['type']}, which is not known here", True)
    stay = Stay(row["plate"], row["vin"], row["space"], row["currency"])
    return Event(at, sentence(record, stay, zone), wants_attention(record))


def _urgency(lot: Lot) -> tuple[int, datetime, bool, str, str]:
    rank = {LinkState.DOWN: 0, LinkState.UNKNOWN: 1, LinkState.UP: 2}[lot.link.state]
    is_well = not lot.away and not lot.facts.dead_letters and not lot.facts.conflicts
    since = lot.link.since or datetime.min.replace(tzinfo=UTC)
    return rank, since, is_well, lot.name.casefold(), lot.lot
