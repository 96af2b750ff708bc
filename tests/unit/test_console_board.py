"""The board says of each lot what its rows say, and puts first what an operator must see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parkgraph.journal.messages import LotState
from parkgraph.runtime.zones import find_zone
from parkgraph_cloud.console.board import (
    Board,
    Facts,
    Link,
    LinkState,
    build_board,
    build_facts,
    find_link,
)

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)
UP = LotState(link="up", head_seq=40, occupied=7, spaces=40)
DOWN = LotState(link="down")


def a_row(lot: str = "elm", **changed: Any) -> dict[str, Any]:
    """A row of the query `lots`: a lot that was heard a second ago and is all here."""
    row: dict[str, Any] = {
        "lot": lot,
        "name": f"{lot.title()} Street",
        "time_zone": "America/Los_Angeles",
        "epoch": 1,
        "seq": 40,
        "state": UP.model_dump_json(),
        "received_at": (NOON - timedelta(seconds=1)).isoformat(),
    }
    return row | changed


def a_board(*rows: dict[str, Any], facts: Facts | None = None, is_connected: bool = True) -> Board:
    """The board at noon; every lot has the same facts."""
    every = {row["lot"]: facts or Facts() for row in rows}
    return build_board(rows, every, now=NOON, is_connected=is_connected)


def link_at(seconds: float, state: LotState | None, *, is_connected: bool = True) -> Link:
    """The link of a lot whose state came `seconds` before noon."""
    heard = NOON - timedelta(seconds=seconds)
    return find_link(state, heard, now=NOON, is_connected=is_connected)


def test_a_lot_that_was_just_heard_is_up() -> None:
    assert link_at(9.9, UP).state is LinkState.UP


def test_a_lot_that_was_silent_for_ten_seconds_is_down_since_it_was_heard() -> None:
    link = link_at(10, UP)

    assert link.state is LinkState.DOWN
    assert link.since == NOON - timedelta(seconds=10)


def test_a_lot_whose_will_has_come_is_down_at_once() -> None:
    assert link_at(0, DOWN).state is LinkState.DOWN


def test_a_lot_that_never_said_how_it_is_is_down() -> None:
    link = find_link(None, None, now=NOON, is_connected=True)

    assert link == Link(LinkState.DOWN)


@pytest.mark.parametrize("state", [UP, DOWN, None])
def test_without_our_own_connection_no_link_is_known(state: LotState | None) -> None:
    assert link_at(1, state, is_connected=False).state is LinkState.UNKNOWN


def test_a_lot_is_shown_in_its_own_time() -> None:
    lot = a_board(a_row()).lots[0]

    assert f"{lot.now:%H:%M:%S %Z} ({lot.zone})" == "12:00:00 PST (America/Los_Angeles)"


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "America", "", None, "\0"])
def test_a_time_zone_that_is_none_is_shown_as_utc(name: str | None) -> None:
    assert find_zone(name).key == "UTC"


def test_what_a_lot_has_written_and_we_have_not_is_how_far_it_is_behind() -> None:
    lot = a_board(a_row(seq=3)).lots[0]

    assert lot.rows_behind == 37


def test_a_state_older_than_our_rows_is_not_behind() -> None:
    lot = a_board(a_row(seq=50)).lots[0]

    assert lot.rows_behind == 0


def test_a_will_tells_neither_rows_nor_what_sensors_see() -> None:
    lot = a_board(a_row(state=DOWN.model_dump_json())).lots[0]

    assert (lot.rows_behind, lot.sensed) == (None, None)


def test_a_lot_that_has_not_described_itself_goes_by_its_id() -> None:
    lot = a_board(a_row("oak", name=None, time_zone=None, epoch=None, seq=None)).lots[0]

    assert (lot.name, lot.zone, lot.rows_behind) == ("oak", "UTC", 40)


def test_what_is_away_is_listed_with_its_reason() -> None:
    away = UP.model_copy(update={"away": {"camera north-in": "no frame for 12 s"}})

    lot = a_board(a_row(state=away.model_dump_json())).lots[0]

    assert [(it.what, it.why) for it in lot.away] == [("camera north-in", "no frame for 12 s")]


def test_offline_lots_come_first_then_those_with_something_away() -> None:
    away = UP.model_copy(update={"away": {"barrier north-in": "no answer"}})

    board = a_board(
        a_row("ash"),
        a_row("elm", state=away.model_dump_json()),
        a_row("oak", state=DOWN.model_dump_json()),
    )

    assert [lot.lot for lot in board.lots] == ["oak", "elm", "ash"]


def test_the_lot_that_is_offline_for_longest_comes_first() -> None:
    hour_ago, minute_ago = NOON - timedelta(hours=1), NOON - timedelta(minutes=1)

    board = a_board(
        a_row("ash", received_at=minute_ago.isoformat()),
        a_row("oak", received_at=hour_ago.isoformat()),
    )

    assert [lot.lot for lot in board.lots] == ["oak", "ash"]


def test_a_row_that_is_not_understood_is_shown_and_wants_attention() -> None:
    row = {
        "seq": 1,
        "at": "2026-11-22T20:00:00.000Z",
        "type": "space_painted",
        "body": '{"type": "space_painted"}',
        "personal": None,
        "plate": None,
        "vin": None,
        "space": None,
        "currency": None,
    }

    facts = build_facts({}, [], [], [row], find_zone("Asia/Tokyo"))

    assert facts.events[0].wants_attention
    assert "space_painted" in facts.events[0].sentence
    assert facts.events[0].at.hour == 5


def test_what_cameras_could_not_read_is_told_with_the_commonest_reason_first() -> None:
    counts = {"south-out": {"syntax": 1}, "north-in": {"blurred": 3, "too_small": 1200}}
    state = UP.model_copy(update={"rejected": counts}).model_dump_json()

    [lot] = a_board(a_row(state=state)).lots

    assert lot.rejected == ("north-in 1,200 too small, 3 blurred", "south-out 1 syntax")
