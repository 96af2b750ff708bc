"""Where the networks lie, and how one is run: one thread, no spinning, no arena.

The weights are PP-OCRv6 small (Baidu, Apache-2.0) as they lie inside the rapidocr wheel, read as
data files: its code is not imported.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

# Or it would look up its maker's host and write into the home folder, from a lot with no internet.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from parkgraph.runtime.errors import UnavailableError


def weights(name: str) -> Path:
    """Return the path of one weight file.

    Raises:
        UnavailableError: the package that carries it is not installed, or carries it no more.
    """
    package = find_spec("rapidocr")
    folders = package.submodule_search_locations if package else None
    path = Path(folders[0]) / "models" / name if folders else None
    if path is None or not path.is_file():
        raise UnavailableError(f"{name}: no such weights; install parkgraph[vision]")
    return path


class Network:
    """An ONNX file with one input and one output, both float32."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena would keep what the largest frame ever needed.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on one batch."""
        outputs = self._session.run(None, {self._input: values})
        return cast("NDArray[np.float32]", outputs[0])

    def note(self, name: str) -> str:
        """Return what the file's metadata say under `name`."""
        return cast("str", self._session.get_modelmeta().custom_metadata_map[name])


def as_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn BGR uint8 (height, width, 3) into a batch of one: (1, 3, height, width), -1 to 1."""
    scaled = pixels.transpose(2, 0, 1)[None].astype(np.float32)
    return np.ascontiguousarray(scaled / np.float32(127.5) - np.float32(1))
