"""Several frames of one camera vote on what the plate says. Pure."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from parkgraph.model.plates import fold
from parkgraph_edge.vision.plates import PlateReading
from parkgraph_edge.vision.spelling import Alternatives, agreed

Box = tuple[int, int, int, int]

# A reading belongs to the plate whose last box it overlaps, or lies within so many heights of it.
NEAR_HEIGHTS: Final = 3.0
FORGET_SECONDS: Final = 1.5
MOST_READINGS: Final = 12
MOST_TRACKS: Final = 8
ENOUGH_FRAMES: Final = 2
# What a frame can hardly tell from what it says: as far as `rules.identity` takes two for twins.
STILL_LIKELY_NATS: Final = -3.0
# One frame is enough when it is as sure as this: 1 % of those are misread (10 of 907 plates).
SURE_ALONE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Vote:
    """What the frames of one plate agree on.

    `confidence`, 0 to 1, is the mean of the agreeing frames times their share of the weight.
    `frames` counts those that agree. `taken_at` is when the newest of them arrived. `alternatives`
    are what all frames of the plate together may say, see `spelling.agreed`.
    """

    text: str
    confidence: float
    frames: int
    taken_at: float
    box: Box
    alternatives: Alternatives = ()


@dataclass(frozen=True, slots=True)
class Ballot:
    """One reading and when its frame arrived, by the boot clock in seconds."""

    reading: PlateReading
    taken_at: float


@dataclass(frozen=True, slots=True)
class Track:
    """The readings of one plate, the newest last, and whether they ever agreed."""

    ballots: tuple[Ballot, ...]
    has_agreed: bool = False


@dataclass(frozen=True, slots=True)
class Followed:
    """The plates followed after a frame, a vote for each that it confirmed, and how many were lost.

    `disagreed` counts the plates forgotten now of which no frames ever agreed.
    """

    tracks: tuple[Track, ...] = ()
    votes: tuple[Vote, ...] = ()
    disagreed: int = 0


def follow(tracks: Sequence[Track], readings: Sequence[PlateReading], taken_at: float) -> Followed:
    """Add a frame's readings to the plates they belong to, and count again.

    The votes are in the order of `readings`.
    """
    old = [track for track in tracks if taken_at - track.ballots[-1].taken_at <= FORGET_SECONDS]
    lost = [track for track in tracks if track not in old]
    touched: list[Track] = []
    confirmed: list[Vote] = []
    for reading in readings:
        before = next((track for track in reversed(old) if _belongs(reading, track)), None)
        if before is not None:
            old.remove(before)
        ballots = (*(before.ballots if before else ()), Ballot(reading, taken_at))[-MOST_READINGS:]
        vote = count(ballots)
        touched.append(
            Track(ballots, vote is not None or (before is not None and before.has_agreed))
        )
        if vote is not None and vote.taken_at == taken_at:
            confirmed.append(vote)
    kept = [*old, *reversed(touched)]
    lost += kept[:-MOST_TRACKS]
    disagreed = sum(not track.has_agreed for track in lost)
    return Followed(tuple(kept[-MOST_TRACKS:]), tuple(confirmed), disagreed)


def count(ballots: Sequence[Ballot]) -> Vote | None:
    """Return what the readings of one plate agree on, or None when too few do.

    First the length is voted on, then each position among the readings of that length, weighted by
    their confidence. Readings agree with the outcome when they differ in nothing but O, Q, D and 0
    or I, L and 1, or when to them it is still likely, if less so than what they say.
    """
    lengths: defaultdict[int, float] = defaultdict(float)
    for ballot in ballots:
        lengths[len(ballot.reading.text)] += ballot.reading.confidence
    length = max(lengths, key=lambda length: lengths[length])
    text = "".join(_elect(ballots, length, position) for position in range(length))
    agreeing = [ballot for ballot in ballots if _may_say(ballot.reading, fold(text))]
    if not agreeing:
        return None
    mean = sum(ballot.reading.confidence for ballot in agreeing) / len(agreeing)
    weight = sum(lengths.values())
    if len(agreeing) < ENOUGH_FRAMES and mean < SURE_ALONE:
        return None
    share = mean * len(agreeing) / weight if weight else 0.0
    newest = agreeing[-1]
    return Vote(
        text,
        mean * share,
        len(agreeing),
        newest.taken_at,
        newest.reading.box,
        agreed([ballot.reading.alternatives for ballot in ballots]),
    )


def _may_say(reading: PlateReading, folded: str) -> bool:
    nats = dict(reading.alternatives).get(folded, -math.inf)
    return fold(reading.text) == folded or nats >= STILL_LIKELY_NATS


def _elect(ballots: Sequence[Ballot], length: int, position: int) -> str:
    weights: defaultdict[str, float] = defaultdict(float)
    for ballot in ballots:
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
