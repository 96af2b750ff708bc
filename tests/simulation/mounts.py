"""A disk as one process sees it: SQLite's file system over it, and plain files."""

import errno
import itertools
import zlib
from collections.abc import Callable
from typing import Any, Final

import apsw

from tests.simulation.disk import SECTOR, Disk, File

_NUMBERS = itertools.count(1)
# The headers of frames in the log are short, and hold check sums of all that was written.
_LONGEST_NOTED: Final = 64


class Mount:
    """Lets one process at the disk. What is detached reads, but changes nothing any more."""

    def __init__(self, disk: Disk, note: Callable[[float], None]) -> None:
        """Give access to `disk`; `note` takes what goes into the trace."""
        self.disk = disk
        self.note = note
        self.is_attached = True
        self.vfs_name = f"simulated-{next(_NUMBERS)}"
        self._vfs = _Vfs(self)

    def detach(self) -> None:
        """Make sure that a corpse cannot write."""
        if self.is_attached:
            self.is_attached = False
            self._vfs.unregister()

    def file(self, name: str) -> "PlainFile":
        """Return the plain file `name`, made if need be."""
        return PlainFile(self, name)


class PlainFile:
    """A file that is not SQLite's, such as a log that only grows."""

    def __init__(self, mount: Mount, name: str) -> None:
        self._mount = mount
        self._name = name

    def read(self) -> bytes:
        """Return all it holds; nothing if it does not exist."""
        file = self._mount.disk.files.get(self._name)
        return bytes(file.memory) if file else b""

    def append(self, data: bytes) -> None:
        """Add `data` at the end; a power cut before `sync` may take it, or parts of it.

        Raises:
            OSError: ENOSPC or EIO.
        """
        if self._mount.is_attached:
            file = self._mount.disk.open(self._name)
            self._mount.disk.write(file, data, len(file.memory))
            self._mount.note(zlib.crc32(data))

    def sync(self) -> None:
        """Make what was appended durable.

        Raises:
            OSError: EIO; what was appended since the last sync may be lost for good.
        """
        if self._mount.is_attached:
            self._mount.disk.sync(self._mount.disk.open(self._name))

    def replace(self, data: bytes) -> None:
        """Put `data` in its place, all or nothing; it is durable on return.

        Raises:
            OSError: ENOSPC or EIO.
        """
        if self._mount.is_attached:
            self._mount.disk.replace(self._name, data)
            self._mount.note(zlib.crc32(data))


class _Vfs(apsw.VFS):
    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        super().__init__(mount.vfs_name, "", maxpathname=512)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> Any:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        file = File() if path is None else self._mount.disk.open(path)
        return _VfsFile(self._mount, file)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802
        if self._mount.is_attached:
            self._mount.disk.remove(filename)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        return pathname in self._mount.disk.files

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


class _VfsFile:
    __slots__ = ("_disk", "_file", "_mount")

    def __init__(self, mount: Mount, file: File) -> None:
        self._mount = mount
        self._disk = mount.disk
        self._file = file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._file.memory[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        mount = self._mount
        if not mount.is_attached:
            return
        data = bytes(data)
        try:
            self._disk.write(self._file, data, offset)
        except OSError as error:
            raise _sqlite_error(error, apsw.SQLITE_IOERR_WRITE) from error
        if len(data) <= _LONGEST_NOTED:
            mount.note(zlib.crc32(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if self._mount.is_attached:
            self._disk.truncate(self._file, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if not self._mount.is_attached:
            return
        try:
            self._disk.sync(self._file)
        except OSError as error:
            raise _sqlite_error(error, apsw.SQLITE_IOERR_FSYNC) from error

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.memory)

    def xClose(self) -> None:  # noqa: N802
        pass

    def xLock(self, level: int) -> None:  # noqa: N802
        pass

    def xUnlock(self, level: int) -> None:  # noqa: N802
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        # As on Linux: writing one range leaves its neighbours alone, whenever the power goes.
        return int(apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)


def _sqlite_error(error: OSError, code: int) -> apsw.Error:
    # The types of apsw do not know the attributes that it reads and sets.
    failed: Any = apsw.IOError(str(error))
    failed.result, failed.extendedresult = apsw.SQLITE_IOERR, code
    if error.errno == errno.ENOSPC:
        failed = apsw.FullError(str(error))
        failed.result = failed.extendedresult = apsw.SQLITE_FULL
    translated: apsw.Error = failed
    return translated
