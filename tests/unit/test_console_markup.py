"""The page: readable without a script, told in parts, and no text that comes in becomes markup."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from parkgraph_cloud.console.board import (
    Away,
    Board,
    Event,
    Facts,
    Link,
    LinkState,
    Lot,
    Square,
)
from parkgraph_cloud.console.edition import Edition
from parkgraph_cloud.console.markup import duration, page, parts

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)
HOSTILE = '<script>alert(\'x\')</script>" onload="alert(1)" &amp; $name'


def a_lot(
    lot: str = "elm",
    *,
    name: str = "Elm Street",
    state: LinkState = LinkState.UP,
    zone: str = "America/Los_Angeles",
    away: tuple[Away, ...] = (),
    facts: Facts | None = None,
    rows_behind: int | None = 0,
    sensed: int | None = 7,
    rejected: tuple[str, ...] = (),
) -> Lot:
    """A lot that is well, but for what is given."""
    local = NOON.astimezone(ZoneInfo(zone))
    heard = local - timedelta(minutes=4, seconds=5)
    since = heard if state is LinkState.DOWN else None
    link = Link(state, since, heard)
    return Lot(lot, name, local, zone, link, rows_behind, sensed, away, facts or Facts(), rejected)


def a_page(*lots: Lot, is_connected: bool = True) -> str:
    """The page with these lots."""
    return page(Board(NOON, is_connected, lots), "1-1")


def some_parts(*lots: Lot, now: datetime = NOON) -> dict[str, str]:
    """The parts of the page with these lots."""
    return parts(Board(now, True, lots))


def test_no_text_that_comes_in_becomes_markup() -> None:
    facts = Facts(
        spaces=1,
        squares=(Square(HOSTILE, word="held"),),
        events=(Event(NOON, HOSTILE, wants_attention=False),),
    )

    away = (Away(HOSTILE, HOSTILE),)

    html = a_page(a_lot(HOSTILE, name=HOSTILE, away=away, facts=facts, rejected=(HOSTILE,)))

    assert "<script>alert" not in html
    assert '" onload' not in html
    assert html.count("<script") == 1


def test_a_camera_that_sees_badly_is_named_with_what_to_do_and_what_it_could_not_read() -> None:
    dirty = Away("camera north-in", "dirty: its picture is blurred; wipe the lens")

    html = a_page(a_lot(away=(dirty,), rejected=("north-in 12 too small, 3 blurred",)))

    assert "<b>Camera north-in:</b> dirty: its picture is blurred; wipe the lens" in html
    assert "Not read: north-in 12 too small, 3 blurred." in html


def test_no_script_and_no_style_stands_in_the_page_itself() -> None:
    html = a_page(a_lot(facts=Facts(spaces=2, held=1, squares=(Square("S-01", word="held"),))))

    assert "style=" not in html
    assert "<style" not in html
    assert "</script>" in html
    assert "://" not in html


def test_a_page_without_a_script_shows_the_time_and_comes_again() -> None:
    html = a_page(a_lot())

    assert ">12:00:00</time> PST (America/Los_Angeles)" in html
    assert '<noscript><meta http-equiv="refresh"' in html


def test_a_zone_without_a_name_of_its_own_is_told_from_utc() -> None:
    assert ">17:00:00</time> UTC-03 (America/Sao_Paulo)" in a_page(a_lot(zone="America/Sao_Paulo"))


def test_an_offline_lot_says_so_in_words_with_how_long_and_how_old_its_figures_are() -> None:
    at = NOON.astimezone(ZoneInfo("America/Los_Angeles")) - timedelta(minutes=5)
    facts = Facts(events=(Event(at, "order 1: boom moved", wants_attention=False),))

    texts = some_parts(a_lot(state=LinkState.DOWN, rows_behind=37, facts=facts))

    assert "Offline 4 min" in texts["link:elm"]
    assert "Last heard 11:55:55" in texts["age:elm"]
    assert "as of</b> the last record, 11:55:00; <b>37 rows behind" in texts["age:elm"]
    assert texts["headline"] == "1 of 1 lots offline: Elm Street"
    assert texts["title"].startswith("(1 offline)")


def test_a_record_of_another_day_has_its_date() -> None:
    at = NOON.astimezone(ZoneInfo("America/Los_Angeles")) - timedelta(days=1)
    facts = Facts(events=(Event(at, "order 1: boom moved", wants_attention=False),))

    assert ">21 Nov 12:00</time>" in some_parts(a_lot(facts=facts))["events:elm"]


def test_a_full_lot_says_so() -> None:
    assert "full" in some_parts(a_lot(facts=Facts(spaces=3, held=3)))["figures:elm"]


def test_what_a_lot_did_not_tell_is_shown_as_unknown() -> None:
    assert "<dt>Sensed</dt><dd>?</dd>" in some_parts(a_lot(sensed=None))["figures:elm"]


def test_without_a_broker_a_banner_says_that_nothing_is_known() -> None:
    html = a_page(a_lot(state=LinkState.UNKNOWN), is_connected=False)

    assert "no connection to the broker" in html
    assert "Unknown" in html
    assert "Online" not in html


def test_the_empty_page_says_what_to_do() -> None:
    html = a_page()

    assert "No lot has reported yet" in html
    assert "edge.toml" in html


def test_a_clock_that_only_went_on_is_no_change() -> None:
    first = some_parts(a_lot())

    second = some_parts(a_lot(), now=NOON + timedelta(seconds=1))

    assert first == second


@pytest.mark.parametrize(
    ("lasted", "told"),
    [
        (timedelta(seconds=-1), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=4, seconds=59), "4 min"),
        (timedelta(hours=3, minutes=5), "3 h 05 min"),
        (timedelta(days=2, hours=3), "2 d 3 h"),
    ],
)
def test_a_duration_has_two_units_at_most(lasted: timedelta, told: str) -> None:
    assert duration(lasted) == told


def test_an_edition_tells_only_what_changed_since() -> None:
    edition = Edition("run")
    edition.renew({"a": "1", "b": "1"})
    seen = edition.revision

    edition.renew({"a": "2", "b": "1"})

    assert edition.changed_since(seen) == {"a": "2"}
    assert edition.changed_since(edition.revision) == {}


@pytest.mark.parametrize("revision", ["", "run", "run-x", "other-1", "run-²"])
def test_a_revision_of_another_run_is_not_known(revision: str) -> None:
    assert Edition("run").changed_since(revision) is None
