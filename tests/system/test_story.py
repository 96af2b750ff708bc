"""The demo's story, whole, and with programs killed while it is told."""

import asyncio
import io
import json
import os
import signal
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from parkgraph.runtime.clock import SystemClock
from parkgraph_demo.narrator import WIDTH, Narrator
from parkgraph_demo.report import count
from parkgraph_demo.stack import Stack
from parkgraph_demo.story import Story

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

DEMO = (sys.executable, "-m", "parkgraph_demo")


async def test_the_story_ends_with_every_stay_once_and_every_plate_read(tmp_path: Path) -> None:
    report_file = tmp_path / "r.json"
    demo = await asyncio.create_subprocess_exec(
        *DEMO, "--once", "--report", str(report_file), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )

    out, _ = await demo.communicate()

    assert demo.returncode == 0
    report = json.loads(report_file.read_text())
    assert report["stays"] == 5
    assert report["offline_stays"] == 3
    assert report["sold_while_cut_off"] == 1
    assert (report["lost"], report["duplicated"], report["collisions"]) == (0, 0, 0)
    assert report["journal"]["edge"] == report["journal"]["cloud"]
    assert [read["read"] for read in report["plate_reads"]] == [
        read["truth"] for read in report["plate_reads"]
    ]
    lines = out.decode().splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert "\x1b" not in out.decode()


async def test_the_story_holds_while_broker_and_cloud_are_killed(stack: Stack) -> None:
    narrator = Narrator(ZoneInfo("UTC"), is_cut=lambda: stack.cable.is_cut, out=io.StringIO())
    story = Story(stack, narrator, SystemClock(), seed=3)

    async def kill_now_and_then() -> None:
        for _ in range(3):
            for name in ("broker", "cloud"):
                await asyncio.sleep(6)
                await stack.programs[name].kill()
                await stack.restart(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(story.tell())
        group.create_task(kill_now_and_then())
    report = await count(stack, story)

    assert (report.stays, report.lost, report.duplicated) == (5, 0, 0)
    assert report.journal.edge == report.journal.cloud


async def test_ctrl_c_leaves_no_process_no_port_and_no_file_but_the_log(tmp_path: Path) -> None:
    demo = await asyncio.create_subprocess_exec(
        *DEMO, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert demo.stdout is not None
    async with asyncio.timeout(40):
        while b"reserved" not in await demo.stdout.readline():
            pass
    left = _processes_of(tmp_path)

    demo.send_signal(signal.SIGINT)
    await demo.communicate()

    assert len(left) >= 4
    assert demo.returncode == 0
    assert _processes_of(tmp_path) == []
    assert [file.name for file in (tmp_path / ".demo").iterdir()] == ["demo.log"]


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of running processes that name `folder`."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found
