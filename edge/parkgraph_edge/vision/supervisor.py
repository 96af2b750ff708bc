"""The gateway's side of vision: keeps the process running and what it saw last.

Vision is advice. When it is away, lanes go on by code, QR, call or operator.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.loops import keep_trying
from parkgraph_edge.rules.identity import Alternative
from parkgraph_edge.rules.sightings import Sighting
from parkgraph_edge.vision.messages import (
    LONGEST_LINE,
    Attend,
    CameraAddress,
    CameraMessage,
    RejectedMessage,
    SightingMessage,
    Start,
    parse_from_vision,
)

log = structlog.get_logger(__name__)

PROGRAM: Final = (sys.executable, "-m", "parkgraph_edge.vision")
SILENCE_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 10.0
LOG_REJECTED_SECONDS: Final = 60.0
DOWN: Final = "the vision process is down; see the log, and what `parkgraph-edge config check` says"


class Vision:
    """Reads the plates before `cameras`, which maps a camera's name to the address of its stream.

    `detector` and `reader` are networks of the site's own, see `brought`; `countries` are those
    whose plates are common there.

    Belongs to one event loop; no method but `run` waits.
    """

    def __init__(
        self,
        cameras: Mapping[str, str],
        *,
        detector: Path | None = None,
        reader: Path | None = None,
        countries: tuple[str, ...] = (),
        program: Sequence[str] = PROGRAM,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._cameras = dict(cameras)
        self._detector, self._reader, self._countries = detector, reader, countries
        self._program = program
        self._silence_seconds = silence_seconds
        self._process: Process | None = None
        self._newest: dict[str, Sighting] = {}
        self._troubles: dict[str, str] = {}
        self._rejected: dict[str, Counter[str]] = {}
        self._rejected_before: dict[str, Counter[str]] = {}
        self._logged_at: dict[str, float] = {}

    async def run(self) -> None:
        """Keep the process running until cancelled; it is gone when this returns.

        Without cameras there is nothing to run.
        """
        if self._cameras:
            await keep_trying("vision", self._attempt, longest_pause_seconds=LONGEST_PAUSE_SECONDS)

    def newest(self, camera: str) -> Sighting | None:
        """Return what was last seen before `camera`, however long ago: look at its `taken_at`."""
        return self._newest.get(camera)

    def attend(self, camera: str, seconds: float) -> None:
        """Have every frame of `camera` read for so long. Lost when the process is away."""
        pipe = self._process.stdin if self._process else None
        if pipe is None or pipe.is_closing():
            return
        # A process that does not read is about to be ended; it gets no more than one buffer.
        if pipe.transport.get_write_buffer_size() < LONGEST_LINE:
            pipe.write(Attend(attend=camera, seconds=seconds).line())

    def cameras_in_trouble(self) -> Mapping[str, str]:
        """Return the cameras that send no pictures or bad ones; why, and what to do."""
        return dict(self._troubles)

    def rejected(self) -> Mapping[str, Mapping[str, int]]:
        """Return how often what looks like a plate became no sighting, by camera and reason."""
        return {camera: dict(counts) for camera, counts in self._rejected.items()}

    async def _attempt(self) -> None:
        """Run the process once.

        Raises:
            UnavailableError: it ended, fell silent or wrote what is no message.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE
            )
        except OSError as error:
            raise UnavailableError(f"the vision process does not start: {error}") from error
        try:
            self._process = process
            log.info("vision_started", pid=process.pid, cameras=len(self._cameras))
            await self._follow(process)
        finally:
            self._process = None
            self._troubles = dict.fromkeys(self._cameras, DOWN)
            self._rejected_before = dict(self._rejected)
            await _end(process)

    async def _follow(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise UnavailableError("the vision process has no pipes")
        addresses = (CameraAddress(camera=c, url=url) for c, url in self._cameras.items())
        start = Start(
            cameras=tuple(addresses),
            detector=self._detector,
            reader=self._reader,
            countries=self._countries,
        )
        process.stdin.write(start.line())
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds):
                    line = await process.stdout.readline()
                if not line:
                    code = await process.wait()
                    raise UnavailableError(f"the vision process ended with {code}")
                self._take(line)
            except TimeoutError as error:
                raise UnavailableError("the vision process is silent") from error
            except (CorruptError, ValueError) as error:
                raise UnavailableError(f"the vision process wrote {error}") from error

    def _take(self, line: bytes) -> None:
        message = parse_from_vision(line)
        if isinstance(message, SightingMessage):
            self._newest[message.camera] = Sighting(
                camera=message.camera,
                text=message.text,
                confidence=message.confidence,
                frames=message.frames,
                taken_at=message.taken_at,
                box=message.box,
                alternatives=tuple(Alternative(*one) for one in message.alternatives),
            )
        elif isinstance(message, CameraMessage):
            self._camera(message)
        elif isinstance(message, RejectedMessage):
            self._count(message)

    def _camera(self, message: CameraMessage) -> None:
        match message.state:
            case "ok":
                self._troubles.pop(message.camera, None)
                log.info("camera_well", camera=message.camera)
            case "away":
                self._troubles[message.camera] = message.detail
                log.warning("camera_away", camera=message.camera, reason=message.detail)
            case state:
                self._troubles[message.camera] = f"{state}: {message.detail}"
                log.warning(
                    "camera_in_trouble", camera=message.camera, state=state, reason=message.detail
                )

    def _count(self, message: RejectedMessage) -> None:
        camera = message.camera
        counts = self._rejected_before.get(camera, Counter()) + Counter[str](message.counts)
        self._rejected[camera] = counts
        now = asyncio.get_running_loop().time()
        if now - self._logged_at.get(camera, float("-inf")) >= LOG_REJECTED_SECONDS:
            self._logged_at[camera] = now
            log.info("plates_not_read", camera=camera, **counts)


async def _end(process: Process) -> None:
    """End the process at once, whatever it does: it holds nothing that could be lost."""
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    try:
        # To the end of what it wrote: with a full buffer its end would not be seen.
        await process.communicate()
    except asyncio.CancelledError:
        # Killed, it takes no time; without this a second stop would leave it unreaped.
        await process.communicate()
        raise
