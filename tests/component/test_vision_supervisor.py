"""The gateway keeps its vision process running, and never leaves one behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.rules.identity import Alternative
from parkgraph_edge.vision.messages import Start, parse_from_vision
from parkgraph_edge.vision.supervisor import DOWN, PROGRAM, Vision

SIGHTING = (
    '{"type":"sighting","camera":"north-in","text":"ABC1234","confidence":0.9,'
    '"frames":2,"taken_at":12.5,"box":[1,2,3,4],"read_ms":60}'
)
STATE = '{"type":"camera","camera":"north-in","state":"%s","detail":"%s"}'


def a_program(tmp_path: Path, *lines: str, then: str = "sys.stdin.read()") -> list[str]:
    """Return a stand-in for the process that notes its id and writes `lines`."""
    script = (
        "import os, sys, time\n"
        f"open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        f"print({chr(10).join(lines)!r}, flush=True)\n"
        f"{then}\n"
    )
    return [sys.executable, "-c", script]


@asynccontextmanager
async def running(vision: Vision) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(vision.run())
        try:
            yield
        finally:
            task.cancel()


async def until(condition: Callable[[], object], *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.01)


def pids(tmp_path: Path) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(line) for line in (tmp_path / "pids").read_text().split()]
    return []


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_what_was_seen_last_is_at_hand(tmp_path: Path) -> None:
    vision = Vision({"north-in": "http://camera/"}, program=a_program(tmp_path, SIGHTING))

    async with running(vision):
        await until(lambda: vision.newest("north-in"))

    newest = vision.newest("north-in")
    assert newest is not None
    assert (newest.text, newest.frames, newest.taken_at) == ("ABC1234", 2, 12.5)
    assert vision.newest("south-out") is None


async def test_networks_of_the_site_s_own_are_handed_over(tmp_path: Path) -> None:
    keep = f"open({str(tmp_path / 'start')!r}, 'w').write(sys.stdin.readline()); sys.stdin.read()"
    own = Path("/etc/parkgraph/plates.onnx")
    program = a_program(tmp_path, SIGHTING, then=keep)
    vision = Vision({"north-in": "http://camera/"}, detector=own, program=program)

    async with running(vision):
        await until(lambda: (tmp_path / "start").exists() and (tmp_path / "start").read_text())

    start = Start.model_validate_json((tmp_path / "start").read_text())
    assert (start.detector, start.reader) == (own, None)


def test_a_process_whose_networks_cannot_be_used_says_why_and_ends() -> None:
    start = Start(cameras=(), detector=Path("/none/plates.onnx"))

    done = subprocess.run(PROGRAM, input=start.line(), capture_output=True, timeout=30, check=False)

    assert done.returncode == 2
    assert b"/none/plates.onnx: no such network" in done.stderr


async def test_what_a_plate_may_say_as_well_is_at_hand(tmp_path: Path) -> None:
    said = SIGHTING.replace("}", ',"alternatives":[["ABC1234",0.0],["A8C1234",-2.5]]}')
    vision = Vision({"north-in": "http://camera/"}, program=a_program(tmp_path, said))

    async with running(vision):
        await until(lambda: vision.newest("north-in"))

    newest = vision.newest("north-in")
    assert newest is not None
    assert newest.alternatives == (Alternative("ABC1234", 0.0), Alternative("A8C1234", -2.5))


@pytest.mark.parametrize(
    "alternatives",
    [
        '[["ABC1234",0.1]]',
        '[["ABC1234",NaN]]',
        '[["ABCDEFGHIJKLMNOPQ",-1]]',
        '[["A",-1]' + ',["A",-1]' * 32 + "]",
    ],
    ids=["likelier than the best", "no number", "too long", "too many"],
)
def test_what_no_plate_can_say_is_no_message(alternatives: str) -> None:
    line = SIGHTING.replace("}", f',"alternatives":{alternatives}}}')

    with pytest.raises(CorruptError):
        parse_from_vision(line.encode())


async def test_a_bad_picture_is_told_until_the_camera_is_well(tmp_path: Path) -> None:
    told = [STATE % ("ok", ""), STATE % ("dirty", "wipe the lens")]
    dirty = Vision({"north-in": "http://camera/"}, program=a_program(tmp_path, *told))
    back = [*told, STATE % ("away", "no route"), STATE % ("ok", ""), SIGHTING]
    well = Vision({"north-in": "http://camera/"}, program=a_program(tmp_path, *back))

    async with running(dirty):
        await until(lambda: dirty.cameras_in_trouble() == {"north-in": "dirty: wipe the lens"})
    async with running(well):
        await until(lambda: well.newest("north-in"))

        assert well.cameras_in_trouble() == {}


async def test_a_state_that_is_none_ends_the_process(tmp_path: Path) -> None:
    program = a_program(tmp_path, STATE % ("upside_down", ""))
    vision = Vision({"north-in": "http://camera/"}, program=program)

    async with running(vision):
        await until(lambda: len(pids(tmp_path)) >= 2)


async def test_what_was_not_read_is_counted_on_when_the_process_starts_anew(tmp_path: Path) -> None:
    counts = '{"type":"rejected","camera":"north-in","counts":{"blurred":%d,"too_small":2}}'
    program = a_program(tmp_path, counts % 3, counts % 5)
    vision = Vision({"north-in": "http://camera/"}, program=program)

    async with running(vision):
        await until(lambda: vision.rejected() == {"north-in": {"blurred": 5, "too_small": 2}})
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        await until(lambda: vision.rejected() == {"north-in": {"blurred": 10, "too_small": 4}})


async def test_a_camera_is_away_until_it_says_otherwise(tmp_path: Path) -> None:
    program = a_program(tmp_path, STATE % ("ok", ""), STATE % ("away", "no route"))
    vision = Vision({"north-in": "http://camera/"}, program=program)
    at_first = vision.cameras_in_trouble()

    async with running(vision):
        await until(lambda: vision.cameras_in_trouble() == {"north-in": "no route"})

    assert at_first == {}
    assert vision.cameras_in_trouble() == {"north-in": DOWN}


async def test_a_killed_process_is_started_again_and_none_is_left_behind(tmp_path: Path) -> None:
    vision = Vision({"north-in": "http://camera/"}, program=a_program(tmp_path, SIGHTING))

    async with running(vision):
        await until(lambda: vision.newest("north-in"))
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        await until(lambda: len(pids(tmp_path)) == 2)

    assert not any(is_running(pid) for pid in pids(tmp_path))


@pytest.mark.parametrize(
    ("line", "then"),
    [
        ('{"type":"alive"}', "time.sleep(60)"),
        ("no message", "time.sleep(60)"),
        ("", "print('x' * 200_000, flush=True); time.sleep(60)"),
        ('{"type":"alive"}', "sys.exit(3)"),
    ],
    ids=["silent", "garbage", "endless line", "ended"],
)
async def test_a_process_that_fails_is_replaced(tmp_path: Path, line: str, then: str) -> None:
    program = a_program(tmp_path, line, then=then)
    vision = Vision({"north-in": "http://camera/"}, program=program, silence_seconds=0.3)

    async with running(vision):
        await until(lambda: len(pids(tmp_path)) >= 2)

    assert not any(is_running(pid) for pid in pids(tmp_path))


async def test_asking_a_process_that_does_not_listen_never_waits(tmp_path: Path) -> None:
    program = a_program(tmp_path, SIGHTING, then="time.sleep(60)")
    vision = Vision({"north-in": "http://camera/"}, program=program)

    vision.attend("north-in", 3.0)
    async with running(vision):
        await until(lambda: vision.newest("north-in"))
        for _ in range(10_000):
            vision.attend("north-in", 3.0)


async def test_without_cameras_nothing_runs(tmp_path: Path) -> None:
    await Vision({}, program=a_program(tmp_path)).run()

    assert pids(tmp_path) == []


async def test_the_process_ends_with_its_input() -> None:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )

    async with asyncio.timeout(30):
        out, _ = await process.communicate(
            b'{"cameras":[{"camera":"north-in","url":"http://127.0.0.1:9/"}]}\n'
        )

    assert process.returncode == 0
    assert all(line.startswith(b'{"type":') for line in out.splitlines())


def test_reading_plates_looks_up_no_host_and_writes_nothing(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    load = "from parkgraph_edge.vision.brought import plate_reader; plate_reader()"

    subprocess.run([sys.executable, "-c", load], env=environment, check=True, timeout=50)

    assert list(home.rglob("*")) + list(temporary.rglob("*")) == []
