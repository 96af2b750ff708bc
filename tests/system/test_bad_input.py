"""What is wrong outside ends in one clear line, and where the lot can go on it goes on."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from parkgraph.client import ApiError
from parkgraph.model.api import SessionRequest
from parkgraph_demo.stack import LOT, Stack
from tests.system.conftest import book, until, until_car, until_lane, until_state

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


async def test_the_plate_is_what_the_frames_show_and_not_what_the_side_door_says(
    stack: Stack,
) -> None:
    said = await book(stack, "SAD1111")
    shown = await book(stack, "TRU2222")

    await stack.side_door.tell("/cars", plate="SAD1111", painted_plate="TRU2222", lane="north-in")

    await until_state(stack, shown.id, "parked")
    assert (await stack.lot.session(said.id)).state == "reserved"


async def test_a_stranger_stays_outside_and_the_refusal_is_recorded_once(stack: Stack) -> None:
    await stack.side_door.tell("/cars", plate="XXR9021", lane="north-in")

    await until_lane(stack, "north-in", arming=True)
    await until_log(stack, '"reason": "not_expected"')
    lane = (await stack.side_door.truth())["lanes"]["north-in"]

    assert (lane["orders_accepted"], lane["angle"]) == (0, 0.0)


async def test_an_exit_lets_out_whoever_stands_there_long_enough(stack: Stack) -> None:
    sent = await stack.side_door.tell("/cars", plate="XXR9022", lane="south-out")

    await until_car(stack, sent["car"], "gone")

    assert (await stack.side_door.truth())["lanes"]["south-out"]["orders_accepted"] == 1


async def test_a_controller_that_answers_with_exceptions_is_named_and_waited_out(
    stack: Stack,
) -> None:
    session = await book(stack, "EXC3003")
    await stack.side_door.tell("/faults", lane="north-in", fault="controller_exception", on=True)
    await until_log(stack, '"event": "barrier_away"')
    await stack.side_door.tell("/cars", plate="EXC3003", lane="north-in")

    await stack.side_door.tell("/faults", lane="north-in", fault="controller_exception", on=False)

    await until_state(stack, session.id, "parked")


async def test_an_order_that_the_controller_did_not_answer_never_arrives_later(
    stack: Stack,
) -> None:
    session = await book(stack, "SIL4004")
    await stack.side_door.tell("/cars", plate="SIL4004", lane="north-in")
    await until_lane(stack, "north-in", arming=True)
    await stack.side_door.tell("/faults", lane="north-in", fault="controller_silent", on=True)
    await asyncio.sleep(3)  # the car stands there and nothing is heard: time is what this is about

    await stack.side_door.tell("/faults", lane="north-in", fault="controller_silent", on=False)

    await until_state(stack, session.id, "parked")
    lane = (await stack.side_door.truth())["lanes"]["north-in"]
    assert (lane["orders_accepted"], lane["orders_refused"], lane["collisions"]) == (1, 0, 0)


async def test_a_port_in_use_ends_the_edge_with_one_line_that_names_it(stack: Stack) -> None:
    command = [sys.executable, "-m", "parkgraph_edge", "run", "--config", "edge.toml"]

    second = await asyncio.create_subprocess_exec(
        *command, cwd=stack.folder, stderr=asyncio.subprocess.PIPE
    )
    _, said = await second.communicate()

    assert second.returncode == 2
    assert said.decode().count("\n") == 1
    assert "cannot listen on 127.0.0.1:" in said.decode()


async def test_with_a_broken_database_nobody_comes_in_and_everybody_gets_out(stack: Stack) -> None:
    await stack.programs["edge"].kill()
    for file in stack.edge_ledger.parent.glob("ledger.db*"):
        file.write_bytes(b"this is no database" * 500)
    await stack.programs["edge"].start()
    await until_log(stack, '"event": "exit_only"')

    sent = await stack.side_door.tell("/cars", plate="OUT5005", lane="south-out")

    await until_car(stack, sent["car"], "gone")
    with pytest.raises(ApiError) as refusal:
        await stack.lot.create_session(SessionRequest(lot_id=LOT, plate="AAA1111"))
    assert (refusal.value.status, refusal.value.code) == (503, "UNAVAILABLE")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "edge"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("making a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_on_a_full_disk_bookings_wait_exits_open_and_all_goes_on_when_there_is_room(
    small_disk: Path, stack: Stack
) -> None:
    filler = small_disk / "filler"
    await _fill(filler)
    with pytest.raises(ApiError) as refusal:
        await book(stack, "FUL0001")
    sent = await stack.side_door.tell("/cars", plate="OUT6006", lane="south-out")
    await until_car(stack, sent["car"], "gone")

    filler.unlink()

    async def books_again() -> bool:
        try:
            await book(stack, "NEW7007")
        except ApiError:
            return False
        return True

    await until(books_again, "a booking")
    assert (refusal.value.status, refusal.value.code) == (503, "UNAVAILABLE")


async def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


async def until_log(stack: Stack, text: str) -> None:
    async def is_there() -> bool:
        return text in (stack.folder / "log").read_text()

    await until(is_there, text)


async def test_a_camera_that_is_away_is_named_and_a_code_still_opens(stack: Stack) -> None:
    session = await book(stack, "CAM8008")
    await stack.side_door.tell("/faults", lane="north-in", fault="camera_away", on=True)
    await until_log(stack, '"event": "camera_away"')
    await stack.side_door.tell("/cars", plate="CAM8008", lane="north-in")
    await until_lane(stack, "north-in", arming=True)

    code = session.entry_instructions.gate_code
    await stack.side_door.tell("/lanes/north-in/keypad", digits=code)

    await until_state(stack, session.id, "parked")


async def test_a_plate_of_emoji_is_refused_with_the_field_and_the_rule(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.lot_url) as http:
        response = await http.post(
            "/api/v1/sessions",
            headers={"Authorization": f"Bearer {stack.key}"},
            json={"lot_id": LOT, "plate": "🚗🚗"},
        )

    error = response.json()["error"]
    assert (response.status_code, error["field"]) == (400, "plate")
    assert "letters and digits" in error["message"]
