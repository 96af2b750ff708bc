"""Mounts and networks that the kernel removes when this process dies, however it dies."""

import ctypes
import os
import socket
import subprocess
import threading
from typing import Final

from tests.faults.campaign import NotHereError

_CLONE_NEWNS: Final = 0x00020000  # source: sched.h
_CLONE_NEWNET: Final = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def keep_mounts_private() -> None:
    """Give this process and its children a mount table of their own.

    What is mounted in it, and the loop devices under that, go away with the last of them.

    Raises:
        NotHereError: the kernel does not allow it.
    """
    if _libc.unshare(_CLONE_NEWNS):
        raise NotHereError(f"cannot unshare mounts: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def socket_in(network: int) -> socket.socket:
    """Return a TCP socket inside the network namespace with the open descriptor `network`."""
    made: list[socket.socket] = []

    def make() -> None:
        # Namespaces belong to threads: this one ends with its own.
        if _libc.setns(network, _CLONE_NEWNET) == 0:
            made.append(socket.socket())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        raise NotHereError("cannot enter a network namespace")
    made[0].setblocking(False)
    return made[0]
