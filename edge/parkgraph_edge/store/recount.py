"""Amounts made anew from what the journal says of clocks and rates."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from parkgraph.model.elapsed import BootTime, Instant
from parkgraph.model.records import AnyRecord, Crossed, SessionEnded
from parkgraph_edge.rules.bills import bill
from parkgraph_edge.store.facts import LotFacts


def recount(record: AnyRecord, at: str, facts: LotFacts, lower: list[str]) -> Iterator[str]:
    """Yield how what `record` charges differs from what follows of the `facts` before it.

    Adds to `lower` the stay that costs less than its time does, as a lower price was told before;
    not for the time that it takes to leave.
    """
    if not isinstance(record, SessionEnded | Crossed) or record.session is None:
        return
    stay = facts.session(record.session)
    if stay is None or record.elapsed_seconds is None:  # an older program did not say
        return
    boot = BootTime(record.boot, record.boot_ms or 0) if record.boot else None
    until = Instant(datetime.fromisoformat(at), boot)
    if isinstance(record, Crossed):
        until = facts.admitted_at(record.admission) or until
    owed = bill(stay, until, facts.boots())
    for name in ("elapsed_seconds", "is_in_doubt", "amount_minor"):
        is_, should = getattr(record, name), getattr(owed, name, None)
        if is_ != should:
            yield f"bill of {stay.session}: {name} is {is_}, should be {should}"
    seconds = record.elapsed_seconds
    if isinstance(record, Crossed) and not record.over_seconds and stay.elapsed_seconds is not None:
        seconds = stay.elapsed_seconds
    price = stay.rate.price(timedelta(seconds=seconds)).total_minor
    if record.amount_minor is not None and record.amount_minor < price:
        told = f"{record.amount_minor} was told before"
        lower.append(f"{stay.session}: {seconds} s cost {price}, but {told}")
