"""Every query fits the schema, and facts are written in one place."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from parkgraph.model.sessions import OPEN_STATES
from parkgraph.runtime.queries import load_queries
from parkgraph_edge.rules.allotments import AWAITED
from tests.fakes import FACT_TABLES, a_database

ROOT = Path(__file__).parents[2]
MODULES = [
    ("parkgraph.journal", "apply.sql"),
    ("parkgraph.journal", "facts.sql"),
    ("parkgraph.journal", "ledger.sql"),
    ("parkgraph.journal", "changes.sql"),
    ("parkgraph.journal", "observations.sql"),
    ("parkgraph.front", "views.sql"),
    ("parkgraph.front", "events.sql"),
    ("parkgraph.front", "journals.sql"),
    ("parkgraph_edge.store", "facts.sql"),
    ("parkgraph_edge.store", "audit.sql"),
    ("parkgraph_edge.http", "lot.sql"),
]
QUERIES = [
    pytest.param(text, id=f"{package}:{name}")
    for package, file in MODULES
    for name, text in load_queries(package, file).items()
]
SCRIPTS = sorted(path for top in ("library", "edge") for path in (ROOT / top).rglob("*.sql"))


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("schema") / "ledger.db"
    with contextlib.closing(a_database(path)) as connection:
        yield connection


def plan_of(schema: sqlite3.Connection, query: str) -> list[str]:
    names = set(re.findall(r":(\w+)", re.sub(r"--.*", "", query)))
    parameters = dict.fromkeys(names, 1)
    rows = schema.execute(f"EXPLAIN QUERY PLAN {query}", parameters)
    return [row["detail"] for row in rows]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_fits_the_schema_and_reads_no_whole_table(
    schema: sqlite3.Connection, query: str
) -> None:
    plan = plan_of(schema, query)

    # A ledger has one lot and a space for each stay inside, and few epochs and things to look at;
    # json_each reads what it is given; `newest` has a limit.
    small = "CONSTANT ROW|lots|json_each|newest|epochs|cursors|dead_letters|conflicts"
    assert [step for step in plan if re.match(rf"SCAN (?!({small})\b)", step)] == []


@pytest.mark.parametrize(
    "script", [s for s in SCRIPTS if "IN (" in s.read_text()], ids=lambda path: path.name
)
def test_the_open_states_of_every_script_are_those_of_the_model(script: Path) -> None:
    lists = re.findall(r"state IN \(([^)]*)\)", script.read_text())

    for states in lists:
        assert {state.strip(" '") for state in states.split(",")} in (OPEN_STATES, AWAITED)


def test_facts_are_written_by_apply_alone() -> None:
    writes = re.compile(rf"(INSERT INTO|UPDATE|DELETE FROM) ({'|'.join(FACT_TABLES)})\b")
    sources = [
        path
        for top in ("library", "edge", "cloud")
        for kind in ("*.py", "*.sql")
        for path in (ROOT / top).rglob(kind)
    ]

    writing = {path.name for path in sources if writes.search(path.read_text(encoding="utf-8"))}

    assert writing == {"apply.sql", "0002_digests.sql"}
    digests = (ROOT / "edge/parkgraph_edge/store/migrations/0002_digests.sql").read_text()
    assert set(re.findall(r"UPDATE \w+ SET (\w+)", digests)) == {"digest"}
    assert not re.search(r"INSERT INTO|DELETE FROM", digests)
