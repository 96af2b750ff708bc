"""Small file systems of their own, and the power cut: a shutdown that writes nothing more."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32); source: the kernel's headers.
_GOING_DOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = 2
_MAKE: Final[dict[str, Sequence[str]]] = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
}
# The smallest that mkfs.xfs makes; the file has holes, so little of it is on the disk.
_IMAGE_BYTES: Final = 320 * 1024 * 1024


class LoopDisk:
    """A file system in a file, mounted through a loop device that goes away with the mount."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Make an empty `kind`, ext4 or xfs, in `folder`. It is not mounted yet."""
        self.kind = kind
        self.path = folder / kind
        self.path.mkdir(exist_ok=True)
        self._image = folder / f"{kind}.image"
        self._image.unlink(missing_ok=True)
        with self._image.open("wb") as image:
            image.truncate(_IMAGE_BYTES)
        _run(*_MAKE[kind], str(self._image))
        self._is_mounted = False  # a file system that was cut does not even answer this

    def mount(self) -> None:
        """Mount it, with what its journal holds replayed."""
        _run("mount", "-t", self.kind, "-o", "loop", str(self._image), str(self.path))
        self._is_mounted = True

    def cut(self) -> None:
        """Cut the power: from now on nothing reaches the disk, not even the file system's log."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _GOING_DOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Unmount it, if it is mounted; what was in memory only is gone."""
        if self._is_mounted:
            _run("umount", str(self.path))
            self._is_mounted = False

    def remove(self) -> None:
        """Unmount it and delete its image."""
        self.unmount()
        self._image.unlink(missing_ok=True)


class MemoryDisk:
    """A tmpfs of a fixed size."""

    def __init__(self, folder: Path, mib: int) -> None:
        """Mount one of `mib` in `folder`."""
        self.path = folder / "memory"
        self.path.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", str(self.path))

    def remove(self) -> None:
        """Unmount it."""
        _run("umount", "--lazy", str(self.path))


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
