"""ONNX files of a few hundred bytes that always give the same, for code that takes any network.

Written by hand, as the `onnx` package is of no other use here. Source: onnx.proto3 of ONNX 1.15.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FLOAT, UINT8 = 1, 2
IR_VERSION: Final = 8
OPERATORS: Final = 13


def a_network(
    path: Path, *, takes: tuple[int, Sequence[int | str]], gives: NDArray[np.float32]
) -> Path:
    """Write a network to `path`: it takes an element type and a shape, and gives `gives`."""
    kind, shape = takes
    constant = b"".join(_number(1, side) for side in gives.shape)
    constant += _number(2, FLOAT) + _text(8, "constant") + _bytes(9, gives.tobytes())
    node = _text(1, "constant") + _text(2, "output") + _text(4, "Identity")
    graph = _bytes(1, node) + _text(2, "graph") + _bytes(5, constant)
    graph += _bytes(11, _value("input", kind, shape))
    graph += _bytes(12, _value("output", FLOAT, gives.shape))
    operators = _text(1, "") + _number(2, OPERATORS)
    path.write_bytes(_number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, operators))
    return path


def _value(name: str, kind: int, shape: Sequence[Any]) -> bytes:
    sides = b"".join(
        _bytes(1, _text(2, side) if isinstance(side, str) else _number(1, side)) for side in shape
    )
    tensor = _number(1, kind) + _bytes(2, sides)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
