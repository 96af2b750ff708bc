"""What systemd is told: ready, alive, stopping. Source: sd_notify(3)."""

import gc
import os
import socket


def notify(message: str) -> None:
    """Send `message` ("READY=1", "WATCHDOG=1", …) to systemd, if it started us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(message.encode(), address)


def ready() -> None:
    """Say that the program has started, and spare what it has loaded the search for garbage.

    That search stops all threads, for tens of milliseconds where it goes through every module.
    """
    gc.collect()
    gc.freeze()
    notify("READY=1")
