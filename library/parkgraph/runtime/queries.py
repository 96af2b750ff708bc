"""SQL that lives in `.sql` files: blocks headed `-- name: …`, found by that name."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(package: str, file: str) -> Mapping[str, str]:
    """Return the queries of `file` inside `package`, each by its name."""
    parts = _HEADING.split((files(package) / file).read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    )
