"""The register map of a barrier controller: `firmware-sim/README.md`, section 3."""

from collections.abc import Mapping, Sequence
from typing import Final

from parkgraph_firmware_sim.barrier import Barrier, Order

DEVICE_ID: Final = 1
INPUT_COUNT: Final = 20
ORDER_COUNT: Final = 5
MAP_VERSION: Final = 1
FIRMWARE: Final = 2 * 256 + 3
KEYPAD_REGISTERS: Final = 6
# What the controller says it is. No real one may say the same: gateways of synthetic lots obey it.
IDENTIFICATION: Final[Mapping[str, str]] = {
    "VendorName": "Park Graph",
    "ProductCode": "firmware-sim",
    "MajorMinorRevision": "2.3",
}


def input_registers(barrier: Barrier) -> list[int]:
    """The 20 input registers as they read now."""
    memory = barrier.memory
    return [
        MAP_VERSION,
        FIRMWARE,
        _status(barrier),
        round(barrier.boom.angle_degrees * 10),
        *_words(memory.passages),
        *_words(memory.token),
        *_words(memory.order_id),
        round(barrier.hold_seconds * 10),
        memory.boots,
        barrier.keypad_entries,
        *_text(barrier.last_entry),
        0,
    ]


def order_from(registers: Sequence[int]) -> Order:
    """The order that the five holding registers hold; nothing is checked but their number."""
    token_high, token_low, id_high, id_low, tenths = registers
    return Order(
        token=token_high << 16 | token_low, id=id_high << 16 | id_low, open_seconds=tenths / 10
    )


def _status(barrier: Barrier) -> int:
    bits = (
        barrier.inputs.arming,
        barrier.inputs.closing,
        barrier.boom.is_open,
        barrier.boom.is_closed,
        barrier.inputs.fire,
        barrier.inputs.tamper,
        barrier.boom.is_moving,
        barrier.has_fault,
    )
    return sum(1 << place for place, is_set in enumerate(bits) if is_set)


def _words(value: int) -> tuple[int, int]:
    """The high word, then the low one."""
    return value >> 16, value & 0xFFFF


def _text(text: str) -> list[int]:
    octets = text.encode("ascii").ljust(2 * KEYPAD_REGISTERS, b"\0")
    return [octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)]
