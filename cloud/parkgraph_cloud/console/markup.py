"""The page as HTML, in parts that can be replaced one by one. What comes in is escaped."""

import json
from datetime import date, datetime, timedelta
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from parkgraph_cloud.console.board import Board, Event, Link, LinkState, Lot

# Beyond that many lots, events are folded away until somebody asks for them.
MOST_LOTS_UNFOLDED: Final = 12
MOST_NAMES: Final = 3
# The one part that is no HTML: the ids of the lots as JSON, in the order of their cards.
ORDER: Final = "order"

_PAGE: Final = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
_LOT: Final = Template((files(__package__) / "lot.html").read_text(encoding="utf-8"))

_KINDS: Final = ("name", "link", "age", "figures", "notices", "events")
_WORDS: Final = {LinkState.UP: "Online", LinkState.DOWN: "Offline", LinkState.UNKNOWN: "Unknown"}
_SIGNS: Final = {LinkState.UP: "●", LinkState.DOWN: "✕", LinkState.UNKNOWN: "?"}
_NO_BROKER: Final = (
    "<p><strong>This console has no connection to the broker.</strong> No lot's link is known;"
    " all figures are as last recorded. It tries again by itself.</p>"
)


def page(board: Board, revision: str) -> str:
    """Return the whole page; without a script it shows what it shows with one."""
    texts = parts(board)
    is_open = "open" if len(board.lots) <= MOST_LOTS_UNFOLDED else ""
    cards = [
        _LOT.substitute(
            {kind: texts[f"{kind}:{lot.lot}"] for kind in _KINDS},
            lot=escape(lot.lot),
            clock=_clock(lot, f"{lot.now:%H:%M:%S}"),
            open=is_open,
        )
        for lot in board.lots
    ]
    return _PAGE.substitute(
        {key: texts[key] for key in ("title", "banner", "headline", "totals")},
        revision=escape(revision),
        now_ms=milliseconds(board.now),
        lots="".join(cards) or _EMPTY,
    )


def parts(board: Board) -> dict[str, str]:
    """Return the text of each part by its id. The clocks' time is left out: pages count it on."""
    texts = {
        "title": _title(board),
        "banner": "" if board.is_connected else _NO_BROKER,
        "headline": _headline(board),
        "totals": _totals(board),
        ORDER: json.dumps([lot.lot for lot in board.lots]),
    }
    for lot in board.lots:
        texts |= {
            f"name:{lot.lot}": escape(lot.name),
            f"clock:{lot.lot}": _clock(lot, ""),
            f"link:{lot.lot}": _link(lot.link, board.now),
            f"age:{lot.lot}": _age(lot),
            f"figures:{lot.lot}": _figures(lot),
            f"notices:{lot.lot}": _notices(lot),
            f"events:{lot.lot}": _events(lot.facts.events, lot.now.date()),
        }
    return texts


def milliseconds(at: datetime) -> int:
    """Return `at` in milliseconds since 1970, as browsers count."""
    return round(at.timestamp() * 1000)


def duration(lasted: timedelta) -> str:
    """Return how long something lasted, for people: two units at most."""
    seconds = max(0, int(lasted.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min"
    if days < 2:
        return f"{hours} h {minutes % 60:02} min"
    return f"{days} d {hours % 24} h"


def _title(board: Board) -> str:
    down = _count(board, LinkState.DOWN)
    return f"({down} offline) Lots · Park Graph" if down else "Lots · Park Graph"


def _headline(board: Board) -> str:
    total, down = len(board.lots), _names(board, LinkState.DOWN)
    if not total:
        return "No lot has reported yet"
    if not board.is_connected:
        return "No lot's link is known"
    if not down:
        return "The lot is online" if total == 1 else f"All {total} lots are online"
    return f"{len(down)} of {total} lots offline: {_listed(down)}"


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return escape(", ".join(names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")


def _names(board: Board, state: LinkState) -> list[str]:
    return [lot.name for lot in board.lots if lot.link.state is state]


def _count(board: Board, state: LinkState) -> int:
    return len(_names(board, state))


def _totals(board: Board) -> str:
    facts = [lot.facts for lot in board.lots]
    away = sum(len(lot.away) for lot in board.lots)
    dead = sum(fact.dead_letters for fact in facts)
    spaces = sum(fact.spaces for fact in facts)
    return "".join(
        [
            _figure("Lots online", _count(board, LinkState.UP), more=f"of {len(board.lots):,}"),
            _figure("Spaces free", sum(fact.free for fact in facts), more=f"of {spaces:,}"),
            _figure("Vehicles inside", sum(fact.inside for fact in facts)),
            _figure("Devices in trouble", away, tone="notice" if away else ""),
            _figure("Dead letters", dead, tone="notice" if dead else ""),
        ]
    )


def _figure(label: str, value: int | None, *, more: str = "", tone: str = "") -> str:
    shown = "?" if value is None else f"{value:,}"
    small = f" <small>{more}</small>" if more else ""
    return f'<div class="{tone}"><dt>{label}</dt><dd>{shown}{small}</dd></div>'


def _clock(lot: Lot, shown: str) -> str:
    name = lot.now.tzname() or ""
    short = f"UTC{name}" if name[:1] in {"+", "-"} else name
    seconds = int((lot.now.utcoffset() or timedelta()).total_seconds())
    return f'<time data-offset="{seconds}">{shown}</time> {escape(short)} ({escape(lot.zone)})'


def _link(link: Link, now: datetime) -> str:
    lasts = f" {duration(now - link.since)}" if link.since else ""
    return (
        f'<p class="pill" data-link="{link.state}"><span aria-hidden="true">{_SIGNS[link.state]}'
        f"</span> {_WORDS[link.state]}{lasts}</p>"
    )


def _age(lot: Lot) -> str:
    events, today = lot.facts.events, lot.now.date()
    recorded = f"the last record, {_when(events[0].at, today)}" if events else "no record yet"
    behind = f"; <b>{lot.rows_behind:,} rows behind</b>" if lot.rows_behind else ""
    unread = f" Not read: {escape('; '.join(lot.rejected))}." if lot.rejected else ""
    if lot.link.state is LinkState.UP:
        return f"Heard within 10 s; as of {recorded}{behind}.{unread}"
    heard = f"Last heard {_when(lot.link.heard, today)}" if lot.link.heard else "Never heard from"
    return f"{heard}; <b>as of</b> {recorded}{behind}."


def _figures(lot: Lot) -> str:
    facts = lot.facts
    share = round(100 * facts.held / facts.spaces) if facts.spaces else 0
    is_full = facts.spaces > 0 and facts.free == 0
    squares = "".join(
        f'<i class="{word}" title="{escape(square.space)}: {word}"></i>'
        for square in facts.squares
        for word in [square.word]
    )
    return (
        f'<dl class="figures">{_figure("Free", facts.free, more="full" if is_full else "")}'
        f"{_figure('Held', facts.held - facts.lent, more=f'of {facts.spaces:,}')}"
        f"{_figure('Lent', facts.lent)}"
        f"{_figure('Inside', facts.inside)}{_figure('Sensed', lot.sensed)}</dl>"
        f'<svg class="bar" role="img" aria-label="{facts.held} of {facts.spaces} spaces held"'
        ' viewBox="0 0 100 1" preserveAspectRatio="none">'
        f"{_stripe('free', 100)}{_stripe('held', share)}</svg>"
        f'<div class="squares" aria-hidden="true">{squares}</div>'
    )


def _stripe(kind: str, percent: int) -> str:
    return f'<rect class="{kind}" width="{percent}" height="1"/>'


def _notices(lot: Lot) -> str:
    notices = [f"<b>{_capital(away.what)}:</b> {escape(away.why)}" for away in lot.away]
    notices += [f"<b>Please look:</b> {escape(what)}" for what in lot.facts.conflicts]
    if lot.facts.dead_letters:
        notices.append(f"<b>Dead letters: {lot.facts.dead_letters}.</b> Stored, but not applied.")
    return "".join(f"<li>{notice}</li>" for notice in notices)


def _capital(what: str) -> str:
    return escape(what[:1].upper() + what[1:])


def _events(events: tuple[Event, ...], today: date) -> str:
    if not events:
        return "<li>Nothing yet.</li>"
    return "".join(
        f'<li class="{"notice" if event.wants_attention else ""}">'
        f'<time datetime="{event.at.isoformat()}">{_when(event.at, today)}</time>'
        f"<span>{escape(event.sentence)}</span></li>"
        for event in events
    )


def _when(at: datetime, today: date) -> str:
    return f"{at:%H:%M:%S}" if at.date() == today else f"{at:%d %b %H:%M}"


_EMPTY: Final = """\
<section class="empty">
<h2>No lot has reported yet</h2>
<p>A lot appears here by itself as soon as its gateway has reached the broker:</p>
<ol>
<li>On the gateway, let <code>broker</code> in <code>[cloud]</code> of <code>edge.toml</code> name
the broker that <code>[mqtt]</code> of <code>cloud.toml</code> names here.</li>
<li>Add the line there that <code>parkgraph-cloud key</code> prints here.</li>
<li>Start <code>parkgraph-edge</code>; its log says when the broker cannot be reached.</li>
</ol>
</section>
"""
