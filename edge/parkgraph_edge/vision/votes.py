"""Several frames of one camera vote on what the plate says. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from parkgraph_edge.vision.plates import PlateReading

Box = tuple[int, int, int, int]

# A reading belongs to the plate whose last box it overlaps, or lies within so many heights of it.
NEAR_HEIGHTS: Final = 3.0
FORGET_SECONDS: Final = 1.5
MOST_READINGS: Final = 12
MOST_TRACKS: Final = 8
ENOUGH_FRAMES: Final = 2
# One frame is enough when it is as sure as this: 2 % of those are misread (396 development plates).
SURE_ALONE: Final = 0.95
TWINS: Final = str.maketrans("OQDIL", "00011")


@dataclass(frozen=True, slots=True)
class Vote:
    """What the frames of one plate agree on.

    `confidence`, 0 to 1, is the mean of the agreeing frames times their share of the weight.
    `frames` counts those that agree. `taken_at` is when the newest of them arrived.
    """

    text: str
    confidence: float
    frames: int
    taken_at: float
    box: Box


@dataclass(frozen=True, slots=True)
class Ballot:
    """One reading and when its frame arrived, by the boot clock in seconds."""

    reading: PlateReading
    taken_at: float


@dataclass(frozen=True, slots=True)
class Track:
    """The readings of one plate, the newest last."""

    ballots: tuple[Ballot, ...]


def follow(
    tracks: Sequence[Track], readings: Sequence[PlateReading], taken_at: float
) -> tuple[tuple[Track, ...], tuple[Vote, ...]]:
    """Add a frame's readings to the plates they belong to, and count again.

    Returns the tracks to pass in with the next frame, and a vote for each plate that this frame
    confirmed, in the order of `readings`.
    """
    old = [track for track in tracks if taken_at - track.ballots[-1].taken_at <= FORGET_SECONDS]
    touched: list[Track] = []
    for reading in readings:
        ballot = Ballot(reading, taken_at)
        track = next((track for track in reversed(old) if _belongs(reading, track)), None)
        if track is not None:
            old.remove(track)
            touched.append(Track((*track.ballots, ballot)[-MOST_READINGS:]))
        else:
            touched.append(Track((ballot,)))
    votes = (count(track) for track in touched)
    confirmed = tuple(vote for vote in votes if vote is not None and vote.taken_at == taken_at)
    return tuple([*old, *reversed(touched)][-MOST_TRACKS:]), confirmed


def count(track: Track) -> Vote | None:
    """Return what the readings of one plate agree on, or None when too few do.

    First the length is voted on, then each position among the readings of that length, weighted by
    their confidence. Readings agree with the outcome when they differ in nothing but O, Q, D and 0
    or I, L and 1.
    """
    lengths: defaultdict[int, float] = defaultdict(float)
    for ballot in track.ballots:
        lengths[len(ballot.reading.text)] += ballot.reading.confidence
    length = max(lengths, key=lambda length: lengths[length])
    text = "".join(_elect(track, length, position) for position in range(length))
    agreeing = [ballot for ballot in track.ballots if fold(ballot.reading.text) == fold(text)]
    if not agreeing:
        return None
    mean = sum(ballot.reading.confidence for ballot in agreeing) / len(agreeing)
    weight = sum(lengths.values())
    if len(agreeing) < ENOUGH_FRAMES and mean < SURE_ALONE:
        return None
    share = mean * len(agreeing) / weight if weight else 0.0
    newest = agreeing[-1]
    return Vote(text, mean * share, len(agreeing), newest.taken_at, newest.reading.box)


def fold(text: str) -> str:
    """Return `text` with the characters that many plates print alike made one."""
    return text.translate(TWINS)


def _elect(track: Track, length: int, position: int) -> str:
    weights: defaultdict[str, float] = defaultdict(float)
    for ballot in track.ballots:
        if len(ballot.reading.text) == length:
            weights[ballot.reading.text[position]] += ballot.reading.characters[position]
    return max(weights, key=lambda character: weights[character])


def _belongs(reading: PlateReading, track: Track) -> bool:
    """Say whether `reading` may be of the plate followed: near its last place, alike in text."""
    last = track.ballots[-1].reading
    height = max(last.box[3] - last.box[1], reading.box[3] - reading.box[1])
    (x, y), (last_x, last_y) = _centre(reading.box), _centre(last.box)
    is_near = max(abs(x - last_x), abs(y - last_y)) <= NEAR_HEIGHTS * height
    return is_near and _is_alike(reading.text, last.text)


def _is_alike(one: str, other: str) -> bool:
    """Say whether two texts may be one plate: half of the longer one, from either end, is equal.

    A lost or added character shifts the rest, so both ends are tried.
    """
    one, other = fold(one), fold(other)
    least = max(len(one), len(other)) / 2
    forwards = sum(a == b for a, b in zip(one, other, strict=False))
    backwards = sum(a == b for a, b in zip(reversed(one), reversed(other), strict=False))
    return max(forwards, backwards) >= least


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
