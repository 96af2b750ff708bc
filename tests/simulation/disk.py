"""A disk that forgets what was not synced: by sectors, torn ones among them."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

SECTOR: Final = 512
# Of each sector that was written but not synced when the power went: how likely it is so.
_LANDED: Final = 0.45
_TORN: Final = 0.05
_NEW_FILE_VANISHES: Final = 0.5
_REMOVED_FILE_RETURNS: Final = 0.5

Snapshot = Mapping[str, bytes]


@dataclass(slots=True)
class File:
    """A file: what programs see, what is on the platter, and the changes between the two."""

    memory: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    # An offset with what was written there, or with None where the file was cut off.
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    is_listed: bool = False  # its name is on the platter

    def settle(self) -> None:
        """Put every pending change on the platter, in order."""
        durable = self.durable
        for offset, data in self.pending:
            if data is None:
                del durable[offset:]
            else:
                _put(durable, offset, data)
        self.pending.clear()
        self.is_listed = True

    def scatter(self, random: Random) -> None:
        """Put some of the pending changes on the platter, as a cut of the power leaves them."""
        for offset, data in self.pending:
            if data is None:
                if random.random() < 0.5:
                    del self.durable[offset:]
                continue
            begin, end = 0, SECTOR - offset % SECTOR
            while begin < len(data):
                chance, sector = random.random(), data[begin:end]
                if chance < _LANDED:
                    _put(self.durable, offset + begin, sector)
                elif chance < _LANDED + _TORN:
                    torn = sector[: random.randrange(len(sector))]
                    _put(self.durable, offset + begin, torn)
                begin, end = end, end + SECTOR
        self.pending.clear()


class Disk:
    """Files of one machine; they outlive its processes, and its power as far as they are synced."""

    def __init__(self, random: Random) -> None:
        """Be an empty disk whose damage is drawn from `random`."""
        self.files: dict[str, File] = {}
        # More bytes than that, and the disk is full. None: it never is.
        self.quota_bytes: int | None = None
        # So many of the next syncs fail; what they should have saved stays unsaved.
        self.failing_syncs = 0
        self.syncs = 0
        self._random = random
        self._removed: dict[str, File] = {}
        self._fuse = 0
        self._blown: Callable[[], None] | None = None

    def light_fuse(self, operations: int, blown: Callable[[], None]) -> None:
        """Call `blown`, which is to cut the power, inside the n-th write or sync from now."""
        self._fuse, self._blown = operations, blown

    def put_out_fuse(self) -> None:
        """Cut no power any more."""
        self._fuse, self._blown = 0, None

    def power_cut(self) -> None:
        """Forget: each sector that was not synced has landed, is lost or is torn."""
        self._fuse, self._blown = 0, None
        for name, file in self._removed.items():
            if name not in self.files and self._random.random() < _REMOVED_FILE_RETURNS:
                self.files[name] = file
        self._removed.clear()
        for name, file in list(self.files.items()):
            if not file.is_listed and self._random.random() < _NEW_FILE_VANISHES:
                del self.files[name]
                continue
            file.scatter(self._random)
            file.memory = bytearray(file.durable)
            file.is_listed = True

    def snapshot(self) -> Snapshot:
        """Return what all files hold now, as a backup of the whole disk would."""
        return {name: bytes(file.memory) for name, file in self.files.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Replace all files by those of `snapshot`."""
        self._removed.clear()
        self.files = {
            name: File(bytearray(data), bytearray(data), is_listed=True)
            for name, data in snapshot.items()
        }

    def flip_bit(self, name: str) -> int:
        """Turn one bit of the file `name` over, in memory and on the platter; return its offset."""
        file = self.files[name]
        offset = self._random.randrange(len(file.memory))
        bit = 1 << self._random.randrange(8)
        file.memory[offset] ^= bit
        if offset < len(file.durable):
            file.durable[offset] ^= bit
        return offset

    def open(self, name: str) -> File:
        """Return the file `name`, made if need be."""
        return self.files.setdefault(name, File())

    def write(self, file: File, data: bytes, offset: int) -> None:
        """Change `file` in memory.

        Raises:
            OSError: ENOSPC, the disk is full; EIO, the power went.
        """
        grown = offset + len(data) - len(file.memory)
        if self.quota_bytes is not None and grown > 0 and self._used() + grown > self.quota_bytes:
            raise OSError(errno.ENOSPC, "the simulated disk is full")
        _put(file.memory, offset, data)
        file.pending.append((offset, data))
        if self._fuse:
            self._burn()

    def truncate(self, file: File, size: int) -> None:
        """Cut `file` off behind `size` bytes."""
        del file.memory[size:]
        file.pending.append((size, None))

    def sync(self, file: File) -> None:
        """Make what `file` holds durable.

        Raises:
            OSError: EIO, the sync failed or the power went. A later sync does not make up for it.
        """
        self.syncs += 1
        if self._fuse:
            self._burn()
        if self.failing_syncs:
            self.failing_syncs -= 1
            # Linux marks the pages clean all the same: nobody will write them again.
            file.scatter(self._random)
            raise OSError(errno.EIO, "the simulated disk failed to sync")
        file.settle()
        # The journal of the file system saves the names along with any file.
        self._removed.clear()

    def remove(self, name: str) -> None:
        """Remove the file `name`; it may come back if nothing is synced before a power cut."""
        file = self.files.pop(name, None)
        if file is not None and file.is_listed:
            self._removed[name] = file

    def replace(self, name: str, data: bytes) -> None:
        """Put `data` in place of the file `name`, all or nothing; it is durable on return.

        Raises:
            OSError: as `write` and `sync`; the old file is then still there, or the new one is.
        """
        new = File()
        self.write(new, data, 0)
        self.sync(new)
        old, self.files[name] = self.files.get(name), new
        if self._fuse == 1 and old is not None and self._random.random() < 0.5:
            self.files[name] = old  # the power goes before the new name is on the platter
        if self._fuse:
            self._burn()

    def _used(self) -> int:
        return sum(len(file.memory) for file in self.files.values())

    def _burn(self) -> None:
        self._fuse -= 1
        if self._fuse == 0:
            assert self._blown is not None
            self._blown()
            raise OSError(errno.EIO, "the power of the simulated machine went")


def _put(target: bytearray, offset: int, data: bytes) -> None:
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data
