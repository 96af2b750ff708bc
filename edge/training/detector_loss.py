"""What the plate detector should have said, and how far it is from that."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from training.detector_net import STRIDE, decode_boxes, decode_corners
from training.scenes import IGNORED, PLATE

NEAR: Final = 0.6  # of a plate's heat: cells from here on learn its box too
BOX_WEIGHT: Final = 2.0
CORNER_WEIGHT: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Parts of the loss; `total` is what is minimised."""

    heat: Tensor
    box: Tensor
    corners: Tensor

    @property
    def total(self) -> Tensor:
        return self.heat + BOX_WEIGHT * self.box + CORNER_WEIGHT * self.corners


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """`heat` and `weight`: (n, h, w). `owner`: the label that a cell learns, -1 none, (n, h, w)."""

    heat: Tensor
    weight: Tensor
    owner: Tensor


def losses(values: Tensor, labels: Tensor) -> Losses:
    """Compare raw `values` (n, VALUES, h, w) with `labels` (n, MOST_LABELS, LABEL_VALUES)."""
    targets = targets_of(labels, values.shape[2], values.shape[3])
    heat = _heat_loss(values[:, 0], targets)
    picture, row, column = torch.nonzero(targets.owner >= 0, as_tuple=True)
    if len(picture) == 0:
        return Losses(heat, values.sum() * 0, values.sum() * 0)
    wanted = labels[picture, targets.owner[picture, row, column]]
    boxes = decode_boxes(values)
    corners = decode_corners(values, boxes.detach())[picture, row, column]
    box_loss = _box_loss(boxes[picture, row, column], wanted[:, :4])
    return Losses(heat, box_loss, _corner_loss(corners, wanted))


def targets_of(labels: Tensor, rows: int, columns: int) -> Targets:
    """Draw each plate as a hill of heat, 1 in the cell of its middle; ignored areas weigh 0."""
    x = ((torch.arange(columns, device=labels.device) + 0.5) * STRIDE).view(1, 1, 1, columns)
    y = ((torch.arange(rows, device=labels.device) + 0.5) * STRIDE).view(1, 1, rows, 1)
    x0, y0, x1, y1 = labels[:, :, :4, None, None].unbind(2)
    is_plate = labels[:, :, 12, None, None] == PLATE
    is_ignored = labels[:, :, 12, None, None] == IGNORED
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    spread_x, spread_y = ((x1 - x0) / 7).clamp(min=5.0), ((y1 - y0) / 7).clamp(min=5.0)
    far = ((x - middle_x) / spread_x) ** 2 + ((y - middle_y) / spread_y) ** 2
    hills = torch.where(is_plate, torch.exp(-far / 2), 0.0)
    # The cell that holds the middle; a middle on the last edge belongs to the last cell.
    is_middle = (x - STRIDE / 2 == (middle_x / STRIDE).floor().clamp(0, columns - 1) * STRIDE) & (
        y - STRIDE / 2 == (middle_y / STRIDE).floor().clamp(0, rows - 1) * STRIDE
    )
    hills = torch.where(is_middle & is_plate, 1.0, hills)
    heat, owner = hills.max(dim=1)
    half = STRIDE / 2
    inside = (x > x0 - half) & (x < x1 + half) & (y > y0 - half) & (y < y1 + half)
    weight = 1.0 - (inside & is_ignored).any(dim=1).float()
    return Targets(heat, torch.where(heat >= 1, 1.0, weight), torch.where(heat > NEAR, owner, -1))


def _heat_loss(raw: Tensor, targets: Targets) -> Tensor:
    """Focal loss that forgives more the nearer a cell is to a middle (CenterNet, 2019)."""
    score = raw.sigmoid().clamp(1e-4, 1 - 1e-4)
    is_middle = (targets.heat >= 1).float()
    hit = is_middle * (1 - score) ** 2 * score.log()
    false = (1 - is_middle) * (1 - targets.heat) ** 4 * score**2 * (1 - score).log()
    return -((hit + false) * targets.weight).sum() / is_middle.sum().clamp(min=1)


def _box_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """One less the generalised overlap, mean over cells."""
    low = torch.maximum(boxes[:, :2], wanted[:, :2])
    high = torch.minimum(boxes[:, 2:], wanted[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (wanted[:, 2:] - wanted[:, :2]).prod(1)
    union = sizes - shared
    hull = torch.maximum(boxes[:, 2:], wanted[:, 2:]) - torch.minimum(boxes[:, :2], wanted[:, :2])
    around = hull.prod(1)
    return (1 - shared / union + (around - union) / around).mean()


def _corner_loss(corners: Tensor, wanted: Tensor) -> Tensor:
    """How far corners are off, in heights of the plate; unknown ones cost nothing."""
    is_known = ~wanted[:, 4:12].isnan()
    height = (wanted[:, 3] - wanted[:, 1]).clamp(min=4.0)[:, None]
    off = (corners - torch.nan_to_num(wanted[:, 4:12])).abs() / height
    return (off * is_known).sum() / is_known.sum().clamp(min=1)
