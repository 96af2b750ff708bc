"""No query reads all of a table that grows with the years."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from parkgraph.journal.ledger import MIGRATIONS
from parkgraph.runtime.queries import load_queries
from tests.fakes import a_database

ROOT = Path(__file__).parents[2]
# Any other, under whatever name a query has for it, grows.
BOUNDED = {
    "lots", "spaces", "lot_states", "keypads", "cursors", "epochs", "dead_letters", "conflicts",
    "barred_keys", "observations", "keys", "rate_cards", "agents", "clock", "known", "next",
    "json_each", "CONSTANT", "boots", "newest",
}  # fmt: skip
SIDES = {"edge": "parkgraph_edge.store.migrations", "cloud": "parkgraph_cloud.migrations"}
# Once an epoch: what is to be told may be in any row.
READS_ALL = {"sessions_to_tell"}


def queries(folder: str) -> Iterator[tuple[str, str]]:
    for file in sorted((ROOT / folder).rglob("*.sql")):
        if "migrations" not in file.parts:
            package = ".".join(file.relative_to(ROOT / folder).parent.parts)
            yield from load_queries(package, file.name).items()


CASES = [
    pytest.param(side, sql, id=f"{side}-{name}")
    for side in SIDES
    for name, sql in (*queries("library"), *queries(side))
    if name not in READS_ALL
]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, sqlite3.Connection]]:
    folder = tmp_path_factory.mktemp("plans")
    opened = {
        side: a_database(folder / f"{side}.db", MIGRATIONS, migrations)
        for side, migrations in SIDES.items()
    }
    yield opened
    for connection in opened.values():
        connection.close()


@pytest.mark.parametrize(("side", "sql"), CASES)
def test_a_query_finds_its_rows_by_an_index(
    databases: dict[str, sqlite3.Connection], side: str, sql: str
) -> None:
    connection = databases[side]

    assert not reads_all(connection, sql)


def test_a_query_that_reads_all_is_noticed(databases: dict[str, sqlite3.Connection]) -> None:
    stays = "SELECT * FROM sessions WHERE lot = :lot AND ended_at > :since"
    rows = "SELECT * FROM journal WHERE stream = :lot AND at > :since"

    assert reads_all(databases["edge"], stays) == ["SCAN sessions"]
    assert reads_all(databases["edge"], rows) == [
        "SEARCH journal USING INDEX sqlite_autoindex_journal_1 (stream=?)"
    ]


def reads_all(connection: sqlite3.Connection, sql: str) -> list[str]:
    """Return the steps of a query that go through all rows, of one lot or stream or of all."""
    parameters = dict.fromkeys(re.findall(r":(\w+)", sql))
    with closing(connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)) as plan:
        steps = [row["detail"] for row in plan]
    partial = {
        row["name"]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%WHERE%'")
    }
    found = []
    for step in steps:
        table = re.match(r"(?:SCAN|SEARCH) (\w+)", step)
        index = re.search(r"INDEX (\w+)", step)
        is_wide = step.startswith("SCAN") or step.endswith(("(lot=?)", "(stream=?)"))
        if table and table[1] not in BOUNDED and is_wide and not (index and index[1] in partial):
            found.append(step)
    return found
