"""What systemd is told: ready, alive, stopping. Source: sd_notify(3)."""

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
