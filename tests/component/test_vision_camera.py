"""Cameras over real HTTP, and the worker that reads them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.messages import CameraMessage, Message, SightingMessage
from parkgraph_edge.vision.mjpeg import Camera
from parkgraph_edge.vision.plates import PlateReading
from parkgraph_edge.vision.supervisor import Vision
from parkgraph_edge.vision.worker import Worker

MJPEG = "multipart/x-mixed-replace; boundary=edge"


def jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def a_lane(brightness: int) -> bytes:
    return jpeg(np.full((180, 320, 3), brightness, np.uint8))


def part(picture: bytes) -> bytes:
    return b"--edge\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(picture), picture)


@contextmanager
def a_camera(*body: bytes, content_type: str = MJPEG, status: int = 200) -> Iterator[str]:
    """Serve the pieces of `body`, one every 20 ms; an empty one is silence. Yields the address."""
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            for piece in body:
                if over.wait(0.02 if piece else 10):
                    return
                try:
                    self.wfile.write(piece)
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/stream.mjpg"
        finally:
            over.set()
            server.shutdown()
            thread.join()


def read_plates(_: Pixels) -> list[PlateReading]:
    """Read one plate on every frame, at once."""
    return [PlateReading("ABC1234", 0.9, (0.99,) * 7, (10, 10, 90, 40))]


@contextmanager
def a_worker(url: str, written: list[Message]) -> Iterator[Worker]:
    worker = Worker({"north-in": url}, read_plates, written.append, SystemClock())
    thread = Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(5)
        assert not thread.is_alive()


def wait_for(condition: Callable[[], object], *, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def states(written: list[Message]) -> list[str]:
    return [message.state for message in written if isinstance(message, CameraMessage)]


def sightings(written: list[Message]) -> list[SightingMessage]:
    return [message for message in written if isinstance(message, SightingMessage)]


def read_parts(url: str, *, silence_seconds: float = 5) -> list[bytes]:
    return [one.jpeg for one in Camera(url, SystemClock(), silence_seconds=silence_seconds).parts()]


def test_a_camera_that_hangs_up_is_away_after_its_last_picture() -> None:
    with a_camera(part(b"one"), part(b"two")) as url:
        parts = Camera(url, SystemClock()).parts()

        assert [next(parts).jpeg, next(parts).jpeg] == [b"one", b"two"]
        with pytest.raises(UnavailableError, match="ended its stream"):
            next(parts)


def test_a_stream_cut_off_in_a_picture_gives_no_half_picture() -> None:
    with (
        a_camera(part(b"x" * 100)[:-50]) as url,
        pytest.raises(UnavailableError, match="ended its stream"),
    ):
        read_parts(url)


def test_a_page_instead_of_a_stream_is_named() -> None:
    says = "sends text/html, not an MJPEG stream"

    with (
        a_camera(b"<html>", content_type="text/html") as url,
        pytest.raises(CorruptError, match=says),
    ):
        read_parts(url)


def test_a_camera_that_refuses_is_away() -> None:
    with a_camera(status=401) as url, pytest.raises(UnavailableError, match="answers 401"):
        read_parts(url)


def test_a_silent_camera_is_away() -> None:
    with a_camera(b"") as url, pytest.raises(UnavailableError, match="timed out"):
        read_parts(url, silence_seconds=0.2)


def test_a_camera_that_is_not_there_is_away() -> None:
    with pytest.raises(UnavailableError, match="check that it is on"):
        read_parts("http://127.0.0.1:9/")


def test_a_plate_is_told_once_two_frames_agree() -> None:
    written: list[Message] = []

    moving = [part(a_lane(40 * step)) for step in range(6)]
    with a_camera(*moving, b"") as url, a_worker(url, written):
        wait_for(lambda: sightings(written))

    first = sightings(written)[0]
    assert (first.camera, first.text, first.frames) == ("north-in", "ABC1234", 2)
    assert states(written)[0] == "ok"


def test_an_empty_lane_is_read_only_while_attended() -> None:
    written: list[Message] = []
    still = [part(a_lane(90))] * 400

    with a_camera(*still) as url, a_worker(url, written) as worker:
        wait_for(lambda: sightings(written))
        # The first picture counts as motion, which lasts a second.
        wait_for(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) - newest(written) > 0.5)
        before = len(sightings(written))
        worker.attend("north-in", 5.0)
        wait_for(lambda: len(sightings(written)) > before)


def newest(written: list[Message]) -> float:
    return sightings(written)[-1].taken_at


async def test_the_real_process_sees_a_plate_before_a_camera() -> None:
    picture = np.full((360, 640, 3), 110, np.uint8)
    cv2.rectangle(picture, (210, 150), (430, 215), (240, 240, 240), cv2.FILLED)
    cv2.putText(picture, "KLM4827", (220, 198), cv2.FONT_HERSHEY_DUPLEX, 1.5, (20, 20, 20), 3)

    with a_camera(*[part(jpeg(picture))] * 1000) as url:
        vision = Vision({"north-in": url})
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            task = group.create_task(vision.run())
            while vision.newest("north-in") is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
            task.cancel()

    seen = vision.newest("north-in")
    assert seen is not None
    assert seen.text == "KLM4827"


def test_sightings_come_at_most_five_a_second() -> None:
    written: list[Message] = []

    with a_camera(*[part(a_lane(90))] * 400) as url, a_worker(url, written) as worker:
        worker.attend("north-in", 5.0)
        wait_for(lambda: len(sightings(written)) >= 4)

    times = [sighting.taken_at for sighting in sightings(written)]
    assert all(later - sooner >= 0.199 for sooner, later in pairwise(times))


def test_a_camera_that_goes_is_told_once_and_again_when_it_is_back() -> None:
    written: list[Message] = []

    with a_camera(part(a_lane(90)), part(b"no picture")) as url, a_worker(url, written):
        wait_for(lambda: len(states(written)) >= 3)

    assert states(written)[:3] == ["ok", "away", "ok"]
    [detail] = {one.detail for one in written if isinstance(one, CameraMessage) and one.detail}
    assert detail == "a picture cannot be decoded"
