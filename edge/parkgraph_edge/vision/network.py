"""How a network is run: one thread, no spinning, no arena."""

import os
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

# Or it would look up its maker's host and write into the home folder, from a lot with no internet.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from parkgraph.runtime.errors import RefusedError

MODELS: Final = Path(__file__).parent / "models"
"""The networks that come with this package; what each was made from stands beside it."""


class Network:
    """An ONNX file with one input.

    Raises:
        RefusedError: there is no such file, or it is no network that can be run.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena would keep what the largest frame ever needed.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not path.is_file():
            raise RefusedError(f"{path}: no such network; give the path of an .onnx file")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # The runtime's errors have no base of their own.
        except Exception as error:
            raise RefusedError(f"{path}: no network that can be run: {error}") from error
        self.path = path
        self._input = self._session.get_inputs()[0]

    def __call__(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network on `values` and return its outputs."""
        outputs: list[NDArray[Any]] = self._session.run(None, {self._input.name: values})
        return outputs

    @property
    def takes(self) -> tuple[str, list[int | str]]:
        """Its input: an element type such as `tensor(uint8)`, and a shape, free sides by name."""
        return self._input.type, self._input.shape

    @property
    def gives(self) -> list[str]:
        """The names of its outputs."""
        return [output.name for output in self._session.get_outputs()]
