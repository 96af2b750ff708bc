"""The audit log leaves the house whole, without harm, and can be verified elsewhere."""

import argparse
import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.front.audit_csv import COLUMNS, HEADER, line, read, verified
from parkgraph.front.contract import Audited
from parkgraph.front.journals import audited
from parkgraph.journal.chain import Row, stream_of_cloud
from parkgraph.journal.epochs import prune
from parkgraph.journal.ledger import SQL, read_head
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import AllotmentsAsked, CancelAsked
from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.journal_commands import add_parser
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, NOON, a_booking, a_lot, a_reservation
from tests.fakes import FakeClock, OpenLedger, Recording
from tests.ledgers import a_day, go_on, take_directives

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
PLATE = "CAR 1"


@pytest.fixture
async def full(ledger: OpenLedger, clock: FakeClock) -> OpenLedger:
    """Return a ledger of a day, of two epochs, with directives."""
    await a_day(ledger, clock)
    await take_directives(ledger, AllotmentsAsked(asked_at=NOON), CancelAsked(session="sess_gone"))
    await go_on(ledger, "compaction")
    await ledger.submit(a_booking("NEXT DAY"))
    return ledger


async def all_of(ledger: OpenLedger, limit: int = 200) -> list[Audited]:
    rows, more = await audited(ledger.reader, LOT, None, limit)
    while more:
        page, more = await audited(ledger.reader, LOT, more, limit)
        assert page
        rows += page
    return rows


async def exported(ledger: OpenLedger) -> str:
    return (HEADER + b"".join(line(row) for row in await all_of(ledger))).decode()


def opened(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")


@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_every_row_is_told_once_in_its_order_whatever_the_size_of_a_page(
    full: OpenLedger, limit: int
) -> None:
    rows = await all_of(full, limit)

    count = full.one("SELECT COUNT(*) FROM journal")
    places = [(row.stream, row.epoch, row.row.seq) for row in rows]
    assert len(places) == len(set(places)) == count
    assert [stream for stream, _, _ in places] == sorted(stream for stream, _, _ in places)
    assert rows[0].row.type == "lot_described"
    assert places[-1][0] == stream_of_cloud(LOT)
    assert list(verified(rows, {})) == []


async def test_nothing_personal_is_in_it_and_nothing_to_guess_it_by(full: OpenLedger) -> None:
    rows = await all_of(full)
    text = await exported(full)

    assert {(row.row.personal, row.row.salt) for row in rows} == {(None, "")}
    assert full.one("SELECT COUNT(*) FROM journal WHERE personal LIKE ?", f"%{PLATE}%")
    assert PLATE not in text
    assert full.one("SELECT salt FROM journal") not in text


@pytest.mark.parametrize(
    "cursor", ["x", "elm-street:1", "elsewhere:1:1", "elm-street:1:-1", f"elm-street:{10**30}:1"]
)
async def test_a_cursor_that_is_none_is_refused(full: OpenLedger, cursor: str) -> None:
    with pytest.raises(CallRefusedError) as refused:
        await audited(full.reader, LOT, cursor, 50)

    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_REQUEST, "cursor")


async def test_who_reads_slowly_goes_on_where_rows_were_forgotten(full: OpenLedger) -> None:
    _, more = await audited(full.reader, LOT, None, 5)
    acknowledged = await full.writer.submit(lambda c: read_head(c, LOT, "head"))
    await full.writer.submit(
        lambda c: c.execute(SQL["age_epochs"], {"stream": LOT, "minutes": 10**6})
    )
    await full.writer.submit(lambda c: prune(c, LOT, known=acknowledged))

    rows, _ = await audited(full.reader, LOT, more, 200)

    assert rows[0].row.type == "epoch_began"
    assert rows[0].row.seq == 1


@given(st.text(), st.text(), st.text())
def test_any_text_comes_back_and_no_cell_is_a_formula(body: str, actor: str, subject: str) -> None:
    row = Row(
        seq=1,
        at="2026-06-01T12:00:00.000Z",
        actor=actor,
        subject=subject,
        type="a_type",
        body=body,
        personal=None,
        salt="",
        digest="0" * 64,
        hash="0" * 64,
    )

    text = (HEADER + line(Audited(LOT, 7, row))).decode()

    assert list(read(opened(text))) == [Audited(LOT, 7, row)]
    cells = [cell.replace('""', '"') for cell in text[len(HEADER) + 1 : -3].split('","')]
    assert [cell for cell in cells if cell.startswith(FORMULAS)] == []


async def test_a_formula_is_harmless_and_the_chain_still_verifies(ledger: OpenLedger) -> None:
    evil = '=HYPERLINK("http://evil";"click")'
    await ledger.submit(OpenLot(LOT, a_lot(name=evil)))
    await ledger.submit(Recording([a_reservation()], actor=evil))

    text = await exported(ledger)

    cells = [cell for row in csv.reader(opened(text)) for cell in row]
    assert f"'{evil}" in cells
    assert [cell for cell in cells if cell.startswith(FORMULAS)] == []
    assert list(verified(read(opened(text)), {})) == []


async def test_a_description_longer_than_cells_usually_are_is_read(ledger: OpenLedger) -> None:
    spaces = (f"SPACE-{number:05}" for number in range(5_000))
    await ledger.submit(OpenLot(LOT, a_lot(*spaces)))

    rows = list(read(opened(await exported(ledger))))

    assert len(rows[0].row.body) > 200_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not,these\r\n",
        HEADER.decode() + '"a","b"\r\n',
        HEADER.decode() + '"' * 3,
        HEADER.decode() + ",".join(['"x"'] * len(COLUMNS)) + "\r\n",
    ],
)
def test_what_is_no_audit_log_is_said_to_be_none(text: str) -> None:
    with pytest.raises(CorruptError, match=r"line \d"):
        list(read(opened(text)))


Verify = Callable[[str | bytes], tuple[int, list[str]]]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Return what the command says of a file that holds a text."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(required=True))

    def verify(text: str | bytes) -> tuple[int, list[str]]:
        path = tmp_path / "audit.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        arguments = parser.parse_args(["journal", "verify", str(path)])
        status: int = arguments.run(arguments)
        return status, capsys.readouterr().out.splitlines()

    return verify


async def test_an_export_is_verified_without_the_gateway(full: OpenLedger, verify: Verify) -> None:
    status, said = verify(await exported(full))

    head = full.one("SELECT hash FROM cursors WHERE stream = ? AND name = 'head'", LOT)
    assert status == 0
    assert said[0].startswith("elm-street   ")
    assert "2 epochs" in said[0]
    assert said[0].endswith(head[:12])
    assert said[-1] == "ok"


async def test_a_row_that_was_changed_is_named(full: OpenLedger, verify: Verify) -> None:
    lines = (await exported(full)).split("\r\n")
    lines[3] = lines[3].replace("ABC", "ABD").replace('"key:1"', '"key:2"')

    status, said = verify("\r\n".join(lines))

    assert status == 1
    assert ": row 3: its hash does not follow from the row before" in said[-2]
    assert said[-1].startswith("1 fault;")


async def test_a_row_that_is_missing_is_named(full: OpenLedger, verify: Verify) -> None:
    lines = (await exported(full)).split("\r\n")
    del lines[3]

    status, said = verify("\r\n".join(lines))

    assert status == 1
    assert any("row 4 stands where 3 belongs" in one for one in said)


async def test_a_line_that_is_none_is_named(full: OpenLedger, verify: Verify) -> None:
    text = (await exported(full)).replace('"2"', '"two"', 1)

    status, said = verify(text)

    assert (status, said[-2]) == (1, "! line 3: holds no row of an audit log")


async def test_what_a_spreadsheet_puts_before_the_text_does_no_harm(
    full: OpenLedger, verify: Verify
) -> None:
    assert verify("\ufeff" + await exported(full))[0] == 0


def test_a_file_that_is_no_text_is_not_whole(verify: Verify) -> None:
    assert verify(HEADER + b"\xff\xfe\x00")[0] == 1
