"""The states that queries name are the model's, and facts are written in one place."""

import re
from pathlib import Path

import pytest

from parkgraph.model.sessions import OPEN_STATES
from parkgraph_edge.rules.allotments import AWAITED
from tests.fakes import FACT_TABLES

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path for top in ("library", "edge") for path in (ROOT / top).rglob("*.sql"))


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
