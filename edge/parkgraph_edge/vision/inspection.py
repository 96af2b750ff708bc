"""Reads sources one after the other and reports each frame, for a person or a program."""

import argparse
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import cv2

from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_edge.vision.brought import plate_reader
from parkgraph_edge.vision.drawing import annotated, save
from parkgraph_edge.vision.frames import IMAGES, VIDEOS, frame_count, frames
from parkgraph_edge.vision.labels import judge, labels_of
from parkgraph_edge.vision.mjpeg import is_camera, public_name
from parkgraph_edge.vision.passages import Passages
from parkgraph_edge.vision.plates import PlateReader, plausible
from parkgraph_edge.vision.report import Report, Seen
from parkgraph_edge.vision.sheet import Sheet, Worst, refuse_unwritable

BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
STDOUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A picture, a video or a camera; `name` is its place below the folder that was asked for."""

    address: str
    name: str
    folder: str = ""


def inspect(arguments: argparse.Namespace) -> int:
    """Read all sources of a command line; return its exit code."""
    # One clear line of ours names what is wrong; the codecs' own complaints do not.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)
    with ExitStack() as files:
        try:
            _refuse_in_vain(arguments)
            table = _table(arguments.csv, files)
            plates = plate_reader(arguments.detector, arguments.reader)
        except (RefusedError, UnavailableError) as error:
            sys.stderr.write(f"parkgraph-edge read: {error}\n")
            return BAD_INPUT
        report = Report(sys.stdout, sys.stderr, SystemClock(), as_json=arguments.json, table=table)
        return _inspect(arguments, plates, report)


def _inspect(arguments: argparse.Namespace, plates: PlateReader, report: Report) -> int:
    code = 0
    inspection = Inspection(arguments, report)
    try:
        sources = _expand(arguments, report)
        report.begin(_total(sources, arguments.every, arguments.limit))
        for source, seen in islice(_read(sources, arguments, plates, report), arguments.limit):
            inspection.take(source, seen)
        inspection.end_source()
    except KeyboardInterrupt:
        inspection.end_source()
        code = INTERRUPTED
    except BrokenPipeError:
        # `| head` has seen enough; what Python still flushes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    inspection.end()
    return BAD_INPUT if report.faults else code


class Inspection:
    """Hands each frame to all that the command line asks for."""

    def __init__(self, arguments: argparse.Namespace, report: Report) -> None:
        self._arguments = arguments
        self._report = report
        self._sheet = Sheet() if arguments.show else None
        self._worst = Worst() if arguments.worst else None
        self._source: Source | None = None
        self._passages = Passages()

    def take(self, source: Source, seen: Seen) -> None:
        """Take the next frame."""
        if source is not self._source:
            self.end_source()
            self._source = source
        has_passages = self._arguments.passages and seen.frame.at_seconds is not None
        self._report.seen(seen, folder=source.folder, is_told=not has_passages)
        if has_passages:
            likely = plausible(seen.looked.readings)
            for passage in self._passages.see(likely, seen.frame.at_seconds or 0.0):
                self._report.passed(seen.frame.source, passage)
        for sheet in (self._sheet, self._worst):
            if sheet is not None:
                sheet.add(seen)
        if self._arguments.annotate:
            drawn = annotated(seen.frame.pixels, seen.looked, seen.judged)
            save(Path(self._arguments.annotate) / _place(source, seen), drawn)

    def end_source(self) -> None:
        """Report the passages under way where a source ends."""
        for passage in self._passages.end():
            self._report.passed(self._source.address if self._source else "", passage)

    def end(self) -> None:
        """Write the sheets and what it came to."""
        report, arguments = self._report, self._arguments
        report.end()
        if arguments.labels and not report.tally.scores and report.tally.read_ms:
            report.fault(
                RefusedError(
                    "--labels: no labels beside the pictures; for PICTURE.jpg write PICTURE.txt"
                    " with a line for each plate: file, x, y, width, height, text, tabs between"
                )
            )
        for sheet, path in ((self._sheet, arguments.show), (self._worst, arguments.worst)):
            try:
                if sheet is not None and report.tally.read_ms:
                    sheet.write(Path(path))
            except RefusedError as error:
                report.fault(error)


def _read(
    sources: Sequence[Source],
    arguments: argparse.Namespace,
    plates: PlateReader,
    report: Report,
) -> Iterator[tuple[Source, Seen]]:
    """Read source after source; one that cannot be read is reported and the next one follows."""
    clock = SystemClock()
    for source in sources:
        try:
            for frame in islice(frames(source.address, clock), 0, None, arguments.every):
                is_labelled = arguments.labels and frame.at_seconds is None
                labels = labels_of(Path(frame.source)) if is_labelled else None
                began = clock.boot_seconds()
                looked = plates.read_plates(frame.pixels)
                read_ms = (clock.boot_seconds() - began) * 1000
                judged = None if labels is None else judge(labels, looked)
                yield source, Seen(frame, source.name, looked, read_ms, judged)
        except (CorruptError, RefusedError, UnavailableError) as error:
            report.fault(error)


def _refuse_in_vain(arguments: argparse.Namespace) -> None:
    """Refuse before the work is done what cannot be written after it.

    Raises:
        RefusedError: an output cannot be written, or would lie among what is read.
    """
    for option, path in (("--show", arguments.show), ("--worst", arguments.worst)):
        if path:
            refuse_unwritable(Path(path), option)
    if arguments.json and arguments.csv == STDOUT:
        raise RefusedError("--json and --csv - both write to stdout; give --csv a file")
    if arguments.annotate:
        folder = Path(arguments.annotate).resolve()
        files = [Path(source).resolve() for source in arguments.sources if not is_camera(source)]
        if any(source.is_relative_to(folder) for source in files):
            raise RefusedError(
                f"{arguments.annotate}: --annotate would write among what is read; name another"
                " folder"
            )


def _table(path: str | None, files: ExitStack) -> TextIO | None:
    if path is None or path == STDOUT:
        return sys.stdout if path else None
    try:
        return files.enter_context(Path(path).open("w", encoding="utf-8", newline=""))
    except OSError as error:
        raise RefusedError(f"{path}: cannot be written: {error.strerror}; check it") from error


def _expand(arguments: argparse.Namespace, report: Report) -> list[Source]:
    """Put the pictures and videos of folders in their place; each Nth of the pictures."""
    sources: list[Source] = []
    for address in arguments.sources:
        path = Path(address)
        if is_camera(address) or not path.is_dir():
            sources.append(Source(address, _short(address), path.parent.name))
            continue
        try:
            inside = _inside(path, is_recursive=arguments.recursive)
        except OSError as error:
            report.fault(RefusedError(f"{address}: {error.strerror}; check who may read it"))
            continue
        if not inside:
            deeper = "" if arguments.recursive else ", or --recursive for those in folders below"
            report.fault(
                RefusedError(f"{address}: no pictures in this folder; give one with some{deeper}")
            )
        pictures = [one for one in inside if one.suffix.lower() in IMAGES]
        skipped = {*pictures} - {*pictures[:: arguments.every]}
        top = path.resolve().name
        for one in inside:
            if one not in skipped:
                name = one.relative_to(path)
                sources.append(Source(str(one), str(name), str(Path(top) / name.parent)))
    return sources


def _inside(folder: Path, *, is_recursive: bool) -> list[Path]:
    paths = folder.rglob("*") if is_recursive else folder.iterdir()
    return sorted(path for path in paths if path.suffix.lower() in IMAGES | VIDEOS)


def _short(address: str) -> str:
    return public_name(address) if is_camera(address) else Path(address).name


def _place(source: Source, seen: Seen) -> Path:
    """Say where below a folder the annotated frame goes."""
    if seen.frame.at_seconds is None:
        return Path(source.name).with_suffix(".jpg")
    stem = "camera" if is_camera(source.address) else str(Path(source.name).with_suffix(""))
    return Path(stem) / f"{seen.frame.number:06}.jpg"


def _total(sources: Sequence[Source], every: int, limit: int | None) -> int | None:
    """Return how many frames there will be, as far as headers tell; None with a camera."""
    if any(is_camera(source.address) for source in sources):
        return limit
    total = sum(math.ceil(frame_count(Path(source.address)) / every) for source in sources)
    return min(total, limit) if limit else total
