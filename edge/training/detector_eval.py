"""How well an exported plate detector finds plates: in labelled photos and in composed pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime

from training.photos import Floats, Pixels
from training.scenes import PLATE

STRIDE: Final = 32
PADDING: Final = 114
FOUND: Final = 0.5
NEAR: Final = 0.3
SHORT_SHAPE: Final = 2.5  # wider for its height is a long plate


@dataclass(frozen=True, slots=True)
class Search:
    """How frames are searched: scaled to `longest` pixels, kept from `threshold` on.

    Of two boxes that overlap more than `overlap` (shared over joint area) the surer stays.
    """

    longest: int = 640
    threshold: float = 0.3
    overlap: float = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes x0, y0, x1, y1 (n, 4), corners (n, 4, 2) in pixels of the picture; scores (n,)."""

    boxes: Floats
    corners: Floats
    scores: Floats


class Finder:
    """Runs an exported detector on one thread of the CPU."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def find(self, picture: Pixels, search: Search) -> Found:
        """Find the plates of `picture`, BGR, uint8: the surest first."""
        height, width = picture.shape[:2]
        scale = search.longest / max(height, width)
        frame = _fitted(picture, scale)
        score, box, corners = self._session.run(None, {"frame": frame[None]})
        rows, columns = np.nonzero(score > search.threshold)
        boxes, scores = box[rows, columns] / scale, score[rows, columns]
        around = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        kept: Any = cv2.dnn.NMSBoxes(
            around.tolist(), scores.tolist(), search.threshold, search.overlap
        )
        order = np.asarray(kept, dtype=np.int64).reshape(-1)
        boxes = np.clip(boxes[order], 0, [width, height, width, height]).astype(np.float32)
        quads = (corners[rows, columns][order] / scale).reshape(-1, 4, 2)
        return Found(boxes, quads.astype(np.float32), scores[order])


def _fitted(picture: Pixels, scale: float) -> Pixels:
    """`picture` scaled and padded on the right and below to multiples of the stride."""
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = picture if scale == 1 else np.asarray(cv2.resize(picture, size, interpolation=how))
    frame = np.full((-(-size[1] // STRIDE) * STRIDE, -(-size[0] // STRIDE) * STRIDE, 3), PADDING)
    frame = frame.astype(np.uint8)
    frame[: size[1], : size[0]] = scaled
    return frame


@dataclass(slots=True)
class Report:
    """Counts over a set of pictures."""

    pictures: int = 0
    overlaps: list[float] = field(default_factory=list)
    shapes: list[float] = field(default_factory=list)
    false_boxes: int = 0
    corner_errors: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One line to read: recall with 95 % intervals, false boxes, time."""
        overlaps, shapes = np.array(self.overlaps), np.array(self.shapes)
        short = overlaps[shapes <= SHORT_SHAPE]
        text = f"{name}: plates {len(overlaps)} recall@0.5 {_share(overlaps >= FOUND)}"
        text += f" @0.3 {_share(overlaps >= NEAR)} | 2:1 {_share(short >= FOUND)} (n {len(short)})"
        text += f" | false a picture {self.false_boxes / max(1, self.pictures):.2f}"
        if self.corner_errors:
            text += f" | corners off {100 * float(np.median(self.corner_errors)):.1f} % of height"
        return text + f" | {np.median(self.milliseconds):.1f} ms"


def _share(hits: Any) -> str:
    """A share in percent with Wilson's 95 % interval."""
    n = max(1, len(hits))
    share = float(np.sum(hits)) / n
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{100 * share:.1f} [{100 * (middle - half):.0f}-{100 * (middle + half):.0f}]"


def measure(finder: Finder, pictures: Iterable[tuple[Pixels, Floats]], search: Search) -> Report:
    """Search each picture and compare with its labels: boxes (n, 4) or rows as of `Window.rows`."""
    report = Report()
    for pixels, rows in pictures:
        started = perf_counter()
        found = finder.find(pixels, search)
        report.milliseconds.append((perf_counter() - started) * 1e3)
        report.pictures += 1
        is_row = rows.shape[1] > 4
        plates = rows[rows[:, 12] == PLATE] if is_row else rows
        seen = rows[rows[:, 12] >= PLATE] if is_row else rows
        for plate in plates:
            _compare(report, found, plate)
        report.false_boxes += sum(
            max((_overlap(box, plate) for plate in seen), default=0.0) < NEAR for box in found.boxes
        )
    return report


def _compare(report: Report, found: Found, plate: Floats) -> None:
    overlaps = [_overlap(box, plate) for box in found.boxes]
    best = int(np.argmax(overlaps)) if overlaps else -1
    report.overlaps.append(overlaps[best] if overlaps else 0.0)
    report.shapes.append(float((plate[2] - plate[0]) / (plate[3] - plate[1])))
    if overlaps and overlaps[best] >= FOUND and len(plate) > 4 and not np.isnan(plate[4]):
        off = np.linalg.norm(found.corners[best] - plate[4:12].reshape(4, 2), axis=1).mean()
        report.corner_errors.append(float(off / (plate[3] - plate[1])))


def _overlap(one: Floats | Sequence[float], other: Floats) -> float:
    """Shared over joint area of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width * height)
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (float(areas) - shared)
