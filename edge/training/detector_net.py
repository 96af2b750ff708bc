"""The plate detector's network, its targets and losses, and its ONNX form.

One map of one cell per 8 by 8 pixels tells for each cell how likely a plate's middle is there,
where the plate's box is, and where its four corners are. Knows PyTorch, no photos.
"""

from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE: Final = 8
USUAL_BOX: Final = (48.0, 18.0)
WIDTHS: Final = (16, 32, 64, 128, 128)
NECK: Final = 64
VALUES: Final = 13  # score, box 4, corners 8
OPSET: Final = 17


def _convolution(inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1) -> Any:
    kernel = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(kernel, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, added to the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.depth = _convolution(inputs, inputs, 3, stride=stride, groups=inputs)
        self.point = _convolution(inputs, outputs, 1)
        self.adds = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        mixed: Tensor = self.point(self.depth(features))
        return features + mixed if self.adds else mixed


def _stage(first: nn.Module, values: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(first, *[Separable(values, values) for _ in range(blocks)])


class DetectorNet(nn.Module):
    """From pictures (n, 3, H, W), about -1 to 1, to raw values (n, VALUES, H/8, W/8).

    The steps down are full convolutions: the gradient of a depthwise one with a stride, or of 5 by
    5, takes PyTorch many times as long on a CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth, coarse = WIDTHS
        self.stem = _convolution(3, half, 3, stride=2)
        self.quarter = _stage(_convolution(half, quarter, 3, stride=2), quarter, 1)
        self.eighth = _stage(_convolution(quarter, eighth, 3, stride=2), eighth, 3)
        self.sixteenth = _stage(_convolution(eighth, sixteenth, 3, stride=2), sixteenth, 4)
        self.coarse = _stage(Separable(sixteenth, coarse, stride=2), coarse, 3)
        self.from_quarter = _convolution(quarter, NECK, 3, stride=2)
        self.from_eighth = _convolution(eighth, NECK, 1)
        self.from_sixteenth = _convolution(sixteenth, NECK, 1)
        self.from_coarse = _convolution(coarse, NECK, 1)
        self.merge_sixteenth = _stage(nn.Identity(), NECK, 2)
        self.merge_eighth = _stage(nn.Identity(), NECK, 4)
        self.head = nn.Conv2d(NECK, VALUES, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        bias = torch.zeros(VALUES)
        bias[0] = -4.0  # Plates are rare: start by saying so.
        self.head.bias = nn.Parameter(bias)

    def forward(self, pictures: Tensor) -> Tensor:
        quarter = self.quarter(self.stem(pictures))
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        coarse = self.from_coarse(self.coarse(sixteenth))
        wide = self.merge_sixteenth(self.from_sixteenth(sixteenth) + _doubled(coarse))
        fine = self.from_eighth(eighth) + self.from_quarter(quarter) + _doubled(wide)
        values: Tensor = self.head(self.merge_eighth(fine))
        return values


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")


def decode_boxes(values: Tensor) -> Tensor:
    """Raw values (n, VALUES, h, w) to boxes x0, y0, x1, y1 in input pixels, (n, h, w, 4)."""
    rows, columns = values.shape[2], values.shape[3]
    across = torch.arange(columns, device=values.device).view(1, 1, columns) + 0.5
    down = torch.arange(rows, device=values.device).view(1, rows, 1) + 0.5
    middle_x = (across + values[:, 1]) * STRIDE
    middle_y = (down + values[:, 2]) * STRIDE
    half_width = values[:, 3].clamp(-4, 4).exp() * (USUAL_BOX[0] / 2)
    half_height = values[:, 4].clamp(-4, 4).exp() * (USUAL_BOX[1] / 2)
    sides = (
        middle_x - half_width,
        middle_y - half_height,
        middle_x + half_width,
        middle_y + half_height,
    )
    return torch.stack(sides, -1)


def decode_corners(values: Tensor, boxes: Tensor) -> Tensor:
    """Raw values and their boxes to the corners, clockwise from top left, (n, h, w, 8)."""
    moves = values[:, 5:13].permute(0, 2, 3, 1)
    size = boxes[..., 2:] - boxes[..., :2]
    reach = torch.cat([size, size, size, size], -1)
    start = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]]
    return start + moves * reach


def export(net: DetectorNet, path: Path) -> None:
    """Write `net` as ONNX to `path`, replacing it in one step.

    Input `frame`: uint8, (1, H, W, 3), BGR, H and W multiples of 32. Outputs, a cell for 8 by 8
    pixels: `score` (H/8, W/8), 0 to 1; `box` (H/8, W/8, 4) x0, y0, x1, y1; `corners` (H/8, W/8, 8)
    x, y of top left, top right, bottom right, bottom left; pixels of the input, float32.
    """
    unfinished = path.with_suffix(".unfinished")
    frame = torch.zeros((1, 384, 640, 3), dtype=torch.uint8)
    names = ["score", "box", "corners"]
    axes = {
        "frame": {1: "height", 2: "width"},
        **{name: {0: "rows", 1: "columns"} for name in names},
    }
    torch.onnx.export(
        _Deployed(net).eval(),
        (frame,),
        str(unfinished),
        input_names=["frame"],
        output_names=names,
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    unfinished.replace(path)


class _Deployed(nn.Module):
    def __init__(self, net: DetectorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values = self.net(normalised(frame))
        boxes = decode_boxes(values)
        return values[0, 0].sigmoid(), boxes[0], decode_corners(values, boxes)[0]


def normalised(frames: Tensor) -> Tensor:
    """Frames (n, H, W, 3), uint8, to what the network takes: (n, 3, H, W), -1 to 1."""
    return frames.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1.0
