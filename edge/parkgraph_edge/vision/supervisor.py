"""The gateway's side of vision: keeps the process running and what it saw last.

Vision is advice. When it is away, lanes go on by code, QR, call or operator.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.loops import keep_trying
from parkgraph_edge.rules.sightings import Sighting
from parkgraph_edge.vision.messages import (
    LONGEST_LINE,
    Attend,
    CameraAddress,
    CameraMessage,
    SightingMessage,
    Start,
    parse_from_vision,
)

log = structlog.get_logger(__name__)

PROGRAM: Final = (sys.executable, "-m", "parkgraph_edge.vision")
SILENCE_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 10.0


class Vision:
    """Reads the plates before `cameras`, which maps a camera's name to the address of its stream.

    Belongs to one event loop; no method but `run` waits.
    """

    def __init__(
        self,
        cameras: Mapping[str, str],
        *,
        program: Sequence[str] = PROGRAM,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._cameras = dict(cameras)
        self._program = program
        self._silence_seconds = silence_seconds
        self._process: Process | None = None
        self._newest: dict[str, Sighting] = {}
        self._away: dict[str, str] = {}

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

    def cameras_away(self) -> Mapping[str, str]:
        """Return the cameras that send no pictures, and why."""
        return dict(self._away)

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
            self._away = dict.fromkeys(self._cameras, "the vision process is down")
            await _end(process)

    async def _follow(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise UnavailableError("the vision process has no pipes")
        addresses = (CameraAddress(camera=c, url=url) for c, url in self._cameras.items())
        process.stdin.write(Start(cameras=tuple(addresses)).line())
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
            )
        elif isinstance(message, CameraMessage):
            self._camera(message)

    def _camera(self, message: CameraMessage) -> None:
        if message.state == "away":
            self._away[message.camera] = message.detail
            log.warning("camera_away", camera=message.camera, reason=message.detail)
        else:
            self._away.pop(message.camera, None)
            log.info("camera_answered", camera=message.camera)


async def _end(process: Process) -> None:
    """End the process at once, whatever it does: it holds nothing that could be lost."""
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    try:
        await process.wait()
    except asyncio.CancelledError:
        # Killed, it takes no time; without this a second stop would leave it unreaped.
        await process.wait()
        raise
