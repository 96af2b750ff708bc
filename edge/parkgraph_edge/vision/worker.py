"""The vision process: a thread for each camera, one loop that reads plates for all of them.

A camera's thread keeps only its newest frame worth reading; the loop takes what is there. Only the
loop writes, so a line is never cut by another.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from threading import Condition, Event, Thread
from typing import Final

import structlog

from parkgraph.model.plates import LONGEST_PLATE
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph_edge.vision.frames import Pixels, decode
from parkgraph_edge.vision.messages import (
    Alive,
    CameraMessage,
    Message,
    RejectedMessage,
    RejectionReason,
    SightingMessage,
)
from parkgraph_edge.vision.mjpeg import Camera, Part
from parkgraph_edge.vision.plates import Looked, plausible
from parkgraph_edge.vision.views import View, ViewJudge
from parkgraph_edge.vision.votes import Track, Vote, follow
from parkgraph_edge.vision.watch import Watch

log = structlog.get_logger(__name__)

ALIVE_SECONDS: Final = 1.0
BETWEEN_SIGHTINGS_SECONDS: Final = 0.2
# A car that stopped is still worth some frames.
AFTER_MOTION_SECONDS: Final = 1.0
REJECTED_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 10.0


class Post:
    """What is known of one camera.

    Guarded by the worker's condition, but for `judge`, which is the camera's thread's, and for
    votes and rejections, which are the loop's.
    """

    def __init__(self, camera: str, url: str) -> None:
        self.camera = camera
        self.url = url
        self.waiting: Part | None = None
        self.read_until = 0.0
        self.attended_until = 0.0
        self.read_at = 0.0
        self.state: CameraMessage | None = None
        self.told_state: CameraMessage | None = None
        self.judge = ViewJudge()
        self.tracks: tuple[Track, ...] = ()
        self.told_vote: Vote | None = None
        self.rejected: Counter[RejectionReason] = Counter()
        self.told_rejected: Counter[RejectionReason] = Counter()


class Worker:
    """Reads the plates before `cameras`, which maps a camera's name to its address.

    `read_plates` is that of `PlateReader`; `write` is called by `run` alone.
    """

    def __init__(
        self,
        cameras: Mapping[str, str],
        read_plates: Callable[[Pixels], Looked],
        write: Callable[[Message], None],
        clock: Clock,
    ) -> None:
        self._posts = {camera: Post(camera, url) for camera, url in cameras.items()}
        self._read_plates = read_plates
        self._write = write
        self._clock = clock
        self._changed = Condition()
        self._stopped = Event()
        self._alive_at = 0.0
        self._rejected_at = 0.0

    def run(self) -> None:
        """Read until `stop` is called, by whichever thread."""
        for post in self._posts.values():
            Thread(target=self._watch, args=(post,), name=post.camera, daemon=True).start()
        while not self._stopped.is_set():
            waiting = self._next()
            self._tell_states()
            if waiting is not None:
                self._read(*waiting)

    def stop(self) -> None:
        """Let `run` return after the frame it is reading."""
        self._stopped.set()
        with self._changed:
            self._changed.notify()

    def attend(self, camera: str, seconds: float) -> None:
        """Read every frame of `camera` for so long; an unknown camera is ignored."""
        with self._changed:
            if post := self._posts.get(camera):
                post.attended_until = self._clock.boot_seconds() + seconds

    def _watch(self, post: Post) -> None:
        """Keep `post` supplied with frames. Runs on the camera's own thread."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while not self._stopped.is_set():
                began = self._clock.boot_seconds()
                try:
                    self._receive(post)
                except (UnavailableError, CorruptError) as error:
                    away = CameraMessage(camera=post.camera, state="away", detail=str(error))
                    with self._changed:
                        post.state = away
                        self._changed.notify()
                if self._clock.boot_seconds() - began > LONGEST_PAUSE_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            # Reached before the stop, it was a bug: end the process rather than lose one camera.
            self.stop()

    def _receive(self, post: Post) -> None:
        watch = Watch(post.judge)
        for part in Camera(post.url, self._clock).parts():
            has_car = part.arrived_at <= post.attended_until
            glance = watch.glance(part, has_car=has_car)
            with self._changed:
                if post.state is None or post.state.state != glance.view.state:
                    post.state = _told(post.camera, glance.view)
                if glance.moves:
                    post.read_until = part.arrived_at + AFTER_MOTION_SECONDS
                is_wanted = part.arrived_at <= max(post.read_until, post.attended_until)
                if is_wanted and glance.is_new:
                    post.waiting = part
                if self._is_anything_to_do():
                    self._changed.notify()
            if self._stopped.is_set():
                return

    def _next(self) -> tuple[Post, Part] | None:
        """Take the next frame: of attended cameras first, then of the one read longest ago."""
        with self._changed:
            self._changed.wait_for(self._is_anything_to_do, timeout=ALIVE_SECONDS)
            waiting = [(post, post.waiting) for post in self._posts.values() if post.waiting]
            if not waiting:
                return None
            now = self._clock.boot_seconds()
            post, part = min(
                waiting, key=lambda pair: (pair[0].attended_until < now, pair[0].read_at)
            )
            post.waiting, post.read_at = None, now
            return post, part

    def _is_anything_to_do(self) -> bool:
        return self._stopped.is_set() or any(
            post.waiting is not None or post.state is not post.told_state
            for post in self._posts.values()
        )

    def _tell_states(self) -> None:
        """Write which cameras came and went, and each second that this loop still turns."""
        with self._changed:
            news = [post.state for post in self._posts.values() if post.state != post.told_state]
            for post in self._posts.values():
                post.told_state = post.state
        for state in news:
            if state is not None:
                self._write(state)
        now = self._clock.boot_seconds()
        if now - self._alive_at >= ALIVE_SECONDS:
            self._alive_at = now
            self._write(Alive())
        if now - self._rejected_at >= REJECTED_SECONDS:
            self._rejected_at = now
            self._tell_rejected()

    def _tell_rejected(self) -> None:
        for post in self._posts.values():
            if post.rejected != post.told_rejected:
                post.told_rejected = Counter(post.rejected)
                self._write(RejectedMessage(camera=post.camera, counts=dict(post.rejected)))

    def _read(self, post: Post, part: Part) -> None:
        began = self._clock.boot_seconds()
        try:
            looked = self._read_plates(decode(part.jpeg))
        except CorruptError as error:
            log.warning("frame_not_decoded", camera=post.camera, reason=str(error))
            return
        read_ms = (self._clock.boot_seconds() - began) * 1000
        likely = plausible(looked.readings)
        followed = follow(post.tracks, likely, part.arrived_at)
        post.tracks = followed.tracks
        post.rejected.update(one.reason.value for one in looked.rejected)
        # What is read worse than others of its frame agrees with nothing.
        disagreed = followed.disagreed + len(looked.readings) - len(likely)
        if disagreed:
            post.rejected["disagree"] += disagreed
        # The first is the nearest car, the one before the barrier.
        if followed.votes and _is_news(followed.votes[0], post.told_vote):
            post.told_vote = followed.votes[0]
            self._write(_sighting(post.camera, followed.votes[0], read_ms))


def _told(camera: str, view: View) -> CameraMessage:
    return CameraMessage(camera=camera, state=view.state.value, detail=view.detail)


def _is_news(vote: Vote, told: Vote | None) -> bool:
    """Say whether to tell a vote: not too often."""
    return told is None or vote.taken_at - told.taken_at >= BETWEEN_SIGHTINGS_SECONDS


def _sighting(camera: str, vote: Vote, read_ms: float) -> SightingMessage:
    return SightingMessage(
        camera=camera,
        text=vote.text,
        confidence=round(min(1.0, vote.confidence), 4),
        frames=vote.frames,
        taken_at=vote.taken_at,
        box=vote.box,
        alternatives=tuple(one for one in vote.alternatives if len(one[0]) <= LONGEST_PLATE),
        read_ms=round(read_ms, 1),
    )
