"""Facts made anew from a journal, and how they differ from those that a ledger has."""

import sqlite3
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from parkgraph.journal.apply import FactsConflictError, apply
from parkgraph.journal.chain import digest_personal, lot_of
from parkgraph.journal.digests import DIGEST
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.model.records import Personal, parse_record
from parkgraph.model.sessions import UnexpectedRecordError
from parkgraph.runtime.sqlite import add_functions, connect, migrate
from parkgraph_edge.store.audit import AUDIT, FACT_TABLES
from parkgraph_edge.store.facts import LotFacts
from parkgraph_edge.store.recount import recount

EDGE_MIGRATIONS: Final = "parkgraph_edge.store.migrations"

# Not shown where they differ, and not compared where the personal part was erased.
_PERSONAL: Final = frozenset({"plate", "plate_letters", "plate_folded", "vin", "gate_code"})
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "lots": ("lot",),
    "spaces": ("lot", "space"),
    "sessions": ("lot", "session"),
    "boots": ("lot", "boot"),
    "admissions": ("lot", "admission"),
    "orders": ("lot", "token", "order_number"),
    "keypads": ("lot", "lane"),
    "conflicts": ("lot", "session", "kind"),
    "barred_keys": ("lot", "key"),
    "keys": ("lot", "key"),
    "rate_cards": ("lot",),
    "agents": ("lot", "agent"),
}
_UNAPPLICABLE: Final = (
    ValueError,  # what is no record, no time, no text
    FactsConflictError,
    UnexpectedRecordError,
    OverflowError,
    sqlite3.Error,
)


def empty_ledger(path: Path | None) -> sqlite3.Connection:
    """Make a ledger without rows at `path`, or in memory."""
    if path:
        connection = connect(path)
    else:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.row_factory = sqlite3.Row
        add_functions(connection)
    migrate(connection, [MIGRATIONS, EDGE_MIGRATIONS])
    return connection


def replay(
    ledger: sqlite3.Connection, into: sqlite3.Connection, lower: list[str] | None = None
) -> Iterator[str]:
    """Apply every row of the lot's own stream to `into`, in the order in which they were written.

    The cloud's directives change no facts at a lot: what comes of them stands in its own stream.
    Yields each way in which the facts of `ledger` are other ones, and each amount that does not
    follow from the time and the rate; `lower` gets the stays that cost less, as that was told.
    """
    lower = [] if lower is None else lower
    erased: set[str] = set()
    into.execute("BEGIN")
    rows = ledger.execute(AUDIT["journal"], {"after": 0, "limit": -1})
    for row in rows:
        lot = lot_of(str(row["stream"]))
        if row["stream"] != lot:
            continue
        try:
            record = parse_record(row["body"], row["personal"])
            if row["personal"] is None and row["digest"] != digest_personal(row["salt"], None):
                erased.add(row["subject"])
                # Each open stay has a code of its own, whether or not it is still known.
                stand_in = Personal(gate_code=f"erased {row['place']}")
                record = record.model_copy(update={"personal": stand_in})
            yield from recount(record, row["at"], LotFacts(into, lot), lower)
            apply(lot, row["at"], record, into)
        except _UNAPPLICABLE as error:
            yield f"row {row['seq']} of epoch {row['epoch']} cannot be applied: {_short(error)}"
            break
    into.execute("COMMIT")
    for table in FACT_TABLES:
        yield from _differences(table, _facts(ledger, table), _facts(into, table), erased)


Facts = dict[tuple[Any, ...], dict[str, Any]]


def _facts(connection: sqlite3.Connection, table: str) -> Facts:
    found = connection.execute(AUDIT[table], {"after": 0, "limit": -1})
    return {tuple(row[name] for name in _KEYS[table]): dict(row) for row in found}


def _differences(table: str, kept: Facts, made: Facts, erased: set[str]) -> Iterator[str]:
    for key in sorted(kept.keys() | made.keys(), key=repr):
        name = f"{table} {' '.join(str(part) for part in key[1:] or key)}"
        if key not in made:
            yield f"{name}: does not follow from the journal"
        elif key not in kept:
            yield f"{name}: follows from the journal and is missing"
        else:
            blank = _PERSONAL if table == "sessions" and key[1] in erased else frozenset()
            for column in kept[key].keys() - blank - {DIGEST, "place"}:
                is_, should = kept[key].get(column), made[key].get(column)
                if (type(is_), is_) != (type(should), should):
                    is_secret = column in _PERSONAL
                    both = f"is {_short(ascii(is_))}, should be {_short(ascii(should))}"
                    yield f"{name}: {column} {'differs' if is_secret else both}"


def _short(what: object) -> str:
    return textwrap.shorten(str(what), 120, placeholder="…")
