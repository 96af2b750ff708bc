"""What a camera costs while nobody is there, and by how much its faults are told apart.

The reference is a full decode of the same pictures in the same run: 1080p, drawn by the simulator
and enlarged, with the noise of a sensor, as JPEG of quality 82.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import cv2
from pydantic import BaseModel

from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.vision.frames import Pixels, decode
from parkgraph_edge.vision.mjpeg import Camera, Part
from parkgraph_edge.vision.scenes import features, light, scene
from parkgraph_edge.vision.views import ViewJudge
from parkgraph_edge.vision.watch import Watch
from tests import lane_pictures as lane

FRAMES_PER_SECOND: Final = 10
PICTURES: Final = 24
LIVE_SECONDS: Final = 8.0
SECONDS: Final = 30.0
LEARN_SECONDS: Final = 40.0
NAMED_WITHIN_SECONDS: Final = 6.0
_SIZE: Final = (1920, 1080)


class Cost(BaseModel):
    """Processor time of one way to look, in per cent of a core at ten pictures a second."""

    name: str
    percent: float


class Margin(BaseModel):
    """What one case measures, and what it was called after how long."""

    case: str
    brightest: float
    saturated: float
    spread: float
    sharpness: float | None
    matching: float | None
    lost: float
    state: str
    after_seconds: float | None


class Watched(BaseModel):
    """What was measured of cameras."""

    kibibytes: float
    costs: list[Cost]
    margins: list[Margin] = []


def measure() -> Watched:
    """Measure costs first, while the caches are as in a process that only watches."""
    cv2.setNumThreads(1)
    jpegs = [_large_jpeg() for _ in range(PICTURES)]
    costs = [
        Cost(name="full decode of each", percent=_decoding(jpegs)),
        Cost(name="gate and judge", percent=_watching(jpegs)),
        Cost(name="gate and judge, received by HTTP", percent=_receiving(jpegs)),
    ]
    kibibytes = sum(map(len, jpegs)) / len(jpegs) / 1024
    return Watched(kibibytes=kibibytes, costs=costs, margins=_margins())


def _large_jpeg() -> bytes:
    large = cv2.resize(lane.picture(), _SIZE, interpolation=cv2.INTER_LINEAR)
    return lane.jpeg(lane.noisy(large.astype("uint8", copy=False)))


def _decoding(jpegs: list[bytes]) -> float:
    began = time.thread_time()
    for jpeg in jpegs * 4:
        decode(jpeg)
    return 100 * (time.thread_time() - began) / (len(jpegs) * 4) * FRAMES_PER_SECOND


def _watching(jpegs: list[bytes]) -> float:
    watch = Watch(ViewJudge())
    parts = [Part(one, at / FRAMES_PER_SECOND) for at, one in enumerate(jpegs * 10)]
    began = time.thread_time()
    for part in parts:
        watch.glance(part, has_car=False)
    return 100 * (time.thread_time() - began) / len(parts) * FRAMES_PER_SECOND


def _receiving(jpegs: list[bytes]) -> float:
    """Receive a live stream; the camera's side is another thread and does not count."""
    with _serving(jpegs) as url:
        watch, seconds = Watch(ViewJudge()), LIVE_SECONDS
        parts = Camera(url, SystemClock()).parts()
        first = next(parts)
        began = time.thread_time()
        for part in parts:
            watch.glance(part, has_car=False)
            if part.arrived_at - first.arrived_at >= seconds:
                return 100 * (time.thread_time() - began) / (part.arrived_at - first.arrived_at)
    raise UnavailableError("the stream ended")


@contextmanager
def _serving(jpegs: list[bytes]) -> Iterator[str]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=edge")
            self.end_headers()
            for one in itertools.cycle(jpegs):
                part = b"--edge\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(one), one)
                try:
                    self.wfile.write(part)
                except OSError:
                    return
                if over.wait(1 / FRAMES_PER_SECOND):
                    return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            over.set()
            server.shutdown()
            thread.join()


CASES: Final[dict[str, lane.Change]] = {
    "empty": lane.unchanged,
    "rain": lane.rained_on,
    "at 0.3 of the light": lane.dimmed(0.3),
    "truck fills it": lane.behind_a_truck,
    "wall fills it": lane.behind_a_wall,
    "blurred by 2": lane.blurred(2),
    "blurred by 4": lane.blurred(4),
    "blurred by 6": lane.blurred(6),
    "smeared": lane.smeared,
    "haze": lane.hazed,
    "sun": lane.glared,
    "white": lane.white,
    "black": lane.black,
    "moved by 12": lane.moved(12, 4),
    "moved by 20": lane.moved(20, 7),
    "moved by 200": lane.moved(200, -80),
    "turned by 2": lane.turned(2),
    "turned by 3": lane.turned(3),
    "turned by 30": lane.turned(30),
}
_FILLED: Final = ("truck fills it", "wall fills it")


def _margins() -> list[Margin]:
    found = []
    for is_night in (False, True):
        usual = lane.greys(lane.a_scene(is_night=is_night), count=12)
        for case, change in CASES.items():
            name = f"{'night' if is_night else 'day'}, {case}"
            shown = lane.greys(lane.a_scene(is_night=is_night), change, count=6)
            found.append(_margin(name, usual, shown, has_car=case in _FILLED))
        for at in (-10.0, -1.2, 1.5):
            shown = lane.greys(lane.a_scene(is_night=is_night, car_at=at), count=6)
            name = f"{'night' if is_night else 'day'}, car at {at}"
            found.append(_margin(name, usual, shown, has_car=False))
        other = lane.greys(lane.a_scene(is_night=not is_night), count=6)
        name = "day after night" if is_night else "night after day"
        found.append(_margin(name, usual, other, has_car=False))
    return found


def _margin(name: str, usual: list[Pixels], shown: list[Pixels], *, has_car: bool) -> Margin:
    judge, now = ViewJudge(), 0.0
    for grey in lane.in_turn(usual):
        judge.look(grey, now, has_car=False)
        now += 0.2
        if now > LEARN_SECONDS:
            break
    seen = scene(features(shown[0]), features(shown[1]))
    brightness, reference = light(shown[0]), judge.reference
    told = (reference.matching(seen), reference.lost(seen))
    began, after = now, None
    for grey in lane.in_turn(shown):
        view = judge.look(grey, now, has_car=has_car)
        if view.state.value != "ok" and after is None:
            after = now - began
        now += 0.2
        if now - began > NAMED_WITHIN_SECONDS:
            break
    return Margin(
        case=name,
        brightest=brightness.brightest,
        saturated=brightness.saturated,
        spread=brightness.spread,
        sharpness=seen.sharpness,
        matching=told[0],
        lost=told[1],
        state=judge.view.state.value,
        after_seconds=after,
    )
