"""Networks that a site brings: a YOLO detector and a CCT reader, as their makers export them.

Source: the end-to-end export of YOLOv9 (WongKinYiu/yolov9, `export.py --include onnx_end2end`), as
open-image-models runs it, and the plate configuration of fast-plate-ocr 1.0.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.rules.syntaxes import SYNTAXES
from parkgraph_edge.vision import detector, plates, reader
from parkgraph_edge.vision.detector import MOST_PLATES, PADDING, Detection, Detector
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.network import Network
from parkgraph_edge.vision.reader import Line, Reader
from parkgraph_edge.vision.spelling import ALPHABET, BLANK, Chances, alternatives, characters

CONFIGURATIONS: Final = ("{}_plate_config.yaml", "{}.yaml")
LARGEST_CONFIGURATION: Final = 64 * 2**10
# Columns of a detection: number in the batch, x0, y0, x1, y1, class, score.
COLUMNS: Final = 7
SURE_ABOVE: Final = 0.3
# Rounding keeps what a softmax gives within this of 1.
ROUNDED: Final = 0.02
_IMPOSSIBLE: Final = 1e-9

_ENTRY: Final = re.compile(r"([A-Za-z_]\w*):(?:\s+(.*))?")
_PLAIN: Final = re.compile(r"""'([^']*)'|"([^"\\]*)"|([\w.+/-][^#'":{}\[\]]*)""")
_INTERPOLATIONS: Final = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos4": cv2.INTER_LANCZOS4,
}


class PlateConfiguration(BaseModel):
    """What a CCT reader takes and gives, as the YAML file beside it says; the rest is ignored."""

    model_config = ConfigDict(frozen=True)

    max_plate_slots: int = Field(ge=1, le=32)
    alphabet: str = Field(min_length=2, max_length=128)
    pad_char: str = Field(min_length=1, max_length=1)
    img_height: int = Field(ge=8, le=1024)
    img_width: int = Field(ge=8, le=1024)
    keep_aspect_ratio: bool = False
    interpolation: Literal["nearest", "linear", "cubic", "area", "lanczos4"] = "linear"
    image_color_mode: Literal["grayscale", "rgb"] = "grayscale"

    @model_validator(mode="after")
    def _can_be_compared(self) -> "PlateConfiguration":
        if self.pad_char not in self.alphabet:
            raise ValueError(f"pad_char {self.pad_char!r} is not in the alphabet; add it")
        if len(set(self.alphabet)) < len(self.alphabet):
            raise ValueError("the alphabet has a character twice; keep one")
        strange = set(self.alphabet) - set(ALPHABET) - {self.pad_char}
        if strange:
            raise ValueError(
                f"the alphabet has {''.join(sorted(strange))!r}; plates are compared in A-Z and"
                " 0-9: bring a reader of those"
            )
        return self

    @property
    def takes(self) -> tuple[int, int, int]:
        """Height, width and colours of the pictures."""
        return self.img_height, self.img_width, 3 if self.image_color_mode == "rgb" else 1


class YoloDetector:
    """Finds plates by a YOLO network that leaves one box for each.

    It takes one RGB picture, float32, 0 to 1, shape (1, 3, height, width), and gives rows of
    `COLUMNS` numbers in pixels of it.

    Raises:
        RefusedError: the network takes or gives something else.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        kind, shape = network.takes
        match kind, shape:
            case "tensor(float)", [1 | str(), 3, int(height), int(width)]:
                self._height, self._width = height, width
            case _:
                raise RefusedError(
                    f"{network.path}: takes {kind} {_shape(shape)}, not tensor(float) (1, 3,"
                    " height, width); export the detector to ONNX for pictures of one size"
                )
        self._rows(np.full((height, width, 3), PADDING, np.uint8))

    def detect(self, frame: Pixels) -> Sequence[Detection]:
        picture, scale, left, top = letterboxed(frame, self._width, self._height)
        rows = self._rows(picture)
        rows = rows[rows[:, 6] > SURE_ABOVE]
        rows = rows[np.argsort(-rows[:, 6], kind="stable")][:MOST_PLATES]
        boxes = (rows[:, 1:5] - np.array([left, top] * 2, np.float32)) / scale
        boxes = np.clip(boxes, 0, np.array(frame.shape[1::-1] * 2, np.float32))
        return [
            Detection((x0, y0, x1, y1), float(row[6]))
            for (x0, y0, x1, y1), row in zip(boxes.tolist(), rows, strict=True)
            if x1 > x0 and y1 > y0
        ]

    def _rows(self, picture: Pixels) -> NDArray[np.float32]:
        planes = picture[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
        rows = _run(self._network, np.ascontiguousarray(planes))
        if rows.ndim != 2 or rows.shape[1] != COLUMNS:
            raise RefusedError(
                f"{self._network.path}: gives {_shape(rows.shape)}, not rows of {COLUMNS} (batch,"
                " x0, y0, x1, y1, class, score); export the detector end to end, with NMS inside"
            )
        return rows.astype(np.float32, copy=False)


class CctReader:
    """Reads by a network with a place for each character: (1, places, alphabet), each adding to 1.

    It takes one picture, uint8, shape (1, height, width, colours).

    Raises:
        RefusedError: the network takes or gives something else than `configuration` says.
    """

    def __init__(self, network: Network, configuration: PlateConfiguration) -> None:
        self._network = network
        self._configuration = configuration
        kind, shape = network.takes
        is_one_by_one = not isinstance(shape[0], int) or shape[0] == 1
        if kind != "tensor(uint8)" or shape[1:] != [*configuration.takes] or not is_one_by_one:
            wanted = _shape([1, *configuration.takes])
            raise RefusedError(
                f"{network.path}: takes {kind} {_shape(shape)}, and its plate configuration says"
                f" tensor(uint8) {wanted}; bring the two that belong together"
            )
        place = {BLANK: configuration.alphabet.index(configuration.pad_char)}
        place |= {
            number: configuration.alphabet.index(character)
            for number, character in enumerate(ALPHABET, start=1)
            if character in configuration.alphabet
        }
        self._classes, self._columns = list(place), list(place.values())
        self._chances(
            np.full((configuration.img_height, configuration.img_width, 3), PADDING, np.uint8)
        )

    def read(self, crop: Pixels) -> Line:
        steps = self._as_steps(self._chances(crop))
        return Line(characters(steps), alternatives(steps))

    def _chances(self, crop: Pixels) -> NDArray[np.float32]:
        said = self._configuration
        how = _INTERPOLATIONS[said.interpolation]
        if said.keep_aspect_ratio:
            sized = letterboxed(crop, said.img_width, said.img_height, how)[0]
        else:
            sized = _resized(crop, said.img_width, said.img_height, how)
        colour = cv2.COLOR_BGR2RGB if said.image_color_mode == "rgb" else cv2.COLOR_BGR2GRAY
        picture = cv2.cvtColor(sized, colour).reshape(1, *said.takes)
        chances = _run(self._network, picture)
        places, letters = said.max_plate_slots, len(said.alphabet)
        if chances.size != places * letters:
            raise RefusedError(
                f"{self._network.path}: gives {_shape(chances.shape)}, and its plate configuration"
                f" says {places} places of {letters} characters; bring the two that belong together"
            )
        chances = chances.reshape(places, letters)
        if chances.min() < -ROUNDED or np.abs(chances.sum(axis=1) - 1).max() > ROUNDED:
            raise RefusedError(
                f"{self._network.path}: gives numbers that are no chances; export the reader with"
                " its softmax"
            )
        return chances

    def _as_steps(self, chances: NDArray[np.float32]) -> Chances:
        """Say it as CTC: an empty place is a blank, and between two places there is always one."""
        steps = np.zeros((2 * len(chances) - 1, 1 + len(ALPHABET)), np.float32)
        steps[1::2, BLANK] = 1
        steps[::2, self._classes] = chances[:, self._columns]
        logarithms: Chances = np.log(np.maximum(steps, _IMPOSSIBLE))
        return logarithms


def plate_reader(
    own_detector: Path | None = None,
    own_reader: Path | None = None,
    countries: Iterable[str] = (),
) -> plates.PlateReader:
    """Load the site's own networks, and of this package's those that it has not brought.

    `countries`, keys of `SYNTAXES`, are those whose plates are common at the site.

    Raises:
        RefusedError: the first of the networks that cannot be used, why, and what to do.
    """
    syntaxes = [syntax for country in countries for syntax in SYNTAXES[country]]
    return plates.PlateReader(plate_detector(own_detector), line_reader(own_reader), syntaxes)


def plate_detector(path: Path | None) -> Detector:
    """Load the site's own detector, or this package's.

    Raises:
        RefusedError: it cannot be used.
    """
    if path is None:
        return detector.PlateDetector(detector.own_network())
    return YoloDetector(Network(path))


def line_reader(path: Path | None) -> Reader:
    """Load the site's own reader and the configuration beside it, or this package's reader.

    Raises:
        RefusedError: it cannot be used.
    """
    if path is None:
        return reader.PlateLineReader(reader.own_network())
    network = Network(path)
    return CctReader(network, plate_configuration(path))


def plate_configuration(weights: Path) -> PlateConfiguration:
    """Read the plate configuration beside `weights`: STEM_plate_config.yaml or STEM.yaml.

    Raises:
        RefusedError: there is none, or it cannot be used.
    """
    names = [name.format(weights.stem) for name in CONFIGURATIONS]
    path = next((p for p in map(weights.with_name, names) if p.is_file()), None)
    if path is None:
        raise RefusedError(
            f"{weights}: its plate configuration is missing; put {names[0]} beside it"
        )
    try:
        return PlateConfiguration.model_validate(_entries(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        told = f"{key}: {what[:1].lower()}{what[1:]}" if key else what
        raise RefusedError(f"{path}: {told}") from error


def letterboxed(
    frame: Pixels, width: int, height: int, how: int = cv2.INTER_LINEAR
) -> tuple[Pixels, float, int, int]:
    """Scale `frame` into the middle of a picture of that size; return it, scale, left and top."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    wide, high = (max(1, round(side * scale)) for side in frame.shape[1::-1])
    left, top = (width - wide) // 2, (height - high) // 2
    picture = np.full((height, width, 3), PADDING, np.uint8)
    picture[top : top + high, left : left + wide] = _resized(frame, wide, high, how)
    return picture, scale, left, top


def _resized(picture: Pixels, width: int, height: int, how: int) -> Pixels:
    return cv2.resize(picture, (width, height), interpolation=how).astype(np.uint8, copy=False)


def _run(network: Network, values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Run `network` and return its first output; further ones, such as a region, are ignored."""
    try:
        return network(values)[0]
    # The runtime's errors have no base of their own.
    except Exception as error:
        raise RefusedError(f"{network.path}: cannot be run: {error}") from error


def _entries(path: Path) -> Mapping[str, str]:
    """Read the flat `key: value` of a YAML file; lists and what is indented are left out.

    Raises:
        RefusedError: it cannot be read, or a line is of another form.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LARGEST_CONFIGURATION)
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{path}: cannot be read: {error}; check the file") from error
    entries: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith((" ", "\t", "#", "---", "-", "]")):
            continue
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            raise RefusedError(f"{path}:{number}: is no `key: value`; write one on each line")
        if entry[1] in entries:
            raise RefusedError(f"{path}:{number}: says {entry[1]} again; keep one")
        plain = _PLAIN.match(entry[2] or "")
        if plain and re.fullmatch(r"\s*(#.*)?", (entry[2] or "")[plain.end() :]):
            entries[entry[1]] = next(text for text in plain.groups() if text is not None).rstrip()
    return entries


def _shape(sides: Sequence[int | str]) -> str:
    return f"({', '.join(str(side) for side in sides)})"
