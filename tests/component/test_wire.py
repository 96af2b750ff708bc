"""The two ends are updated on different days: what an older or newer one says is read.

`wire/1` holds messages as the first version of the protocol sent them. They are never changed: a
field may be added, none changes its meaning.
"""

import contextlib
import json
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from parkgraph.journal.chain import GENESIS, Head, Row, first_fault, hash_row
from parkgraph.journal.copies import give_back, receive
from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.journal.messages import Acknowledgement, Batch, LotState, Missing
from parkgraph.model.records import AnyRecord, Record, parse_record
from parkgraph.runtime.sqlite import open_reader
from tests.fakes import a_database

FOLDER: Final = Path(__file__).parent / "wire" / "1"
MESSAGES: Final[dict[str, type[Any]]] = {
    "rows_up": Batch,
    "rows_down": Batch,
    "acknowledgement": Acknowledgement,
    "fault": Acknowledgement,
    "missing": Missing,
    "missing_all": Missing,
    "returned": Batch,
    "state": LotState,
    "will": LotState,
}
KINDS: Final = {kind.model_fields["type"].default: kind for kind in get_args(AnyRecord)}


def said(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def batch(name: str) -> Batch:
    return Batch.model_validate(said(name))


ROWS: Final = [*batch("rows_up").rows, *batch("rows_down").rows]


def test_of_every_kind_of_record_and_message_one_was_recorded() -> None:
    assert {row.type for row in ROWS} == set(KINDS)
    assert {path.stem for path in FOLDER.iterdir()} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_recorded_message_is_read_and_said_again_without_loss(name: str) -> None:
    read = MESSAGES[name].model_validate(said(name))

    again = json.loads(read.model_dump_json())
    assert {key: again[key] for key in said(name)} == said(name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.type)
def test_a_recorded_row_is_read_and_loses_nothing(row: Row) -> None:
    record = parse_record(row.body, row.personal)

    again = json.loads(record.model_dump_json())
    assert {key: again[key] for key in json.loads(row.body)} == json.loads(row.body)


@pytest.mark.parametrize("name", ["rows_up", "rows_down"])
def test_the_hashes_of_recorded_rows_follow(name: str) -> None:
    rows = batch(name)

    start = Head(epoch=rows.epoch, seq=0, hash=GENESIS)
    assert first_fault(rows.stream, start, list(rows.rows)) is None


def test_recorded_rows_of_a_lot_are_all_applied(tmp_path: Path) -> None:
    with contextlib.closing(a_database(tmp_path / "cloud.db", MIGRATIONS)) as connection:
        answer = receive(connection, batch("rows_up"))

    assert (answer.fault, answer.dead_letters) == (None, ())


OPTIONAL: Final = [
    pytest.param(row, name, id=f"{row.type}.{name}")
    for row in ROWS
    for name, field in KINDS[row.type].model_fields.items()
    if name in json.loads(row.body) and name != "type" and not field.is_required()
]


@pytest.mark.parametrize(("row", "name"), OPTIONAL)
def test_a_record_without_what_an_older_program_did_not_say_is_read(row: Row, name: str) -> None:
    body = json.loads(row.body)
    del body[name]

    record: Record = parse_record(json.dumps(body), row.personal)

    assert record.type == row.type


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.type)
def test_a_record_with_what_a_newer_program_says_beside_is_read(row: Row) -> None:
    body = json.loads(row.body) | {"later": {"a": [1]}}

    assert parse_record(json.dumps(body), row.personal).type == row.type


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_with_what_a_newer_program_says_beside_is_read(name: str) -> None:
    MESSAGES[name].model_validate(said(name) | {"later": {"a": [1]}})


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("returned", "after"),
        ("returned", "fault"),
        ("acknowledgement", "dead_letters"),
        ("state", "directives"),
        ("state", "away"),
    ],
)
def test_a_message_without_what_an_older_program_did_not_say_is_read(name: str, field: str) -> None:
    message = said(name)
    del message[field]

    MESSAGES[name].model_validate(message)


def changed(rows: Batch, place: int, body: str) -> Batch:
    """Return `rows` as a newer owner would have written them, with another body at `place`."""
    previous = GENESIS
    out: list[Row] = []
    for number, row in enumerate(rows.rows):
        written = row.model_copy(update={"body": body}) if number == place else row
        written = written.model_copy(
            update={"hash": hash_row(rows.stream, rows.epoch, written, previous=previous)}
        )
        out.append(written)
        previous = written.hash
    return rows.model_copy(update={"rows": tuple(out)})


async def test_a_field_that_is_not_known_is_kept_and_passed_on(tmp_path: Path) -> None:
    rows = batch("rows_up")
    body = rows.rows[1].body[:-1] + ',"later":"kept, \\u00e4"}'
    newer = changed(rows, 1, body)
    path = tmp_path / "cloud.db"
    with contextlib.closing(a_database(path, MIGRATIONS)) as connection:
        receive(connection, newer)
    async with open_reader(path) as reader:
        returned = await give_back(reader, rows.stream, Missing(after=None))

    assert returned.rows == newer.rows
    start = Head(epoch=rows.epoch, seq=0, hash=GENESIS)
    assert first_fault(rows.stream, start, list(returned.rows)) is None


@pytest.mark.parametrize(
    "body", ['{"type":"later_kind","session":"sess_2"}', '{"type":"lot_described"}', "not json"]
)
async def test_a_row_that_is_not_understood_is_set_aside_and_not_lost(
    tmp_path: Path, body: str
) -> None:
    newer = changed(batch("rows_up"), 13, body)
    path = tmp_path / "cloud.db"
    with contextlib.closing(a_database(path, MIGRATIONS)) as connection:
        answer = receive(connection, newer)
    async with open_reader(path) as reader:
        returned = await give_back(reader, newer.stream, Missing(after=None))

    assert answer.fault is None
    assert answer.head is not None
    assert answer.head.seq == newer.rows[-1].seq
    assert 14 in [letter.seq for letter in answer.dead_letters]
    assert returned.rows == newer.rows
