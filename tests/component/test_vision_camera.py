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

from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.messages import (
    CameraMessage,
    Message,
    RejectedMessage,
    RejectionReason,
    SightingMessage,
)
from parkgraph_edge.vision.mjpeg import Camera
from parkgraph_edge.vision.plates import Looked, PlateReading, Rejected, Rejection
from parkgraph_edge.vision.supervisor import Vision
from parkgraph_edge.vision.worker import Worker
from parkgraph_firmware_sim.hardware import running
from parkgraph_firmware_sim.lane import Fault
from parkgraph_firmware_sim.settings import Settings

NOISE = np.random.default_rng(1)
SLABS = np.random.default_rng(2).integers(0, 60, (18, 32, 1)).repeat(40, 0).repeat(40, 1)
HASTE = 10.0
SIMULATED_HASTE = 2.0
MJPEG = "multipart/x-mixed-replace; boundary=edge"


def jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def a_lane(brightness: int) -> bytes:
    """A lane of slabs as a sensor gives it, with other noise each time."""
    noise = NOISE.integers(0, 8, (720, 1280, 3))
    return jpeg((SLABS + noise + brightness).clip(0, 255).astype(np.uint8))


def an_empty_lane(count: int) -> list[bytes]:
    """Some pictures over and over, none twice in a row."""
    parts = [part(a_lane(90)) for _ in range(min(count, 20))]
    return [parts[at % len(parts)] for at in range(count)]


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


def read_plates(_: Pixels) -> Looked:
    """Read one plate on every frame, at once."""
    return Looked([PlateReading("ABC1234", 0.9, (0.99,) * 7, (10, 10, 90, 40))])


class HastyClock(SystemClock):
    """Lets a camera's five pictures of 20 ms pass for a second."""

    def boot_seconds(self) -> float:
        return super().boot_seconds() * HASTE


class SimulatedClock(SystemClock):
    """Goes as fast as the simulated lane."""

    def boot_seconds(self) -> float:
        return super().boot_seconds() * SIMULATED_HASTE


@contextmanager
def a_worker(
    url: str,
    written: list[Message],
    *,
    read: Callable[[Pixels], Looked] = read_plates,
    clock: Clock | None = None,
) -> Iterator[Worker]:
    worker = Worker({"north-in": url}, read, written.append, clock or SystemClock())
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


async def until(condition: Callable[[], object], *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is another thread
            await asyncio.sleep(0.01)


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

    with a_camera(*an_empty_lane(400)) as url, a_worker(url, written) as worker:
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

    noisy = [picture + NOISE.integers(0, 6, picture.shape).astype(np.uint8) for _ in range(50)]
    with a_camera(*[part(jpeg(one)) for one in noisy] * 20) as url:
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

    with a_camera(*an_empty_lane(400)) as url, a_worker(url, written) as worker:
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


def test_a_repeated_picture_is_read_once_however_long_a_car_is_attended_to() -> None:
    written: list[Message] = []
    read: list[Pixels] = []

    def note(frame: Pixels) -> Looked:
        read.append(frame)
        return read_plates(frame)

    stuck = part(a_lane(90))
    # It freezes between two cars: what it still shows is the first one's plate.
    with (
        a_camera(*an_empty_lane(4), *[stuck] * 1000) as url,
        a_worker(url, written, read=note, clock=HastyClock()) as worker,
    ):
        worker.attend("north-in", 60.0)
        wait_for(lambda: states(written)[-1:] == ["frozen"])
        worker.attend("north-in", 60.0)
        once = len(read)
        told = len(sightings(written))
        wait_for(lambda: HastyClock().boot_seconds() - newest(written) > 20)

    assert states(written) == ["ok", "frozen"]
    assert once <= 5
    assert len(read) == once
    assert len(sightings(written)) == told


def test_a_frozen_picture_with_a_running_clock_is_no_more_read_once_it_is_named() -> None:
    written: list[Message] = []
    lane = np.asarray(SLABS + NOISE.integers(90, 98, (720, 1280, 3)), np.uint8)
    frames = []
    for second in range(400):
        frame = lane.copy()
        cv2.putText(frame, f"{second:03}", (16, 64), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (250,) * 3)
        frames.append(part(jpeg(frame)))

    with a_camera(*frames) as url, a_worker(url, written, clock=HastyClock()) as worker:
        worker.attend("north-in", 60.0)
        wait_for(lambda: states(written)[-1:] == ["frozen"])
        told = len(sightings(written))
        wait_for(lambda: HastyClock().boot_seconds() - newest(written) > 15)

    assert len(sightings(written)) <= told + 1


def test_a_camera_that_is_well_again_is_told_and_read_again() -> None:
    written: list[Message] = []
    pictures = [*an_empty_lane(10), *[part(a_lane(90))] * 60, *an_empty_lane(300)]

    with a_camera(*pictures) as url, a_worker(url, written, clock=HastyClock()) as worker:
        worker.attend("north-in", 60.0)
        wait_for(lambda: states(written) == ["ok", "frozen", "ok"])
        told = len(sightings(written))
        worker.attend("north-in", 60.0)
        wait_for(lambda: len(sightings(written)) > told)


@pytest.mark.parametrize(
    ("attended_seconds", "told"), [(60.0, ["ok"]), (0.5, ["ok", "dirty"])], ids=["loop", "no loop"]
)
def test_a_picture_without_detail_is_a_fault_unless_a_car_stands_on_the_loop(
    attended_seconds: float, told: list[str]
) -> None:
    written: list[Message] = []
    noise = NOISE.integers(90, 98, (15, 720, 1280, 3), np.uint8)
    walls = [part(jpeg(wall)) for wall in noise]

    with (
        a_camera(*an_empty_lane(10), *walls * 40) as url,
        a_worker(url, written, clock=HastyClock()) as worker,
    ):
        wait_for(lambda: states(written))
        worker.attend("north-in", attended_seconds)
        began = HastyClock().boot_seconds()
        wait_for(lambda: HastyClock().boot_seconds() - began > 12)

    assert states(written) == told


def test_what_is_no_sighting_is_counted_by_its_reason() -> None:
    written: list[Message] = []
    box = (10, 10, 90, 40)
    readings = iter(["ABCD123", "EFGH456", "IJKL789"])

    def read(_: Pixels) -> Looked:
        text = next(readings, None)
        rejected = [Rejected(reason, box) for reason in (Rejection.BLURRED, Rejection.SCRIPT)]
        if text is None:
            return Looked([], rejected)
        return Looked([PlateReading(text, 0.5, (0.5,) * 7, box)], rejected)

    with (
        a_camera(*an_empty_lane(400)) as url,
        a_worker(url, written, read=read, clock=HastyClock()) as worker,
    ):
        worker.attend("north-in", 60.0)
        wait_for(lambda: rejected(written)[-1:] and rejected(written)[-1].get("disagree") == 3)

    counts = rejected(written)
    assert counts[-1]["blurred"] == counts[-1]["script"] >= 3
    assert set(counts[-1]) == {"blurred", "script", "disagree"}
    assert all(one["blurred"] < other["blurred"] for one, other in pairwise(counts))
    assert sightings(written) == []


def rejected(written: list[Message]) -> list[dict[RejectionReason, int]]:
    return [one.counts for one in written if isinstance(one, RejectedMessage)]


async def test_faults_of_the_simulated_camera_are_named_and_forgotten() -> None:
    written: list[Message] = []
    lanes = {"in": {"direction": "entry"}, "out": {"direction": "exit"}}
    settings = Settings.model_validate({"lot": {"spaces": ["S-01"]}, "lanes": lanes})

    async with running(settings, speed=SIMULATED_HASTE) as hardware:
        world = hardware.world
        with a_worker(hardware.addresses.cameras["in"], written, clock=SimulatedClock()):
            await until(lambda: states(written) == ["ok"])
            for fault in (Fault.CAMERA_FROZEN, Fault.CAMERA_DARK):
                began = SimulatedClock().boot_seconds()
                world.set_fault("in", fault, is_on=True)
                await until(lambda: states(written)[-1] != "ok")
                named = SimulatedClock().boot_seconds() - began
                world.set_fault("in", fault, is_on=False)
                await until(lambda: states(written)[-1] == "ok")
                # Half a second more for a busy machine.
                assert named < 5.5

    assert states(written) == ["ok", "frozen", "ok", "dark", "ok"]
