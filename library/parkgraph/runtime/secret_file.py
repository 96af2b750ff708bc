"""A secret that a program makes for itself and keeps."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from parkgraph.runtime.errors import UnavailableError

BYTES: Final = 32


def kept_secret(path: Path, random: Callable[[int], bytes]) -> bytes:
    """Return the 32 bytes in `path`; where it is missing, draw them, for its owner alone.

    Raises:
        UnavailableError: it can be neither read nor made, or is damaged.
    """
    try:
        if not path.exists():
            _write(path, random(BYTES))
        secret = path.read_bytes()
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}; check folder, owner, disk") from error
    if len(secret) != BYTES:
        raise UnavailableError(f"{path}: is {len(secret)} bytes and not {BYTES}; put a backup back")
    return secret


def _write(path: Path, secret: bytes) -> None:
    """Write whole or not at all, once: a torn key, or a second one, would be another one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):  # another program made it meanwhile
        path.hardlink_to(draft)
    draft.unlink()
    _sync(path.parent)


def _sync(directory: Path) -> None:
    """Let the file's name outlive a power cut too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
