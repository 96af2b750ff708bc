"""A file that grows at its end and is made durable there, at little cost."""

import errno
import os
from pathlib import Path
from typing import Final

ZEROS_AHEAD: Final = 256 * 1024
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class AppendedFile:
    """A file on this machine's disk that grows at its end, readable by its owner alone.

    It is written over zeros that lie there already, so that a sync does not move the end of the
    file as well.
    """

    def __init__(self, path: Path) -> None:
        """Use the file `path`; its folder exists."""
        self._path = path
        self._descriptor: int | None = None
        self._end = 0
        self._zeros_end = 0

    def read(self) -> bytes:
        """Return all it holds; nothing where it does not exist."""
        try:
            return self._path.read_bytes().rstrip(b"\0")
        except FileNotFoundError:
            return b""

    def append(self, data: bytes) -> None:
        """Add `data` at the end; it is durable after `sync`."""
        if self._descriptor is None:
            self._end = len(self.read())
            self._descriptor = _open(self._path)
            self._zeros_end = os.fstat(self._descriptor).st_size
        if self._end + len(data) > self._zeros_end:
            self._zeros_end = _write_zeros(self._descriptor, self._end + len(data))
        _write(self._descriptor, data, self._end)
        self._end += len(data)

    def sync(self) -> None:
        """Make durable what was appended."""
        if self._descriptor is not None:
            os.fdatasync(self._descriptor)

    def replace(self, data: bytes) -> None:
        """Put `data` in its place, all or nothing; it is durable on return."""
        self.close()
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.unlink(missing_ok=True)
        self._put(data, draft)
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def set_aside(self, data: bytes) -> str:
        """Keep `data` beside the file under a name that is free; return it."""
        path = free_name(self._path, "aside")
        AppendedFile(path).replace(data)
        return str(path)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _put(self, data: bytes, draft: Path) -> None:
        descriptor = _open(draft)
        try:
            _write(descriptor, data, 0)
            _write_zeros(descriptor, len(data))
            os.fsync(descriptor)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def free_name(path: Path, word: str) -> Path:
    """Return a name beside `path` that nothing has yet: `ledger-damaged-1.db`."""
    numbers = (path.with_name(f"{path.stem}-{word}-{n}{path.suffix}") for n in range(1, 10_000))
    return next(name for name in numbers if not name.exists())


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _write(descriptor: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(descriptor, rest, at)
        rest, at = rest[count:], at + count


def _write_zeros(descriptor: int, at: int) -> int:
    """Write zeros from `at` on, as far as there is room; return where they end."""
    try:
        _write(descriptor, bytes(ZEROS_AHEAD), at)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return at
    return at + ZEROS_AHEAD
