"""Reads sources one after the other and reports each frame, for a person or a program."""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import cv2

from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_edge.vision.frames import Frame, frame_count, frames, pictures
from parkgraph_edge.vision.mjpeg import is_camera
from parkgraph_edge.vision.plates import PlateReader, PlateReading, plate_reader, plausible
from parkgraph_edge.vision.sheet import Sheet, refuse_unwritable

BAD_INPUT: Final = 2
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame, what was read on it, and how many milliseconds that took."""

    frame: Frame
    readings: list[PlateReading]
    read_ms: float


def inspect(arguments: argparse.Namespace) -> int:
    """Read all sources of a command line; return its exit code."""
    # One clear line of ours names what is wrong; the codecs' own complaints do not.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)
    report = Report(sys.stdout, sys.stderr, as_json=arguments.json, clock=SystemClock())
    sheet = Sheet()
    try:
        if arguments.show:
            refuse_unwritable(Path(arguments.show))
        plates = plate_reader()
    except (RefusedError, UnavailableError) as error:
        report.fault(error)
        return BAD_INPUT
    code = 0
    try:
        seen = _read(arguments, plates, report)
        for one in islice(seen, arguments.limit):
            report.seen(one)
            sheet.add(one.frame.pixels, _caption(one.frame), told(one.readings))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # `| head` has seen enough; what Python still flushes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    report.end()
    try:
        if arguments.show and sheet.has_any:
            sheet.write(Path(arguments.show))
    except RefusedError as error:
        report.fault(error)
    return BAD_INPUT if report.faults else code


class Report:
    """Writes what was read to `out`, and to `errors` what could not be and how far it got."""

    def __init__(self, out: TextIO, errors: TextIO, *, as_json: bool, clock: Clock) -> None:
        self._out = out
        self._errors = errors
        self._as_json = as_json
        self._clock = clock
        self._began = clock.boot_seconds()
        self._count = 0
        self.total: int | None = None
        self.faults = 0

    def seen(self, seen: Seen) -> None:
        """Report one frame."""
        self._clear()
        lines = [_as_json(seen)] if self._as_json else _as_text(seen)
        self._out.write("".join(line + "\n" for line in lines))
        self._out.flush()
        self._count += 1
        self._progress()

    def fault(self, error: Exception) -> None:
        """Report a source that could not be read."""
        self._clear()
        self.faults += 1
        self._errors.write(f"parkgraph-edge read: {error}\n")

    def end(self) -> None:
        """Take the progress line away."""
        self._clear()

    def _progress(self) -> None:
        if not self._errors.isatty():
            return
        text = f"{self._count} frames"
        if self.total:
            pace = (self._clock.boot_seconds() - self._began) / self._count
            left = max(0.0, pace * (self.total - self._count))
            text = f"{self._count} of {self.total}, {left:.0f} s left"
        self._errors.write(f"\r\x1b[K{text}")
        self._errors.flush()

    def _clear(self) -> None:
        if self._errors.isatty():
            self._errors.write("\r\x1b[K")


def _read(arguments: argparse.Namespace, plates: PlateReader, report: Report) -> Iterator[Seen]:
    """Read source after source; one that cannot be read is reported and the next one follows."""
    clock = SystemClock()
    sources = _expand(arguments, report)
    report.total = _total(sources, arguments.every, arguments.limit)
    for source in sources:
        try:
            for frame in islice(frames(source, clock), 0, None, arguments.every):
                began = clock.boot_seconds()
                readings = plates.read_plates(frame.pixels)
                yield Seen(frame, readings, (clock.boot_seconds() - began) * 1000)
        except (CorruptError, RefusedError, UnavailableError) as error:
            report.fault(error)


def _expand(arguments: argparse.Namespace, report: Report) -> list[str]:
    """Put the pictures of folders in their place; each Nth of them."""
    sources: list[str] = []
    for source in arguments.sources:
        if is_camera(source) or not Path(source).is_dir():
            sources.append(source)
            continue
        try:
            inside = pictures(Path(source))
        except OSError as error:
            report.fault(RefusedError(f"{source}: {error.strerror}; check who may read it"))
            continue
        if not inside:
            report.fault(RefusedError(f"{source}: no pictures in this folder; give one with some"))
        sources += [str(path) for path in inside[:: arguments.every]]
    return sources


def _total(sources: list[str], every: int, limit: int | None) -> int | None:
    """Return how many frames there will be, as far as headers tell; None with a camera."""
    if any(is_camera(source) for source in sources):
        return limit
    total = sum(math.ceil(frame_count(Path(source)) / every) for source in sources)
    return min(total, limit) if limit else total


def _caption(frame: Frame) -> str:
    if frame.at_seconds is None:
        return frame.source
    return f"{frame.source} #{frame.number} {frame.at_seconds:.2f} s"


def _as_text(seen: Seen) -> list[str]:
    caption = _caption(seen.frame)
    if not seen.readings:
        return [f"{caption}  -  {seen.read_ms:.0f} ms"]
    return [
        f"{caption}  {one.text}  {one.confidence:.2f}  "
        f"{one.box[0]},{one.box[1]} {one.box[2]},{one.box[3]}  {seen.read_ms:.0f} ms"
        for one in told(seen.readings)
    ]


def _as_json(seen: Seen) -> str:
    plates = [
        {
            "text": one.text,
            "confidence": round(one.confidence, 4),
            "characters": [round(chance, 4) for chance in one.characters],
            "box": one.box,
        }
        for one in seen.readings
    ]
    return json.dumps(
        {
            "source": seen.frame.source,
            "frame": seen.frame.number,
            "at_seconds": seen.frame.at_seconds,
            "plates": plates,
            "read_ms": round(seen.read_ms, 1),
        }
    )


def told(readings: Sequence[PlateReading]) -> list[PlateReading]:
    """Keep what a person should see of one frame: the best reading, and other likely plates."""
    return [one for one in readings if one is readings[0] or one in plausible(readings)]
