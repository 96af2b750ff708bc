"""The side door, the cameras, and the program as a process."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from parkgraph_firmware_sim.camera import BOUNDARY
from parkgraph_firmware_sim.hardware import Hardware, running
from parkgraph_firmware_sim.plates import Picture, as_picture
from parkgraph_firmware_sim.settings import Settings

pytestmark = pytest.mark.timeout(60)

CONFIG = """
[lot]
spaces = ["S-01"]
[ports]
side_door = {port}
[lanes.in]
direction = "entry"
[lanes.out]
direction = "exit"
"""


def a_lot() -> Settings:
    lanes = {"in": {"direction": "entry"}, "out": {"direction": "exit"}}
    return Settings.model_validate({"lot": {"spaces": ["S-01"]}, "lanes": lanes})


@asynccontextmanager
async def a_door(speed: float = 0.0) -> AsyncIterator[tuple[Hardware, httpx.AsyncClient]]:
    async with (
        running(a_lot(), speed=speed) as hardware,
        httpx.AsyncClient(base_url=hardware.addresses.side_door, timeout=10.0) as door,
    ):
        yield hardware, door


async def truth(door: httpx.AsyncClient) -> Any:
    return (await door.get("/truth")).json()


def decoded(jpeg: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return as_picture(picture)


async def next_frame(lines: AsyncIterator[bytes], buffer: bytearray) -> Picture:
    """Cut the next part out of a multipart stream as a browser does, and decode it."""
    while b"\r\n\r\n" not in buffer:
        buffer += await anext(lines)
    head, rest = bytes(buffer).split(b"\r\n\r\n", 1)
    boundary, *headers = head.decode().strip().split("\r\n")
    fields = dict(header.split(": ") for header in headers)
    assert boundary == f"--{BOUNDARY}"
    assert fields["Content-Type"] == "image/jpeg"
    length = int(fields["Content-Length"])
    buffer[:] = rest
    while len(buffer) < length + 2:
        buffer += await anext(lines)
    frame = decoded(bytes(buffer[:length]))
    assert buffer[length : length + 2] == b"\r\n"
    del buffer[: length + 2]
    return frame


async def test_a_car_is_seen_in_the_truth_with_the_plate_that_is_painted() -> None:
    async with a_door() as (_hardware, door):
        sent = await door.post(
            "/cars", json={"plate": "AV1234", "painted_plate": "BX5678", "lane": "in"}
        )
        await door.post("/step", json={"seconds": 10})
        seen = await truth(door)

    assert sent.json() == {"car": "car-1"}
    assert seen["cars"] == [
        {
            "car": "car-1",
            "plate": "BX5678",
            "where": "at_boom",
            "lane": "in",
            "space": None,
            "x_m": pytest.approx(-1.0, abs=0.02),
        }
    ]
    assert seen["seconds"] == 10.0
    assert seen["lanes"]["in"]["arming"]


async def test_the_picture_shows_the_painted_plate_and_not_the_one_that_was_named() -> None:
    pictures = []
    for painted in ("AV1234", "BX5678"):
        async with a_door() as (hardware, door):
            sent = {"plate": "AV1234", "painted_plate": painted, "lane": "in"}
            await door.post("/cars", json=sent)
            await door.post("/step", json={"seconds": 10})
            address = hardware.addresses.cameras["in"].replace("stream.mjpg", "frame.jpg")
            data = (await door.get(address)).content
            pictures.append(decoded(data))

    difference = cv2.GaussianBlur(cv2.absdiff(pictures[0], pictures[1]), (0, 0), 3).max(axis=2)
    rows, columns = np.nonzero(difference > difference.max() * 0.5)

    assert difference.max() > 20
    assert np.ptp(columns) < 220
    assert np.ptp(rows) < 80


async def test_the_stream_gives_ten_pictures_a_second_of_world_time() -> None:
    async with (
        a_door() as (hardware, door),
        door.stream("GET", hardware.addresses.cameras["in"]) as answer,
    ):
        parts, buffer = answer.aiter_raw(), bytearray()
        frames = [await next_frame(parts, buffer)]
        for _ in range(3):
            await door.post("/step", json={"seconds": 0.1})
            frames.append(await next_frame(parts, buffer))

    assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
    assert [frame.shape for frame in frames] == [(720, 1280, 3)] * 4


async def test_a_camera_that_is_away_hangs_up_and_refuses() -> None:
    async with a_door() as (hardware, door):
        async with door.stream("GET", hardware.addresses.cameras["in"]) as answer:
            parts, buffer = answer.aiter_raw(), bytearray()
            await next_frame(parts, buffer)
            await door.post("/faults", json={"lane": "in", "fault": "camera_away", "on": True})
            rest = [part async for part in parts]
        refused = await door.get(hardware.addresses.cameras["in"])

    assert rest == []
    assert refused.status_code == 503


async def test_a_frozen_camera_shows_the_same_picture_and_a_dark_one_next_to_nothing() -> None:
    async with a_door() as (hardware, door):
        address = hardware.addresses.cameras["in"].replace("stream.mjpg", "frame.jpg")
        before = (await door.get(address)).content
        await door.post("/faults", json={"lane": "in", "fault": "camera_frozen", "on": True})
        await door.post("/step", json={"seconds": 1})
        frozen = (await door.get(address)).content
        await door.post("/faults", json={"lane": "in", "fault": "camera_frozen", "on": False})
        await door.post("/faults", json={"lane": "in", "fault": "camera_dark", "on": True})
        dark = decoded((await door.get(address)).content)

    assert frozen == before
    assert dark.mean() < 12


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/cars", {"plate": "av 1", "lane": "in"}, "plate"),
        ("/cars", {"plate": "A1", "lane": "up"}, "lane"),
        ("/cars", {"plate": "A1", "lane": "in", "style": "jp"}, "style"),
        ("/cars", {"plate": "A1", "lane": "in", "colour": "red"}, "colour"),
        ("/cars", {"lane": "in"}, "plate"),
        ("/cars/ghost/park", {"space": "S-01"}, "car"),
        ("/cars/ghost/back-away", {}, "car"),
        ("/lanes/in/keypad", {"digits": "1234567890123"}, "digits"),
        ("/faults", {"lane": "in", "fault": "earthquake", "on": True}, "fault"),
        ("/step", {"seconds": -1}, "seconds"),
        ("/run", {"speed": "fast"}, "speed"),
        ("/night", {}, "on"),
    ],
)
async def test_bad_input_is_refused_in_one_line_that_names_the_field(
    path: str, body: dict[str, Any], field: str
) -> None:
    async with a_door() as (_hardware, door):
        answer = await door.post(path, json=body)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{field}: ")
    assert "\n" not in answer.json()["error"]


async def test_a_running_world_is_not_stepped() -> None:
    async with a_door(speed=1.0) as (_hardware, door):
        answer = await door.post("/step", json={"seconds": 1})

    assert answer.status_code == 400


@asynccontextmanager
async def a_program(config: Path, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parkgraph_firmware_sim", "run", "--config", str(config), *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def test_the_program_says_where_it_listens_and_ends_cleanly_when_told(tmp_path: Path) -> None:
    config = tmp_path / "lot.toml"
    config.write_text(CONFIG.format(port=0))
    async with a_program(config, "--seed", "3") as program, httpx.AsyncClient() as client:
        assert program.stdout is not None
        ready = json.loads(await program.stdout.readline())
        about = await client.get(ready["side_door"])
        async with client.stream("GET", ready["cameras"]["in"]) as answer:
            await anext(answer.aiter_raw())
            program.send_signal(signal.SIGTERM)
            async with asyncio.timeout(2.0):
                _rest, errors = await program.communicate()

    assert ready["ready"] is True
    assert set(ready["barriers"]) == {"in", "out"}
    assert "side door" in about.text
    assert (program.returncode, errors) == (0, b"")


async def test_a_port_in_use_is_named_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "lot.toml"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config.write_text(CONFIG.format(port=port))
        async with a_program(config) as program:
            _output, errors = await program.communicate()

    assert program.returncode == 2
    (line,) = errors.decode().splitlines()
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use;" in line


async def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "lot.toml"
    config.write_text(CONFIG.format(port=0) + "colour = 'red'\n")
    async with a_program(config) as program:
        _output, errors = await program.communicate()

    assert program.returncode == 2
    assert b"lanes.out.colour: " in errors
