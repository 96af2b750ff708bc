"""What was read, as lines for a person or a program, how far it got, and what it came to."""

import csv
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from parkgraph.runtime.clock import Clock
from parkgraph_edge.vision.frames import Frame
from parkgraph_edge.vision.labels import Judged, Score
from parkgraph_edge.vision.passages import Passage
from parkgraph_edge.vision.plates import Looked, PlateReading, Rejection, plausible
from parkgraph_edge.vision.spelling import Alternatives

REASONS: Final[Mapping[Rejection, str]] = {
    Rejection.TOO_SMALL: "too small",
    Rejection.BLURRED: "blurred",
    Rejection.SYNTAX: "wrong length",
    Rejection.DISAGREE: "frames disagree",
    Rejection.SCRIPT: "another script",
}
COLUMNS: Final = (
    "source", "frame", "at_seconds", "ended_seconds", "frames", "text", "confidence", "rejected",
    "x0", "y0", "x1", "y1", "label", "read_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame, what was read on it, in how many milliseconds, and how right that was.

    `name` is that of the source, below the folder that was asked for; `judged` is None where
    nothing says what stands on the plates.
    """

    frame: Frame
    name: str
    looked: Looked
    read_ms: float
    judged: Sequence[Judged] | None = None


@dataclass
class Tally:
    """What all frames came to; scores by folder."""

    read_ms: list[float] = field(default_factory=list)
    plates: int = 0
    passages: int = 0
    rejected: Counter[Rejection] = field(default_factory=Counter)
    scores: dict[str, Score] = field(default_factory=dict)


class Report:
    """Writes what was read to `out` and `table`, and to `errors` what could not be, and the rest.

    `out` gets a line for each plate, or where `as_json` an object for each frame, or nothing where
    it is the `table` of comma-separated values.
    """

    def __init__(
        self,
        out: TextIO,
        errors: TextIO,
        clock: Clock,
        *,
        as_json: bool = False,
        table: TextIO | None = None,
    ) -> None:
        self._out = out
        self._errors = errors
        self._clock = clock
        self._as_json = as_json
        self._is_table = table is out
        self._table = csv.DictWriter(table, COLUMNS, lineterminator="\n") if table else None
        self._table_file = table
        self._began = clock.boot_seconds()
        self.total: int | None = None
        self.faults = 0
        self.tally = Tally()

    def begin(self, total: int | None) -> None:
        """Start the clock; `total` is how many frames there will be, if that is known."""
        self.total = total
        self._began = self._clock.boot_seconds()
        if self._table:
            self._table.writeheader()

    def seen(self, seen: Seen, *, folder: str = "", is_told: bool = True) -> None:
        """Count one frame, and write what was read on it unless its passages are told instead."""
        tally = self.tally
        tally.read_ms.append(seen.read_ms)
        tally.plates += len(seen.looked.readings)
        tally.rejected.update(one.reason for one in seen.looked.rejected)
        for judged in seen.judged or ():
            tally.scores.setdefault(folder, Score()).add(judged)
        if is_told:
            self._write(as_text(seen), frame_object(seen), rows(seen))
        self._progress()

    def passed(self, source: str, passage: Passage) -> None:
        """Count and write one passage; one whose frames disagree is only counted."""
        if passage.vote is None:
            self.tally.rejected[Rejection.DISAGREE] += 1
            return
        self.tally.passages += 1
        one = passage_object(source, passage)
        row = {key: value for key, value in one.items() if key in COLUMNS}
        row |= dict(zip(("x0", "y0", "x1", "y1"), one["box"], strict=True))
        vote, when = passage.vote, f"{passage.began_seconds:.2f} s to {passage.ended_seconds:.2f} s"
        frames = _plural(passage.frames, "frame")
        text = f"{source}  {when}  {vote.text}  {vote.confidence:.2f}  {frames}"
        self._write([text], one, [row])

    def fault(self, error: Exception) -> None:
        """Report a source that could not be read."""
        self._clear()
        self.faults += 1
        self._errors.write(f"parkgraph-edge read: {error}\n")

    def end(self) -> None:
        """Write what it came to; of one frame its line has said all."""
        self._clear()
        tally = self.tally
        if len(tally.read_ms) > 1:
            seconds = self._clock.boot_seconds() - self._began
            self._errors.write("".join(f"{line}\n" for line in summary(tally, seconds)))
        if tally.scores:
            self._errors.write("".join(f"{line}\n" for line in scores(tally.scores)))

    def _write(
        self, text: Sequence[str], one: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        self._clear()
        if self._table and self._table_file:
            self._table.writerows(rows)
            self._table_file.flush()
        if not self._is_table:
            lines = [json.dumps(one)] if self._as_json else text
            self._out.write("".join(line + "\n" for line in lines))
            self._out.flush()

    def _progress(self) -> None:
        if not self._errors.isatty():
            return
        count = len(self.tally.read_ms)
        rate = count / max(1e-9, self._clock.boot_seconds() - self._began)
        text = f"{count} frames, {rate:.1f} a second"
        if self.total:
            left = max(0.0, (self.total - count) / rate)
            share = min(1.0, count / self.total)
            text = f"{count} of {self.total} frames, {share:.0%}, {rate:.1f} a second"
            text += f", {left:.0f} s left"
        self._errors.write(f"\r\x1b[K{text}")
        self._errors.flush()

    def _clear(self) -> None:
        if self._errors.isatty():
            self._errors.write("\r\x1b[K")


def caption(frame: Frame, name: str | None = None) -> str:
    """Name a frame, its source by `name` where one is given."""
    source = frame.source if name is None else name
    if frame.at_seconds is None:
        return source
    return f"{source} #{frame.number} {frame.at_seconds:.2f} s"


def told(readings: Sequence[PlateReading]) -> list[PlateReading]:
    """Keep what a person should see of one frame: the best reading, and other likely plates."""
    return [one for one in readings if one is readings[0] or one in plausible(readings)]


def as_text(seen: Seen) -> list[str]:
    """Say what was read on a frame, a line for each plate."""
    name, ms = caption(seen.frame), f"{seen.read_ms:.0f} ms"
    lines = [
        f"{name}  {one.text}  {one.confidence:.2f}  {_corners(one.box)}  {ms}"
        for one in told(seen.looked.readings)
    ]
    lines += [
        f"{name}  -  {REASONS[one.reason]}  {_corners(one.box)}  {ms}"
        for one in seen.looked.rejected
    ]
    lines += [
        f"{name}  !  {one.label.text} was {f'read as {one.text}' if one.text else 'not read'}"
        for one in seen.judged or ()
        if one.label.text and not one.is_exact
    ]
    return lines or [f"{name}  -  no plate  {ms}"]


def frame_object(seen: Seen) -> dict[str, Any]:
    """Say all that was seen on a frame."""
    plates = [
        {
            "text": one.text,
            "confidence": round(one.confidence, 4),
            "characters": [round(chance, 4) for chance in one.characters],
            "box": one.box,
            "score": round(one.score, 4),
            "alternatives": _rounded(one.alternatives),
        }
        for one in seen.looked.readings
    ]
    judged = [
        {
            "text": one.label.text,
            "box": one.label.box,
            "read": one.text,
            "overlap": round(one.overlap, 4),
        }
        for one in seen.judged or ()
    ]
    return {
        "source": seen.frame.source,
        "frame": seen.frame.number,
        "at_seconds": seen.frame.at_seconds,
        "plates": plates,
        "rejected": [{"reason": one.reason, "box": one.box} for one in seen.looked.rejected],
        **({} if seen.judged is None else {"labels": judged}),
        "read_ms": round(seen.read_ms, 1),
    }


def passage_object(source: str, passage: Passage) -> dict[str, Any]:
    """Say all that is known of a passage on which frames agree."""
    vote = passage.vote
    return {
        "source": source,
        "at_seconds": round(passage.began_seconds, 3),
        "ended_seconds": round(passage.ended_seconds, 3),
        "frames": passage.frames,
        "text": vote.text if vote else "",
        "confidence": round(vote.confidence, 4) if vote else 0.0,
        "box": vote.box if vote else (0, 0, 0, 0),
        "alternatives": _rounded(vote.alternatives) if vote else [],
    }


def rows(seen: Seen) -> list[dict[str, Any]]:
    """Return a row of `COLUMNS` for each plate and each rejection; one for a frame without any."""
    frame = {
        "source": seen.frame.source,
        "frame": seen.frame.number,
        "at_seconds": seen.frame.at_seconds,
        "read_ms": round(seen.read_ms, 1),
    }
    label = {one.text: one.label.text for one in seen.judged or ()}
    found: list[dict[str, Any]] = [
        {
            **frame,
            "text": one.text,
            "confidence": round(one.confidence, 4),
            "label": label.get(one.text),
            **dict(zip(("x0", "y0", "x1", "y1"), one.box, strict=True)),
        }
        for one in seen.looked.readings
    ]
    found += [
        {
            **frame,
            "rejected": one.reason,
            **dict(zip(("x0", "y0", "x1", "y1"), one.box, strict=True)),
        }
        for one in seen.looked.rejected
    ]
    return found or [frame]


def summary(tally: Tally, seconds: float) -> list[str]:
    """Say what all frames came to."""
    frames = len(tally.read_ms)
    rejected = ", ".join(f"{n} {REASONS[reason]}" for reason, n in tally.rejected.most_common())
    passages = f", {_plural(tally.passages, 'passage')}" if tally.passages else ""
    p95 = statistics.quantiles(tally.read_ms, n=20, method="inclusive")[18]
    pace = f"{seconds:.1f} s, {frames / max(seconds, 1e-9):.1f} a second"
    read = f"{_plural(tally.plates, 'plate')} read{passages}, {tally.rejected.total()} rejected"
    return [
        f"{_plural(frames, 'frame')} in {pace}: {read}{f' ({rejected})' if rejected else ''}",
        f"{statistics.median(tally.read_ms):.1f} ms a frame (median), {p95:.1f} ms (p95)",
    ]


def scores(by_folder: Mapping[str, Score]) -> list[str]:
    """Say how right the readings of labelled folders are, in a table."""
    every = dict(by_folder)
    if len(every) > 1:
        every["all"] = sum(by_folder.values(), Score())
    width = max(len("labelled"), *(len(name) for name in every))
    lines = [f"{'labelled':<{width}}  plates    found    exact   folded      CER"]
    for name, score in every.items():
        shares = [
            _percent(score.found, score.plates),
            _percent(score.exact, score.known),
            _percent(score.folded, score.known),
            _percent(score.edits, score.characters),
        ]
        lines.append(f"{name:<{width}}  {score.plates:>6}  " + "  ".join(f"{s:>7}" for s in shares))
    return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _corners(box: tuple[int, int, int, int]) -> str:
    return f"{box[0]},{box[1]} {box[2]},{box[3]}"


def _rounded(alternatives: Alternatives) -> list[tuple[str, float]]:
    return [(text, round(nats, 3)) for text, nats in alternatives]
