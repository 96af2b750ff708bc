"""What lot and cloud tell of journals: every row for an audit, the newest as sentences."""

import heapq
import json
import re
import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from parkgraph.front.contract import Audited
from parkgraph.journal.chain import Row, stream_of_cloud
from parkgraph.model.api import ActivityItem
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import parse_record
from parkgraph.model.sentences import Stay, sentence, wants_attention
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.zones import find_zone

_SQL: Final = load_queries("parkgraph.front", "journals.sql")

# What is further back is in the audit log only.
MOST_LOOKED_BACK: Final = 10_000
_ATTENTION: Final = "attention"


class _Place(NamedTuple):
    """A row of a stream."""

    stream: str
    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.stream}:{self.epoch}:{self.seq}"


async def audited(
    reader: Reader, lot: str, after: str | None, limit: int
) -> tuple[list[Audited], str | None]:
    """Return rows of the lot's own stream and then of the cloud's for it, and where more are.

    Epochs come in their order, with what was superseded. `after` is what was returned before for
    where more are. Nothing personal is in it.

    Raises:
        CallRefusedError: `after` is none of these.
    """
    streams = (lot, stream_of_cloud(lot))
    start = _read(after, streams) if after else _Place(lot, 0, 0)
    found: list[Audited] = []
    for stream in streams[streams.index(start.stream) :]:
        rows = await reader.all(_SQL["epochs_of"], {"stream": stream})
        epochs = [row["epoch"] for row in rows]
        # The first ones may have been forgotten meanwhile: then what is left comes after them.
        is_there = stream == start.stream and start.epoch in epochs
        for epoch in epochs[epochs.index(start.epoch) if is_there else 0 :]:
            seq = start.seq if is_there and epoch == start.epoch else 0
            place = {"stream": stream, "epoch": epoch, "seq": seq}
            more = await reader.all(_SQL["audited"], place | {"limit": limit + 1 - len(found)})
            found += [Audited(stream, epoch, Row.of(dict(row))) for row in more]
            if len(found) > limit:
                last = found[limit - 1]
                return found[:limit], str(_Place(last.stream, last.epoch, last.row.seq))
    return found, None


async def active(
    reader: Reader, lots: Sequence[str], limit: int, before: str | None
) -> list[ActivityItem]:
    """Return what happened last at `lots` as sentences, newest first, without plates and codes.

    `before` is the id of an item: only what happened before it. Of each lot the present epoch is
    told, and of that no more than the newest `MOST_LOOKED_BACK` rows.

    Raises:
        CallRefusedError: `before` is no such id.
    """
    end = await _end(reader, before, lots) if before else None
    # Of so many lots each has something newer than all others.
    most = len(lots) if end else limit
    heads = await reader.all(_SQL["newest_of"], {"lots": json.dumps(list(lots)), "limit": most})
    pages = []
    for head in sorted(heads, key=lambda row: str(row["stream"])):
        parameters = _page_of(head, *end) if end else _page_of(head, None, None)
        pages.append(await reader.all(_SQL["newest_rows"], parameters | {"limit": limit}))
    zones = {head["stream"]: find_zone(head["time_zone"]) for head in heads}
    newest = heapq.merge(*pages, key=lambda row: str(row["at"]), reverse=True)
    return [_item(row, zones[row["stream"]]) for row in islice(newest, limit)]


async def _end(reader: Reader, before: str, lots: Sequence[str]) -> tuple[_Place, str]:
    """Return the row that `before` names, and its time."""
    place = _read(before, lots)
    row = await reader.one(_SQL["time_of"], place._asdict())
    if row is None:
        raise _unfit_cursor()
    return place, row["at"]


def _page_of(head: sqlite3.Row, end: _Place | None, at: str | None) -> dict[str, Any]:
    """Return which rows of one lot may be told, where those from `end`, of the time `at`, on not.

    Within its own lot the order is that of the rows, whatever the clock did.
    """
    last, is_own = head["seq"] + 1, end is not None and end.stream == head["stream"]
    if end and is_own:
        last, at = (end.seq if end.epoch == head["epoch"] else 0), None
    return {
        "stream": head["stream"],
        "epoch": head["epoch"],
        "first": head["seq"] - MOST_LOOKED_BACK,
        "last": last,
        "at": at,
        "after": end.stream if end else None,
    }


def _item(row: sqlite3.Row, zone: ZoneInfo) -> ActivityItem:
    try:
        record = parse_record(row["body"], None)
    except ValidationError:
        text, is_due = f"a record of the type {row['type']}, which is not known here", True
    else:
        stay = Stay(space=row["space"], currency=row["currency"])
        text, is_due = sentence(record, stay, zone), wants_attention(record)
    return ActivityItem(
        id=str(_Place(row["stream"], row["epoch"], row["seq"])),
        date_published=row["at"],
        content_text=text,
        tags=(row["type"], _ATTENTION) if is_due else (row["type"],),
        lot_id=row["stream"],
    )


def _read(text: str, streams: Sequence[str]) -> _Place:
    """Return the place that a text says, in one of `streams`."""
    found = re.fullmatch(r"(.+):([0-9]{1,18}):([0-9]{1,18})", text)
    if found is None or found[1] not in streams:
        raise _unfit_cursor()
    return _Place(found[1], int(found[2]), int(found[3]))


def _unfit_cursor() -> CallRefusedError:
    return CallRefusedError(
        ErrorCode.BAD_REQUEST, "there is no such place; begin without a cursor", field="cursor"
    )
