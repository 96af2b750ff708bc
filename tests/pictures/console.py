"""The operators' page while the lot is cut off, as a browser shows it."""

import asyncio
import io
import shutil
from pathlib import Path
from typing import Final

from parkgraph.runtime.clock import SystemClock
from parkgraph_demo.__main__ import ZONE
from parkgraph_demo.narrator import Narrator
from parkgraph_demo.programs import ProgramError
from parkgraph_demo.stack import Stack, running
from parkgraph_demo.story import Story
from tests.pictures.png import shrink

# A page of one lot, as wide as its card reads well, on a screen of 1280 pixels across.
PAGE_WIDTH: Final = 800
PAGE_HEIGHT: Final = 770
PIXELS_WIDE: Final = 1280
CUT_WITHIN_SECONDS: Final = 90.0
CUT_SINCE_SECONDS: Final = 12.0
BROWSER_WITHIN_SECONDS: Final = 60.0
# The page never ends loading, as it hears of news; so the browser is told when to look.
LOOK_AFTER_MS: Final = 3000


class NoBrowserError(Exception):
    """There is no browser to take a picture with."""


def browser() -> str:
    """Return the path of the browser.

    Raises:
        NoBrowserError: none is installed.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise NoBrowserError("there is no Chromium; install the package chromium for console.png")


def console_cut_off(folder: Path, to: Path) -> None:
    """Play the demo's story until its link is cut, and write the operators' page to `to`.

    Raises:
        NoBrowserError: no browser is installed.
        ProgramError: the demo or the browser failed.
    """
    program, shot = browser(), folder / "shot.png"
    asyncio.run(_play(program, folder, shot))
    if not shot.exists():
        raise ProgramError(f"{program} took no picture of the operators' page")
    shrink(shot, to, widest=PIXELS_WIDE)


async def _play(program: str, folder: Path, shot: Path) -> None:
    async with running(folder, folder / "log") as stack, asyncio.TaskGroup() as group:
        told = Narrator(ZONE, is_cut=lambda: stack.cable.is_cut, out=io.StringIO())
        story = group.create_task(Story(stack, told, SystemClock()).tell())
        await _is_cut(stack)
        await asyncio.sleep(CUT_SINCE_SECONDS)
        await _look(program, f"{stack.cloud_url}/", folder, shot)
        story.cancel()


async def _is_cut(stack: Stack) -> None:
    try:
        async with asyncio.timeout(CUT_WITHIN_SECONDS):
            while not stack.cable.is_cut:  # noqa: ASYNC110  the cable tells nobody
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise ProgramError("the story did not come to the cut") from error


async def _look(program: str, url: str, folder: Path, to: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-background-networking", f"--user-data-dir={folder / 'browser'}",
        f"--window-size={PAGE_WIDTH},{PAGE_HEIGHT}",
        f"--force-device-scale-factor={PIXELS_WIDE / PAGE_WIDTH}",
        f"--timeout={LOOK_AFTER_MS}", f"--screenshot={to}", url,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(BROWSER_WITHIN_SECONDS):
            await process.wait()
    except TimeoutError as error:
        raise ProgramError(f"{program} does not end") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
