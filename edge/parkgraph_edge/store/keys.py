"""The key under which the lot issues gate codes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from parkgraph.runtime.errors import UnavailableError

KEY_BYTES: Final = 32


def gate_code_key(directory: Path, random: Callable[[int], bytes]) -> bytes:
    """Return the lot's key, made at the first call and kept in `directory` for its owner alone.

    Raises:
        UnavailableError: it can be neither read nor made.
    """
    path = directory / "gate-code.key"
    try:
        if not path.exists():
            _write(path, random(KEY_BYTES))
        return path.read_bytes()
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}; check folder, owner, disk") from error


def _write(path: Path, key: bytes) -> None:
    """Write whole or not at all: a torn key would make every later code another one."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
