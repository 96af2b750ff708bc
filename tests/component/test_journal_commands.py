"""`parkgraph-edge journal`: what the ledger holds, told to people and to other programs."""

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.model.records import AllotmentsAsked, CancelAsked, ExtensionAsked
from parkgraph.runtime.sqlite import connect
from parkgraph_edge import journal_show
from parkgraph_edge.journal_commands import add_parser
from tests.builders import LOT, NOON, a_booking, the_documented_configuration
from tests.fakes import FakeClock, facts_of, open_ledger
from tests.ledgers import a_day, flip, go_on, take_directives

CONFIG = Path(__file__).parents[2] / "config"
KEY = "pk_live_0123456789abcdefghij"

Run = Callable[..., int]


@pytest.fixture
def run() -> Run:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(required=True))

    def run(*words: object) -> int:
        arguments = parser.parse_args(["journal", *map(str, words)])
        status: int = arguments.run(arguments)
        return status

    return run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the ledger of two days, two epochs and some directives."""
    folder = tmp_path_factory.mktemp("days")

    async def write() -> None:
        clock = FakeClock()
        async with open_ledger(folder, clock=clock) as ledger:
            await a_day(ledger, clock)
            asked = AllotmentsAsked(asked_at=NOON)
            gone = ExtensionAsked(session="sess_gone", minutes=60)
            await take_directives(ledger, asked, gone, CancelAsked(session="sess_gone"))
            await go_on(ledger, "fork")
            clock.advance(86400)
            await ledger.submit(a_booking("NEXT DAY"))

    with asyncio.Runner() as runner:
        runner.run(write())
    return folder


@pytest.fixture
def path(kept: Path, tmp_path: Path) -> Path:
    """Return a copy of that ledger, to be damaged."""
    shutil.copy(kept / "ledger.db", tmp_path / "ledger.db")
    return tmp_path / "ledger.db"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Return a configuration whose state directory holds no ledger yet."""
    text = re.sub(r'directory = ".*"', 'directory = "state"', the_documented_configuration())
    (tmp_path / "edge.toml").write_text(text)
    (tmp_path / "api.key").write_text(KEY)
    (tmp_path / "api.key").chmod(0o600)
    return tmp_path / "edge.toml"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    def lines() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return lines


Said = Callable[[], list[str]]


def test_a_whole_ledger_is_ok(run: Run, path: Path, said: Said) -> None:
    before = path.read_bytes()

    assert run("verify", path) == 0

    lines = said()
    assert lines[-1] == "ok"
    assert re.match(r"elm-street +2 epochs, \d+ rows +head \d+ [0-9a-f]{12}$", lines[0])
    assert re.match(r"elm-street/cloud +1 epoch, 3 rows", lines[1])
    assert "1 conflicts, 0 rows set aside; see journal show --conflicts" in lines[3]
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]


DAMAGE = [
    ("UPDATE journal SET actor = '?' WHERE seq = 5", "row 5: its hash does not follow"),
    ("DELETE FROM journal WHERE seq = 5", "row 6 stands where 5 belongs"),
    ("UPDATE journal SET epoch = 4 WHERE seq = 20", "epoch 4 is not known"),
    ("UPDATE cursors SET seq = 99", "no epoch ends at its head, row 99"),
    ("UPDATE sessions SET amount_minor = 1", "sessions: session 'sess_"),
    ("DELETE FROM sessions", "replay: sessions sess_"),
    ("UPDATE spaces SET holder = NULL", "holder is None, should be 'sess_"),
]


@pytest.mark.parametrize(("change", "fault"), DAMAGE, ids=[change for change, _ in DAMAGE])
def test_each_kind_of_damage_is_named(
    run: Run, path: Path, said: Said, change: str, fault: str
) -> None:
    flip(path, change)

    assert run("verify", path) == 1

    text = "\n".join(said())
    assert fault in text
    assert text.endswith("keep the file as it is")


def test_an_index_that_lost_a_row_is_found(run: Run, path: Path, said: Said) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        where = " WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')"
        change = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ?"
        name = "one_open_session_a_space"
        connection.execute(change, (where, " WHERE state IN ('allotted')", name))
        connection.execute(change, ("'allotted', 'reserved', 'arriving', 'parked'", "'x'", name))
        connection.commit()

    assert run("verify", path) == 1
    assert "! file: " in "\n".join(said())


def test_no_plate_and_no_code_stands_in_what_verify_says(run: Run, path: Path, said: Said) -> None:
    flip(path, "UPDATE sessions SET plate = 'XYZ 99', gate_code = '7777' || gate_code")

    assert run("verify", path) == 1

    text = "\n".join(said())
    assert "plate differs" in text
    assert "XYZ" not in text
    assert "7777" not in text


def test_a_damaged_page_is_told_and_not_a_traceback(
    run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(path.read_bytes())
    for page in range(8 * 4096, len(content) - 4096, 3 * 4096):
        content[page : page + 64] = b"\xff" * 64
    path.write_bytes(content)

    assert run("verify", path) == 1
    told = capsys.readouterr()  # on stderr where not even the schema can be read
    assert re.search(r"cannot be read|malformed|out of order", told.out + told.err)


def test_a_ledger_is_read_while_the_gateway_writes_it(run: Run, path: Path, said: Said) -> None:
    with contextlib.closing(connect(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE spaces SET holder = NULL")

        assert run("verify", path) == 0
        writer.execute("ROLLBACK")
    assert said()[-1] == "ok"


def test_erased_personal_parts_are_no_fault(run: Run, path: Path, said: Said) -> None:
    flip(path, "UPDATE journal SET personal = NULL")

    assert run("verify", path) == 0
    assert said()[-1] == "ok"


def test_what_is_exported_can_be_verified_elsewhere(run: Run, path: Path, said: Said) -> None:
    assert run("export", path) == 0

    rows = [json.loads(line) for line in said()]
    previous: dict[Any, str] = {}
    for row in rows:
        key = row["stream"], row["epoch"]
        names = ("stream", "epoch", "seq", "at", "actor", "subject", "type", "body", "digest")
        covered = [previous.get(key, "0" * 64), *(row[name] for name in names)]
        assert hashlib.sha256(json.dumps(covered).encode()).hexdigest() == row["hash"]
        previous[key] = row["hash"]
    assert len(previous) == 3
    assert not any("personal" in row or "salt" in row for row in rows)
    assert "CAR" not in json.dumps(rows)


def test_the_personal_part_is_exported_when_asked_for(run: Run, path: Path, said: Said) -> None:
    assert run("export", path, "--with-personal", "--stream", LOT, "--since", 2) == 0

    rows = [json.loads(line) for line in said()]
    assert {row["stream"] for row in rows} == {LOT}
    assert rows[0]["seq"] == 2
    row = next(row for row in rows if row["personal"])
    digest = hashlib.sha256(f"{row['salt']}:{row['personal']}".encode()).hexdigest()
    assert digest == row["digest"]


def test_the_story_of_a_lot_can_be_read(run: Run, path: Path, said: Said) -> None:
    assert run("show", path, "--last", 500) == 0

    lines = said()
    assert lines[0] == "Monday 01 June 2026 (America/Los_Angeles)"
    first = "1 05:00:00 system lot described: 10 spaces, 2 lanes"
    assert " ".join(lines[1].split()) == first
    assert any(
        re.match(r" +\d+ 05:10:00 ! lane:north-in +refused at north-in by code: wrong", line)
        for line in lines
    )
    assert "Tuesday 02 June 2026 (America/Los_Angeles)" in lines
    assert lines[-1] == "! 1 conflicts and 0 rows set aside: see --conflicts"
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--type", "crossed"), 3),
        (("--lane", "south-out", "--type", "admission_granted"), 2),
        (("--plate", "car-3", "--type", "no_show_declared"), 1),
        (("--last", "3"), 3),
        (("--since", "2026-06-02"), 1),
        (("--since", "2026-06-02T05:00", "--plate", "CAR 0"), 0),
    ],
)
def test_rows_can_be_chosen(
    run: Run, path: Path, said: Said, words: tuple[str, ...], count: int
) -> None:
    assert run("show", path, "--json", *words) == 0

    rows = [json.loads(line) for line in said()]
    assert len(rows) == count
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


def test_all_of_one_stay_is_told(run: Run, path: Path, said: Said) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        query = "SELECT session FROM sessions WHERE plate = 'CAR 0'"
        (session,) = connection.execute(query).fetchone()

    assert run("show", path, "--session", session, "--json") == 0

    types = [json.loads(line)["type"] for line in said()]
    assert types[0] == "session_reserved"
    assert types[-1] == "crossed"


def test_what_people_have_to_look_at_is_told(run: Run, path: Path, said: Said) -> None:
    letter = "INSERT INTO dead_letters VALUES ('elm-street', 1, 2, 'sess_1', 'no such space')"
    flip(path, letter)

    assert run("show", path, "--conflicts") == 0

    text = "\n".join(said())
    assert "sess_gone: extension void" in text
    assert "row 2 of elm-street, about sess_1, was set aside: no such space" in text


def test_rows_are_followed_as_they_come(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    class EnoughError(Exception):
        pass

    def out(line: str) -> None:
        lines.append(line)
        if "LATE 1" in line:
            raise EnoughError

    parser = argparse.ArgumentParser()
    journal_show.add_options(parser)
    options = parser.parse_args(["--follow", "--last", "1"])

    def book() -> None:
        async def write() -> None:
            clock = FakeClock(NOON + timedelta(days=2))
            async with open_ledger(path.parent, clock=clock) as ledger:
                await ledger.submit(a_booking("LATE 1"))

        with asyncio.Runner() as runner:
            runner.run(write())

    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        thread = threading.Thread(target=book)
        thread.start()
        with pytest.raises(EnoughError):
            journal_show.show(connection, options, out)
        thread.join()
    assert len([line for line in lines if "reserved for" in line]) == 2


def test_replaying_gives_the_same_facts(run: Run, path: Path, said: Said) -> None:
    new = path.with_name("new.db")

    assert run("replay", path, "--into", new) == 0

    assert re.fullmatch(r"\d+ rows replayed: the same facts", said()[-1])
    assert facts_of(new) == facts_of(path)


def test_facts_that_do_not_follow_are_named(run: Run, path: Path, said: Said) -> None:
    flip(path, "UPDATE sessions SET estimated_minor = 1 WHERE plate = 'CAR 0'")
    flip(path, "INSERT INTO barred_keys VALUES ('elm-street', 'k', NULL)")

    assert run("replay", path) == 1

    lines = said()
    assert re.match(r"! sessions sess_\w+: estimated_minor is 1, should be 700", lines[0])
    assert lines[1:] == [
        "! barred_keys k: does not follow from the journal",
        f"{lines[2].split()[0]} rows replayed: 2 differences",
    ]


def test_a_configuration_names_its_ledger(
    run: Run, configuration: Path, path: Path, said: Said
) -> None:
    (configuration.parent / "state").mkdir()
    path.rename(configuration.parent / "state" / "ledger.db")

    assert run("verify", configuration) == 0
    assert said()[-1] == "ok"


def test_a_ledger_that_may_not_be_written_can_be_read(run: Run, path: Path, said: Said) -> None:
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert run("verify", path) == 0
    finally:
        path.parent.chmod(0o700)
    assert said()[-1] == "ok"


def misuse(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    (tmp_path / "text.db").write_text("no database")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (c)")
    return {
        "is a folder; give edge.toml": ("verify", str(tmp_path)),
        "no such file or directory; give edge.toml": ("verify", str(tmp_path / "nowhere.toml")),
        "is no ledger of a lot": ("show", str(tmp_path / "other.db")),
        "file is not a database": ("verify", str(tmp_path / "text.db")),
        "there is no ledger yet; the gateway makes it": ("show", str(tmp_path / "edge.toml")),
        "is no time; write 90m": ("show", str(tmp_path / "ledger.db"), "--since", "yesterday"),
        "--stream x: is none; here are elm-street": (
            "export",
            str(tmp_path / "ledger.db"),
            "--stream",
            "x",
        ),
        "ledger.db: is there already; name a new file": (
            "replay",
            str(tmp_path / "ledger.db"),
            "--into",
            str(tmp_path / "ledger.db"),
        ),
        "a plate is letters and digits": ("show", str(tmp_path / "ledger.db"), "--plate", "?!"),
    }


@pytest.mark.parametrize("number", range(9))
def test_wrong_use_is_told_in_one_line(
    run: Run, path: Path, configuration: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    what, words = list(misuse(path.parent).items())[number]

    status = run(*words)

    error = capsys.readouterr().err
    assert status in {1, 2}
    assert what in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("show",), ("show", "x.db", "--last", "0"), ("mend", "x")])
def test_what_is_no_command_is_refused(
    run: Run, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)

    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_help_of_export_says_how_to_verify(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("export", "--help")

    assert "before the first row of an epoch stand 64 zeros" in capsys.readouterr().out


def test_a_reader_that_has_enough_is_no_error(path: Path) -> None:
    command = f"{sys.executable} -m parkgraph_edge journal export {path} | head -1"

    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["seq"] == 1
    assert ended.stderr == ""
