"""A function fits on a screen, a file in one sitting."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 500
LONGEST_FUNCTION = 60
FILES = [
    path
    for top in ("library", "edge", "cloud", "firmware-sim")
    for path in sorted((ROOT / top).rglob("*.py"))
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_and_each_of_its_functions_can_be_read_at_once(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]

    too_long = [
        node.name
        for node in functions
        if (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION
    ]

    assert text.count("\n") <= LONGEST_FILE
    assert too_long == []
