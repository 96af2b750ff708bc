"""The reader's network: PP-OCRv6's small recogniser cut down to plates, and what of it we train.

The base is the file `PP-OCRv6_rec_small.onnx` in the rapidocr wheel (Apache-2.0, Baidu). Cut down
it takes one grey line and knows 37 classes instead of 18,710. What it sees with stays as it is; its
last stage, the mixer and the head (1.8 of 3.0 million weights) are trained in PyTorch and put back.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from training.glyphs import ALPHABET

LINE_HEIGHT: Final = 48
LINE_WIDTH: Final = 160
CLASSES: Final = 1 + len(ALPHABET)
# Names in the base file: its input, the last features before the classes, the classes' weights.
BASE_INPUT: Final = "x"
BASE_FEATURES: Final = "p2o.pd_op.transpose.8.0"
BASE_HEAD: Final = ("linear_8.w_0", "linear_8.b_0")
# Where the fixed part ends and the trained begins: float32, shape (n, *SEEN_SHAPE).
SEEN: Final = "p2o.pd_op.add.52.0"
SEEN_SHAPE: Final = (192, 3, 40)
HEADS: Final = 8
HEAD_WEIGHT: Final = "head.weight"
HEAD_BIAS: Final = "head.bias"
BIASES: Final = "p2o.pd_op.reshape.{}.0"
# Smaller tensors stay float32 in the file: halving them saves nothing.
FEWEST_TO_HALVE: Final = 1024


def reader_model(base: Path) -> onnx.ModelProto:
    """The base as the product runs it, its weights unchanged.

    Input `line`: uint8, (n, 48, 160), grey. Output `chances`: float32, (n, 20, 37), the natural
    logarithms of the chances of blank, 0-9 and A-Z at each step.
    """
    whole = onnx.load(str(base))
    weight, bias = _plate_classes(whole)
    cut = onnx.utils.Extractor(whole).extract_model([BASE_INPUT], [BASE_FEATURES])
    _take_grey(cut.graph)
    nodes = [
        helper.make_node("Cast", ["line"], ["line.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["line.float", "line.scale"], ["line.scaled"]),
        helper.make_node("Add", ["line.scaled", "line.shift"], ["line.shifted"]),
        helper.make_node("Unsqueeze", ["line.shifted"], [BASE_INPUT], axes=[1]),
        *cut.graph.node,
        helper.make_node("MatMul", [BASE_FEATURES, HEAD_WEIGHT], ["head.product"]),
        helper.make_node("Add", ["head.product", HEAD_BIAS], ["head.sum"]),
        helper.make_node("LogSoftmax", ["head.sum"], ["chances"], axis=-1),
    ]
    own = {
        "line.scale": np.float32(1 / 127.5),
        "line.shift": np.float32(-1),
        HEAD_WEIGHT: weight,
        HEAD_BIAS: bias,
    }
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in own.items()]
    line = helper.make_tensor_value_info("line", TensorProto.UINT8, ["n", LINE_HEIGHT, LINE_WIDTH])
    chances = helper.make_tensor_value_info("chances", TensorProto.FLOAT, ["n", 20, CLASSES])
    seen = helper.make_tensor_value_info(SEEN, TensorProto.FLOAT, ["n", *SEEN_SHAPE])
    graph = helper.make_graph(
        nodes,
        "reader",
        [line],
        [chances],
        [*cut.graph.initializer, *tensors],
        value_info=[seen],
    )
    model = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
    onnx.checker.check_model(model)
    return model


def _plate_classes(whole: onnx.ModelProto) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The classes' weights, (120, 37), and biases, (37,): blank, then `ALPHABET`."""
    notes = {note.key: note.value for note in whole.metadata_props}
    known = ["", *notes["character"].split("\n")]
    columns = [0, *(known.index(character) for character in ALPHABET)]
    tensors = {tensor.name: tensor for tensor in whole.graph.initializer}
    weight, bias = (numpy_helper.to_array(tensors[name]) for name in BASE_HEAD)
    return weight[:, columns].copy(), bias.reshape(-1)[columns].copy()


def _take_grey(graph: onnx.GraphProto) -> None:
    """Let the first convolution take one channel: three equal ones weigh as much as their sum."""
    first = next(node for node in graph.node if BASE_INPUT in node.input)
    tensor = next(tensor for tensor in graph.initializer if tensor.name == first.input[1])
    summed = numpy_helper.to_array(tensor).sum(axis=1, keepdims=True)
    tensor.CopyFrom(numpy_helper.from_array(summed, tensor.name))


def seeing_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """The fixed part of `model`: from `line` to `SEEN`."""
    return onnx.utils.Extractor(model).extract_model(["line"], [SEEN])


def weights_of(model: onnx.ModelProto) -> dict[str, Tensor]:
    """All float weights of `model` by their names in the file."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return {
        name: torch.from_numpy(array.astype(np.float32))
        for name, array in arrays.items()
        if array.dtype in (np.float32, np.float16)
    }


def put_weights(model: onnx.ModelProto, weights: dict[str, Tensor]) -> None:
    """Write trained weights back into `model`, by name and in the file's shapes; in place."""
    left = dict(weights)
    for tensor in model.graph.initializer:
        if tensor.name in left:
            array = left.pop(tensor.name).detach().cpu().numpy().astype(np.float32)
            shaped = array.reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(shaped, tensor.name))
    if left:
        raise ValueError(f"the model has no weights of these names: {sorted(left)}")


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that keeps its large weights as float16 and widens them once, when it is loaded."""
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    graph, casts = smaller.graph, []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size >= FEWEST_TO_HALVE:
            name = tensor.name
            half = f"{name}.half"
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), half))
            casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(smaller)
    return smaller


class Tail(nn.Module):
    """The trained part: from what was seen, (n, 192, 3, 40), to logarithms of chances, (n, 20, 37).

    `named_weights` gives its weights under the names they have in the ONNX file.
    """

    def __init__(self, weights: dict[str, Tensor], dropout: float = 0.05) -> None:
        super().__init__()
        # PyTorch allows no dots in names.
        self._keys = {name: name.replace(".", "_") for name in TRAINED}
        self._weights = nn.ParameterDict(
            {key: nn.Parameter(weights[name].clone()) for name, key in self._keys.items()}
        )
        for name in STATISTICS:
            self.register_buffer(name.replace(".", "_"), weights[name].clone())
        self._dropout = dropout

    def named_weights(self) -> dict[str, Tensor]:
        return {name: self._weights[key].detach() for name, key in self._keys.items()}

    def forward(self, seen: Tensor) -> Tensor:
        x = self._conv(seen, "113", 44)
        x = self._conv(functional.gelu(x), "114", 45)
        x = self._conv(x, "116", 46, groups=384)
        x = self._squeezed(x)
        x = x + self._widened(x, ("117", 49), ("118", 50))
        x = self._conv(x, "120", 51, groups=384)
        x = x + self._widened(x, ("121", 52), ("122", 53))
        x = functional.avg_pool2d(x, (3, 2))
        shortcut = self._normed(x, "67", "57")
        x = self._normed(x, "65", "55")
        x = x + self._normed(x, "66", "56", groups=120)
        x = x.squeeze(2).transpose(1, 2)
        x = self._mixed(x, 0)
        x = self._mixed(x, 1)
        x = self._layer_normed(x, 8) + shortcut.squeeze(2).transpose(1, 2)
        x = functional.dropout(x, self._dropout, self.training)
        x = x @ self._get(HEAD_WEIGHT) + self._get(HEAD_BIAS)
        return functional.log_softmax(x, dim=-1)

    def _get(self, name: str) -> Tensor:
        weight: Tensor = self._weights[self._keys[name]]
        return weight

    def _conv(self, x: Tensor, number: str, bias: int, groups: int = 1) -> Tensor:
        weight = self._get(f"conv2d_{number}.w_0")
        pads = (weight.shape[2] // 2, weight.shape[3] // 2)
        offset = self._get(BIASES.format(bias)).reshape(-1)
        return functional.conv2d(x, weight, offset, 1, pads, 1, groups)

    def _squeezed(self, x: Tensor) -> Tensor:
        """Weigh each channel by what the whole line holds of it (squeeze and excitation)."""
        mean = x.mean((2, 3), keepdim=True)
        gate = self._conv(functional.relu(self._conv(mean, "57", 47)), "58", 48)
        return x * (gate / 6 + 0.5).clamp(0, 1)

    def _widened(self, x: Tensor, first: tuple[str, int], second: tuple[str, int]) -> Tensor:
        return self._conv(functional.gelu(self._conv(x, *first)), *second)

    def _normed(self, x: Tensor, number: str, norm: str, groups: int = 1) -> Tensor:
        """A convolution, batch normalisation by the base's own statistics, and swish."""
        weight = self._get(f"conv2d_{number}.w_0")
        pads = (weight.shape[2] // 2, weight.shape[3] // 2)
        x = functional.conv2d(x, weight, None, 1, pads, 1, groups)
        mean, variance = (getattr(self, f"batch_norm2d_{norm}_w_{index}") for index in (1, 2))
        scale, offset = (self._get(f"batch_norm2d_{norm}.{kind}_0") for kind in "wb")
        return functional.silu(functional.batch_norm(x, mean, variance, scale, offset))

    def _layer_normed(self, x: Tensor, index: int) -> Tensor:
        scale, offset = (self._get(f"helper.reshape.{index + part}") for part in (0, 1))
        return functional.layer_norm(x, x.shape[-1:], scale, offset, NORM_EPSILONS[index])

    def _mixed(self, x: Tensor, block: int) -> Tensor:
        """One transformer block: each step looks at all others."""
        first = 4 * block
        steps, width = x.shape[1:]
        asked = self._linear(self._layer_normed(x, first), first)
        split = asked.reshape(-1, steps, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(split[0], split[1], split[2])
        x = x + self._linear(mixed.transpose(1, 2).reshape(-1, steps, width), first + 1)
        wide = functional.silu(self._linear(self._layer_normed(x, first + 2), first + 2))
        return x + self._linear(functional.dropout(wide, self._dropout, self.training), first + 3)

    def _linear(self, x: Tensor, number: int) -> Tensor:
        return x @ self._get(f"linear_{number}.w_0") + self._get(f"linear_{number}.b_0")


TRAINED: Final = (
    *(f"conv2d_{number}.w_0" for number in (113, 114, 116, 57, 58, 117, 118, 120, 121, 122)),
    *(BIASES.format(number) for number in range(44, 54)),
    *(f"conv2d_{number}.w_0" for number in (65, 66, 67)),
    *(f"batch_norm2d_{number}.{kind}_0" for number in (55, 56, 57) for kind in "wb"),
    *(f"linear_{number}.{kind}_0" for number in range(8) for kind in "wb"),
    *(f"helper.reshape.{number}" for number in range(10)),
    HEAD_WEIGHT,
    HEAD_BIAS,
)
STATISTICS: Final = tuple(
    f"batch_norm2d_{number}.w_{index}" for number in (55, 56, 57) for index in (1, 2)
)
NORM_EPSILONS: Final = {0: 1e-5, 2: 1e-5, 4: 1e-5, 6: 1e-5, 8: 1e-6}


def blend(one: dict[str, Any], other: dict[str, Any], share: float) -> dict[str, Any]:
    """Weights between two trainings of one network: `share` of `other`, the rest of `one`."""
    return {name: one[name] * (1 - share) + other[name] * share for name in one}
