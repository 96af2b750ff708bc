"""The audit log as CSV that a spreadsheet opens without harm, and that can be verified."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from parkgraph.front.contract import Audited
from parkgraph.journal.chain import GENESIS, Head, Row, first_fault
from parkgraph.runtime.errors import CorruptError

COLUMNS: Final = (
    "stream",
    "epoch",
    "seq",
    "at",
    "actor",
    "subject",
    "type",
    "body",
    "digest",
    "hash",
)
LONGEST_CELL: Final = 16 * 1024 * 1024
# What spreadsheets take for the beginning of a formula. Source: OWASP, CSV Injection.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


def _written(values: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(
        f"'{value}" if value.startswith(_FORMULA) else value for value in values
    )
    return text.getvalue().encode()


HEADER: Final = _written(COLUMNS)


def line(audited: Audited) -> bytes:
    """Return one row as a line. Cells that begin like a formula, or `'`, get a `'` in front."""
    row = audited.row
    return _written(
        (
            audited.stream,
            str(audited.epoch),
            str(row.seq),
            row.at,
            row.actor,
            row.subject,
            row.type,
            row.body,
            row.digest,
            row.hash,
        )
    )


def read(lines: Iterable[str]) -> Iterator[Audited]:
    """Return the rows in the lines of a file that was opened without translation of newlines.

    Raises:
        CorruptError: a line is none of an audit log.
    """
    # Of the module, for all of the process: the description of a large lot is longer than usual.
    csv.field_size_limit(LONGEST_CELL)
    table = csv.reader(lines, strict=True)
    try:
        if tuple(next(table, ())) != COLUMNS:
            raise CorruptError("line 1: these are not the columns of an audit log")
        for cells in table:
            yield _row(cells)
    except (csv.Error, ValueError) as error:  # pydantic's is a ValueError too
        raise CorruptError(f"line {table.line_num}: holds no row of an audit log") from error


def verified(rows: Iterable[Audited], heads: dict[tuple[str, int], Head]) -> Iterator[str]:
    """Yield what does not fit in the chains of `rows`, by stream and epoch; all in one pass.

    `heads` is how far each has come; at first it is empty. That the last rows are missing cannot be
    seen: compare the last hash with the one that another copy has there.
    """
    for audited in rows:
        stream, epoch, row = audited.stream, audited.epoch, audited.row
        head = heads.get((stream, epoch)) or Head(epoch=epoch, seq=0, hash=GENESIS)
        heads[stream, epoch] = Head(epoch=epoch, seq=row.seq, hash=row.hash)
        if fault := first_fault(stream, head, [row]):
            yield f"{stream}, epoch {epoch}: {fault}"


def _row(cells: Sequence[str]) -> Audited:
    plain = (cell.removeprefix("'") for cell in cells)
    told = dict(zip(COLUMNS, plain, strict=True))
    stream = told.pop("stream")
    row = Row.model_validate(told | {"personal": None, "salt": ""})
    place = Head.model_validate(told)
    return Audited(stream, place.epoch, row)
