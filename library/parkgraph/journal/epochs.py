"""Epochs of a stream, and the time in which its owner waits for what a copy still has."""

import sqlite3
from dataclasses import fields
from datetime import timedelta
from typing import Final, Literal

from parkgraph.journal.chain import Head, lot_of
from parkgraph.journal.digests import sound
from parkgraph.journal.facts import session_of
from parkgraph.journal.ledger import (
    SQL,
    Moment,
    chained,
    first_head,
    read_head,
    record_all,
    store_row,
    write_head,
)
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    AnyRecord,
    BootTold,
    EpochBegan,
    KeyAccepted,
    KeyBarred,
    KeyTerms,
    LotDescribed,
    Personal,
    Place,
    RatesSet,
    SessionTold,
    parse_record,
)
from parkgraph.model.sessions import Session
from parkgraph.runtime.clock import Clock

RECOVERING: Final = "recovering"
# For so long a copy that was restored can ask again.
KEPT_FOR: Final = timedelta(days=35)
COUNT_EVERY: Final = timedelta(minutes=10)
_KEPT_MINUTES: Final = KEPT_FOR // timedelta(minutes=1)
MOST_ROWS_OF_AN_EPOCH: Final = 1_000_000
MOST_ROWS_PRUNED_AT_ONCE: Final = 1_000
_BOOT: Final = BootTold.model_fields.keys() - {"type", "personal"}
_TOLD: Final = frozenset(SessionTold.model_fields) & {field.name for field in fields(Session)}


def begin_epoch(
    connection: sqlite3.Connection,
    stream: str,
    moment: Moment,
    *,
    why: Literal["fork", "lost", "compaction"],
) -> Head:
    """Let `stream` go on under a new epoch, after the last row that the other side surely has.

    An epoch of a lot begins with its facts: its description, rates and keys, the boots of its
    machine that are still needed, the stays that are open, and those that the rows which the new
    epoch supersedes were about. Where nothing of the present epoch was acknowledged, all of it is
    still to be sent, so that no row ever has two successors.
    """
    own = read_head(connection, stream, "head")
    known = read_head(connection, stream, "acknowledged")
    is_superseding = why == "fork" and known and own and known.epoch == own.epoch
    after = known if is_superseding else own
    records: list[AnyRecord] = []
    is_of_cloud = stream != lot_of(stream)
    if not is_of_cloud:
        records = _snapshot(connection, stream, after)
    began = EpochBegan(
        why=why,
        predecessor=Place.model_validate(after.model_dump()) if after else None,
        is_of_cloud=is_of_cloud,
        open_sessions=tuple(r.session for r in records if isinstance(r, SessionTold)),
    )
    head = first_head(connection, stream, moment, after=after)
    record_all(connection, stream, head, [began, *records], "system", moment)
    if is_of_cloud and is_superseding and after:
        _tell_again(connection, stream, after, moment)
    return head


def _tell_again(connection: sqlite3.Connection, stream: str, after: Head, moment: Moment) -> None:
    """Append the cloud's decisions after `after` to the present epoch: the lot has not read them.

    Their facts are there already, so they are not applied again.
    """
    head = read_head(connection, stream, "head")
    assert head is not None
    place = {"stream": stream, "epoch": after.epoch, "seq": after.seq, "limit": -1}
    for row in connection.execute(SQL["rows_after"], place).fetchall():
        record = parse_record(row["body"], row["personal"])
        if not isinstance(record, EpochBegan):
            told = chained(stream, head, record, actor=row["actor"], moment=moment)
            store_row(connection, stream, head.epoch, told)
            head = Head(epoch=head.epoch, seq=told.seq, hash=told.hash)
    write_head(connection, stream, "head", head)


class Ages:
    """Counts on the boot clock for how long epochs are held: a wall clock that jumps ends none."""

    def __init__(self, clock: Clock) -> None:
        """Count from now."""
        self._clock = clock
        self._counted_at = clock.boot_seconds()

    def minutes(self) -> int:
        """Return the minutes since the last count; 0 until they are worth a commit."""
        passed = self._clock.boot_seconds() - self._counted_at
        if passed < COUNT_EVERY.total_seconds():
            return 0
        self._counted_at += passed
        return int(passed // 60)


def age(connection: sqlite3.Connection, stream: str, minutes: int) -> None:
    """Note that all epochs of `stream` were held for so much longer."""
    if minutes:
        connection.execute(SQL["age_epochs"], {"stream": stream, "minutes": minutes})


def keep_short(connection: sqlite3.Connection, stream: str, moment: Moment) -> None:
    """Begin an epoch where the present one is old or long, and prune one step of what has ended."""
    head = read_head(connection, stream, "head")
    if head is None or is_recovering(connection, stream):
        return
    held = connection.execute(SQL["age_of"], {"stream": stream, "epoch": head.epoch}).fetchone()
    is_old = held is not None and held["age_minutes"] >= _KEPT_MINUTES
    if is_old or head.seq > MOST_ROWS_OF_AN_EPOCH:
        begin_epoch(connection, stream, moment, why="compaction")
    prune(connection, stream, known=read_head(connection, stream, "acknowledged"))


def prune(connection: sqlite3.Connection, stream: str, *, known: Head | None) -> None:
    """Forget the first epoch of `stream` whole, once all of it is old and the other side has it.

    `known` is what the other side has. The rows then go in small steps, so that no command waits
    long. An epoch with a row that was set aside stays.
    """
    place = connection.execute(
        SQL["first_ended_epoch"], {"stream": stream, "kept": _KEPT_MINUTES}
    ).fetchone()
    if place and known and known.epoch != place["epoch"]:
        parameters = {"stream": stream, "epoch": place["epoch"]}
        has_letter = connection.execute(SQL["has_dead_letter"], parameters).fetchone()
        if not has_letter:
            connection.execute(SQL["forget_predecessor"], parameters)
            connection.execute(SQL["forget_epoch"], parameters)
    forgotten = connection.execute(SQL["forgotten_epoch"], {"stream": stream}).fetchone()
    if forgotten:
        parameters = {"stream": stream, "epoch": forgotten["epoch"]}
        step = parameters | {"most": MOST_ROWS_PRUNED_AT_ONCE}
        if connection.execute(SQL["prune_rows"], step).rowcount == 0:
            connection.execute(SQL["end_pruning"], parameters)


def _snapshot(connection: sqlite3.Connection, lot: str, after: Head | None) -> list[AnyRecord]:
    parameters = {
        "lot": lot,
        "epoch": after.epoch if after else None,
        "seq": after.seq if after else 0,
    }
    lots = sound(connection.execute(SQL["description_of"], {"lot": lot}))
    records: list[AnyRecord] = []
    if lots:
        description = parse_record(lots[0]["description"], None)
        assert isinstance(description, LotDescribed)
        records.append(description)
    records += _rules(connection, lot)
    records += [
        BootTold.model_validate({name: row[name] for name in _BOOT})
        for row in sound(connection.execute(SQL["boots_to_tell"], parameters))
    ]
    for row in sound(connection.execute(SQL["sessions_to_tell"], parameters)):
        session = session_of(row)
        told = {name: getattr(session, name) for name in _TOLD}
        personal = Personal(plate=session.plate, vin=session.vin, gate_code=session.gate_code)
        records.append(SessionTold(**told, personal=personal))
    return records


def _rules(connection: sqlite3.Connection, lot: str) -> list[AnyRecord]:
    """Return what `lot` has taken over from the cloud."""
    of_lot = {"lot": lot}
    cards = sound(connection.execute(SQL["rate_card_of"], of_lot))
    keys = sound(connection.execute(SQL["keys_of"], of_lot))
    barred = sound(connection.execute(SQL["barred_keys_of"], of_lot))
    return [
        *(RatesSet(card=RateCard.model_validate_json(row["card"])) for row in cards),
        *(
            KeyAccepted(key=row["key"], terms=KeyTerms.model_validate_json(row["terms"]))
            for row in keys
        ),
        *(KeyBarred(key=row["key"]) for row in barred),
    ]


def begin_recovery(connection: sqlite3.Connection, stream: str) -> None:
    """Let nothing be decided in `stream` until a copy has returned what its owner lost."""
    mark = {"stream": stream, "name": RECOVERING, "epoch": 0, "seq": 0, "hash": ""}
    connection.execute(SQL["put_head"], mark)


def is_recovering(connection: sqlite3.Connection, stream: str) -> bool:
    """Say whether the owner of `stream` waits for what a copy still has."""
    return read_head(connection, stream, RECOVERING) is not None


def finish_recovery(connection: sqlite3.Connection, stream: str) -> None:
    """Let decisions go on in `stream`."""
    connection.execute(SQL["forget_head"], {"stream": stream, "name": RECOVERING})
