"""The page of the contract is complete, and names tests that exist."""

import ast
import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.conformance.tables import PAGE, made, written

TESTS: Final = Path(__file__).parents[1]
NUMBERS: Final = [*map(str, range(1, 93)), *(f"C{number}" for number in range(1, 41))]


class Row(NamedTuple):
    """A row of the public document, and what became of it."""

    number: str
    what: str
    scope: str
    tests: tuple[str, ...]


def rows() -> list[Row]:
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"C?[0-9]+", cells[0]) and len(cells) == 4:
            tests = tuple(re.findall(r"`(test_\w+)`", cells[3]))
            found.append(Row(cells[0], cells[1], cells[2], tests))
    return found


def names_of_tests() -> set[str]:
    """Return the names of all tests in the repository."""
    return {
        each.name
        for path in TESTS.rglob("test_*.py")
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test")
    }


def test_every_row_of_the_document_stands_on_the_page_once() -> None:
    assert [row.number for row in rows()] == NUMBERS


def test_every_row_says_what_it_is_and_whether_it_is_done() -> None:
    for row in rows():
        assert row.what.endswith((".", "`.")), row
        assert row.scope == "in scope" or re.match(r"(later|not here): \w", row.scope), row


def test_every_row_that_is_done_has_a_test_and_no_other_has() -> None:
    for row in rows():
        assert bool(row.tests) is (row.scope == "in scope"), row


def test_every_test_on_the_page_exists() -> None:
    named = {name for row in rows() for name in row.tests}

    assert named <= names_of_tests()


@pytest.mark.parametrize("name", sorted(made()))
def test_the_tables_are_those_of_the_code(name: str) -> None:
    assert written()[name] == made()[name], "run: python -m tests.conformance.tables"
