"""What the SDK asks of who installs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from parkgraph import client

ROOT: Final = Path(__file__).parents[2]
HEAVY: Final = {
    *("starlette", "uvicorn", "uvloop", "aiomqtt", "paho", "aiosqlite", "sqlite3", "structlog"),
    *("cryptography", "numpy", "cv2"),
}


def test_it_loads_nothing_that_a_vehicle_does_not_need() -> None:
    program = "import sys, parkgraph.client, parkgraph.model.api; print(*sys.modules)"

    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    loaded = {name.partition(".")[0] for name in told.stdout.split()}
    assert "httpx" in loaded
    assert loaded & HEAVY == set()


def test_it_brings_httpx_and_pydantic_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    asked = [*project["dependencies"], *project["optional-dependencies"]["client"]]

    assert sorted(re.split(r"[^a-z0-9-]", each)[0] for each in asked) == ["httpx", "pydantic"]


def test_all_that_is_public_is_there_and_is_explained() -> None:
    public = [getattr(client, name) for name in client.__all__]

    assert all(each.__doc__ for each in public)
    methods = [each for name, each in vars(client.ParkGraph).items() if not name.startswith("_")]
    assert len(methods) > 20
    assert all(method.__doc__ for method in methods)
