"""The tables of `library/CONTRACT.md` that come from the code. To write them, run this module."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from parkgraph.model.api.sessions import STATUS
from tests.conformance.differences import CODES, VALUES
from tests.conformance.test_states import ANSWERS, OPERATIONS

PAGE: Final = Path(__file__).parents[2] / "library" / "CONTRACT.md"
_BLOCK: Final = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


def written() -> Mapping[str, str]:
    """Return each table by its name, as it stands on the page."""
    return {found[1]: found[2] for found in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}


def made() -> Mapping[str, str]:
    """Return each table by its name, as the code has it."""
    return {
        "status": _table(("state", "status"), [(state, STATUS[state]) for state in STATUS]),
        "states": _table(
            ("state", *OPERATIONS),
            [(state, *map(str, answers)) for state, answers in ANSWERS.items()],
        ),
        "values": _table(("field", "why"), list(VALUES.items())),
        "codes": _table(("code", "of whom"), list(CODES.items())),
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([f"`{row[0]}`", *row[1:]] for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    tables = made()
    text = PAGE.read_text(encoding="utf-8")
    text = _BLOCK.sub(lambda found: f"<!-- {found[1]} -->\n{tables[found[1]]}<!-- end -->", text)
    PAGE.write_text(text, encoding="utf-8")
