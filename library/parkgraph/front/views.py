"""What lot and cloud both read from the tables that they share: stays and lots."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Final, TypeVar, overload

from parkgraph.front.contract import LivePrincipal, Principal, SandboxPrincipal
from parkgraph.journal.chain import text_of_time
from parkgraph.journal.digests import sound
from parkgraph.journal.facts import session_of
from parkgraph.model.api import GateBody, LotBody, SessionsQuery
from parkgraph.model.api.sessions import STATUS
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import Direction, LotDescribed
from parkgraph.model.sessions import Session
from parkgraph.model.sites import LiveSite, Site, SyntheticSite, site_of
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.front", "views.sql")

_AFTER_ALL: Final = "~"

S = TypeVar("S", LiveSite, SyntheticSite)


async def sessions_of_fleet(reader: Reader, fleet: str, query: SessionsQuery) -> list[Session]:
    """Return the stays of `fleet` that fit `query`, newest first, at most `query.limit`.

    Raises:
        CallRefusedError: the cursor is the id of no stay.
    """
    until, before = _text(query.until) or _AFTER_ALL, ""
    if query.cursor:
        until, before = min((until, before), await _place(reader, query.cursor))
    parameters = {
        "fleet": fleet,
        "since": _text(query.since) or "",
        "until": until,
        "before": before,
        "lot": query.lot_id,
        "states": json.dumps([s for s, word in STATUS.items() if query.status in {None, word}]),
        "limit": query.limit,
    }
    rows = await reader.all(_SQL["sessions_of_fleet"], parameters)
    return [session_of(row) for row in sound(rows)]


async def _place(reader: Reader, session: str) -> tuple[str, str]:
    """Return where a stay stands among all: when it was booked, and its id."""
    row = await reader.one(_SQL["booked_at"], {"session": session})
    if row is None:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST, "take `next_cursor` of the page before", field="cursor"
        )
    return row["reserved_at"], session


def lot_body(lot: str, description: LotDescribed) -> LotBody:
    """Return `lot` as `/api/v1` shows it. All its lanes have barriers that open by themselves."""
    by_class = Counter(space.space_class.value for space in description.spaces)
    is_autonomous = {lane.direction for lane in description.lanes} == set(Direction)
    return LotBody(
        lot_id=lot,
        name=description.name,
        latitude=description.latitude,
        longitude=description.longitude,
        time_zone=description.time_zone,
        currency=description.currency,
        spaces=len(description.spaces),
        spaces_by_class=dict(by_class),
        autonomous=is_autonomous,
        gate=GateBody(automated=is_autonomous),
        synthetic=description.is_synthetic,
    )


def check_reach(principal: Principal, lot: LotBody, *, takes_live_keys: bool) -> None:
    """Raise `CallRefusedError` where the key is not for such lots; see `reach`."""
    site = site_of(lot.lot_id, is_synthetic=lot.synthetic, takes_live_keys=takes_live_keys)
    reach(principal, site)


@overload
def reach(principal: SandboxPrincipal, site: Site) -> SyntheticSite: ...
@overload
def reach(principal: LivePrincipal, site: S) -> S: ...
@overload
def reach(principal: Principal, site: Site) -> Site: ...


def reach(principal: Principal, site: Site) -> Site:
    """Return `site`, as one that `principal` may act at.

    Test keys are for synthetic lots only, live ones for all others and those that take them. So
    nothing that comes of a test key can be a `LiveSite`, which live hardware asks for.

    Raises:
        CallRefusedError: the key is not for such lots.
    """
    match principal, site:
        case SandboxPrincipal(), LiveSite():
            raise _wrong_key(f"{site.lot} is no synthetic lot: use a pk_live_ key there")
        case SandboxPrincipal(), _:
            return site
        case _, SyntheticSite(takes_live_keys=False):
            raise _wrong_key(f"{site.lot} is a synthetic lot: use a pk_test_ key there")
        case _:
            return site


def _wrong_key(message: str) -> CallRefusedError:
    return CallRefusedError(ErrorCode.FORBIDDEN, message, field="lot_id")


def _text(at: datetime | None) -> str | None:
    """Return the first time from `at` on as the journal keeps it."""
    return text_of_time(at + timedelta(microseconds=-at.microsecond % 1000)) if at else None
