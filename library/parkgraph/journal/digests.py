"""Rows of the facts checked against the digest that they carry at a lot. The cloud's carry none."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from parkgraph.runtime.errors import CorruptError
from parkgraph.runtime.sqlite import row_digest

DIGEST: Final = "digest"


def fault_of(row: sqlite3.Row) -> str | None:
    """Return which fact in `row` does not fit its digest, or None where all of it fits.

    A row is made of whole rows of tables, each of which ends with its digest; columns without one
    behind them are not checked. An outer join's missing row fits.
    """
    start = 0
    names = row.keys()
    for place, name in enumerate(names):
        if name != DIGEST:
            continue
        values = tuple(row[start:place])
        is_missing = row[place] is None and not any(value is not None for value in values)
        if not is_missing and row_digest(*values) != row[place]:
            # The second column says which; of none is it a plate or a code.
            return f"{names[start + 1]} {str(values[1])[:64]!a}"
        start = place + 1
    return None


def sound(rows: Iterable[sqlite3.Row]) -> list[sqlite3.Row]:
    """Return `rows` once each of them was found to fit its digest.

    Raises:
        CorruptError: one does not.
    """
    checked = list(rows)
    for row in checked:
        if fault := fault_of(row):
            raise damaged(f"{fault} does not fit its digest")
    return checked


def damaged(fault: str) -> CorruptError:
    """Return the error of a ledger with `fault`."""
    return CorruptError(
        f"the ledger is damaged: {fault}; keep the file for examination, "
        "see `parkgraph-edge journal verify`"
    )
