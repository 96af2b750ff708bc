"""One entry for each car that passes a camera, from the readings of its frames. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from parkgraph_edge.vision.plates import PlateReading
from parkgraph_edge.vision.votes import Track, Vote, count, follow


@dataclass(frozen=True, slots=True)
class Passage:
    """A plate that was followed: when, on how many frames, and what they agree on, if on anything.

    Seconds count from the first frame of the source.
    """

    began_seconds: float
    ended_seconds: float
    frames: int
    vote: Vote | None


class Passages:
    """Follows the plates of one source."""

    def __init__(self) -> None:
        self._tracks: tuple[Track, ...] = ()
        # By the newest ballot of its track, which the next frame's track holds as the last but one.
        self._under_way: dict[int, Passage] = {}

    def see(self, readings: Sequence[PlateReading], at_seconds: float) -> list[Passage]:
        """Take the readings of the next frame and return the passages that are over."""
        self._tracks = follow(self._tracks, readings, at_seconds).tracks
        before, self._under_way = self._under_way, {}
        for track in self._tracks:
            newest = track.ballots[-1]
            passage = before.pop(id(newest), None)
            if passage is None:
                last = before.pop(id(track.ballots[-2]), None) if len(track.ballots) > 1 else None
                passage = _continued(last, track)
            self._under_way[id(newest)] = passage
        return list(before.values())

    def end(self) -> list[Passage]:
        """Return the passages that are under way where the source ends."""
        under_way, self._under_way, self._tracks = self._under_way, {}, ()
        return list(under_way.values())


def _continued(last: Passage | None, track: Track) -> Passage:
    """Add a track's newest frame; of all votes keep the one that most and surest frames gave."""
    at_seconds = track.ballots[-1].taken_at
    vote = count(track.ballots)
    if last is None:
        return Passage(at_seconds, at_seconds, 1, vote)
    votes = [one for one in (last.vote, vote) if one is not None]
    best = max(votes, key=lambda one: one.confidence * one.frames, default=None)
    return Passage(last.began_seconds, at_seconds, last.frames + 1, best)
