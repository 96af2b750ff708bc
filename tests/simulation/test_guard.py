"""Time, chance and threads enter the product in few places; the simulation stands on that."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# The simulator of hardware and the demo are no product of which a history consists.
PRODUCT: Final = ("library", "edge", "cloud")
WATCHED: Final = frozenset({"time", "random", "uuid", "secrets", "threading"})

# Whole folders where they may be used, and why.
FOLDERS: Final = {
    "library/parkgraph/runtime": "the one adapter",
    "edge/parkgraph_edge/vision": "a process of its own, outside of what is decided",
    "edge/training": "makes weights, and is part of no program",
}
# Single files, and why.
FILES: Final = {
    "edge/parkgraph_edge/daemon.py": "a composition root",
    "cloud/parkgraph_cloud/daemon.py": "a composition root",
    "library/parkgraph/client/outside.py": "a caller's own process, which waits with jitter",
    "edge/parkgraph_edge/recovery_command.py": "a command of an operator, while nothing runs",
    "edge/parkgraph_edge/journal_show.py": "a command of an operator, which follows a journal",
}


def imports_of_time_and_chance(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in WATCHED)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").split(".")[0] in WATCHED:
                yield str(node.module)
            if node.module == "os":
                yield from ("os.urandom" for name in node.names if name.name == "urandom")
        elif isinstance(node, ast.Attribute) and node.attr == "urandom":
            yield "os.urandom"


def is_allowed(name: str) -> bool:
    return name in FILES or any(name.startswith(f"{folder}/") for folder in FOLDERS)


def test_time_chance_and_threads_come_in_at_few_places_only() -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(set(imports_of_time_and_chance(path)))
        for top in PRODUCT
        for path in sorted((ROOT / top).rglob("*.py"))
    }

    assert len(found) > 60
    assert {name: what for name, what in found.items() if what and not is_allowed(name)} == {}


def test_no_place_is_excused_without_need() -> None:
    needs = [
        str(path.relative_to(ROOT))
        for top in PRODUCT
        for path in sorted((ROOT / top).rglob("*.py"))
        if list(imports_of_time_and_chance(path))
    ]

    assert [name for name in FILES if name not in needs] == []
    for folder in FOLDERS:
        assert any(name.startswith(f"{folder}/") for name in needs), folder
