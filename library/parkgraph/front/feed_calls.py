"""Operations on what was: the audit log; and on what is: activity and status."""

from collections.abc import AsyncGenerator
from typing import Final

from parkgraph.front.audit_csv import HEADER, line
from parkgraph.front.bodies import parse_query
from parkgraph.front.contract import Audited, Call, Port, Stream
from parkgraph.model.api import (
    ActivityFeed,
    ActivityQuery,
    AuditAnswer,
    AuditRow,
    Page,
    StatusAnswer,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode

CSV: Final = "text/csv; charset=utf-8"
_ROWS_AT_ONCE: Final = 200


async def lot_audit(port: Port, call: Call) -> AuditAnswer:
    """Read the audit log of a lot: every decision, chained to the one before.

    Personal data is not in it, only its salted digest.
    """
    lot = await _audited_lot(port, call)
    page = parse_query(Page, call.query)
    rows, more = await port.audit(lot, after=page.cursor, limit=page.limit)
    return AuditAnswer(rows=tuple(_shown(row) for row in rows), next_cursor=more)


async def lot_audit_csv(port: Port, call: Call) -> Stream:
    """Export the whole audit log of a lot as CSV, for spreadsheets.

    What a spreadsheet would take for a formula has an apostrophe before it. The chain can be
    verified without this API: `parkgraph-edge journal verify` takes the file.
    """
    lot = await _audited_lot(port, call)
    name = f'attachment; filename="audit-{lot}.csv"'
    return Stream(CSV, _lines(port, lot), {"Content-Disposition": name})


async def activity(port: Port, call: Call) -> ActivityFeed:
    """Read what happened last, as a JSON Feed, the newest first.

    A lot tells of itself, the cloud of all lots that the key may reach.
    """
    query = parse_query(ActivityQuery, call.query)
    _check_operator(call)
    if query.lot_id:
        lots = [(await port.lot(call.principal, query.lot_id)).lot_id]
    else:
        lots = [lot.lot_id for lot in await port.lots(call.principal)]
    items = await port.activity(lots, limit=query.limit, before=query.cursor)
    return ActivityFeed(title="Park Graph activity", items=tuple(items))


async def status(port: Port, call: Call) -> StatusAnswer:
    """Say what works now: this side, its links, and the parts of the lots."""
    lots = await port.lots(call.principal)
    return await port.status([lot.lot_id for lot in lots])


async def _lines(port: Port, lot: str) -> AsyncGenerator[bytes, None]:
    yield HEADER
    more: str | None = None
    while True:
        rows, more = await port.audit(lot, after=more, limit=_ROWS_AT_ONCE)
        if rows:
            yield b"".join(line(row) for row in rows)
        if more is None:
            return


async def _audited_lot(port: Port, call: Call) -> str:
    _check_operator(call)
    return (await port.lot(call.principal, call.path["lot"])).lot_id


def _check_operator(call: Call) -> None:
    if call.principal.fleet:
        raise CallRefusedError(
            ErrorCode.FORBIDDEN, "it tells of every fleet: only a key of the operator reads it"
        )


def _shown(audited: Audited) -> AuditRow:
    row = audited.row
    kind, _, identity = row.actor.partition(":")
    return AuditRow(
        stream=audited.stream,
        epoch=str(audited.epoch),
        seq=row.seq,
        at=row.at,
        actor_type=kind,
        actor_id=identity or kind,
        subject=row.subject,
        type=row.type,
        diff=row.body,
        digest=row.digest,
        hash=row.hash,
    )
