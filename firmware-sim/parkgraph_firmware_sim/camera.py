"""The cameras: one a lane, MJPEG over HTTP. Nothing is drawn while nobody watches."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from parkgraph_firmware_sim.lane import Fault, Lane
from parkgraph_firmware_sim.pace import Pace
from parkgraph_firmware_sim.scene import Scene

FRAMES_PER_SECOND: Final = 10
BOUNDARY: Final = "frame"

Draw = Callable[[Scene], bytes]


class Camera:
    """The camera of one lane. All who watch see the same frames."""

    def __init__(self, lane: Lane, pace: Pace, draw: Draw) -> None:
        self._lane = lane
        self._pace = pace
        self._draw = draw
        self._drawing = asyncio.Lock()
        self._last: tuple[Scene, bytes] | None = None

    @property
    def is_away(self) -> bool:
        """Whether it refuses connections."""
        return Fault.CAMERA_AWAY in self._lane.faults

    async def frame(self) -> bytes:
        """The newest frame, as JPEG."""
        async with self._drawing:
            scene = self._pace.world.scene(self._lane.name)
            is_frozen = Fault.CAMERA_FROZEN in self._lane.faults
            if self._last is None or (self._last[0] != scene and not is_frozen):
                self._last = scene, await asyncio.to_thread(self._draw, scene)
            return self._last[1]

    async def parts(self) -> AsyncIterator[bytes]:
        """The frames as parts of a multipart body, ten a second of world time."""
        while not self.is_away:
            number = math.floor(self._pace.world.seconds * FRAMES_PER_SECOND + 1e-6)
            frame = await self.frame()
            yield (
                (
                    f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                    f"Content-Length: {len(frame)}\r\n\r\n"
                ).encode()
                + frame
                + b"\r\n"
            )
            await self._pace.wait_for(partial(self._is_due, (number + 1) / FRAMES_PER_SECOND))

    def _is_due(self, due_seconds: float) -> bool:
        return self.is_away or self._pace.world.seconds >= due_seconds - 1e-6


def app(cameras: dict[str, Camera]) -> Starlette:
    """The web server of all cameras: `/{lane}/stream.mjpg` and `/{lane}/frame.jpg`."""

    def camera_of(request: Request) -> Camera | Response:
        camera = cameras.get(request.path_params["lane"])
        if camera is None:
            return PlainTextResponse("no such camera\n", status_code=404)
        if camera.is_away:
            return PlainTextResponse("camera away\n", status_code=503)
        return camera

    async def stream(request: Request) -> Response:
        camera = camera_of(request)
        if isinstance(camera, Response):
            return camera
        return StreamingResponse(
            camera.parts(),
            media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
            headers={"Cache-Control": "no-store"},
        )

    async def still(request: Request) -> Response:
        camera = camera_of(request)
        if isinstance(camera, Response):
            return camera
        return Response(
            await camera.frame(), media_type="image/jpeg", headers={"Cache-Control": "no-store"}
        )

    return Starlette(
        routes=[Route("/{lane}/stream.mjpg", stream), Route("/{lane}/frame.jpg", still)]
    )
