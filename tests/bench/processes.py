"""Programs that are run to their end for what they print."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path

from parkgraph_demo.programs import ProgramError


async def output_of(command: Sequence[str], *, log: Path, within_seconds: float) -> str:
    """Run `command` and return what it prints; its errors go to the end of `log`.

    Raises:
        ProgramError: it failed, or did not end in time; nothing of it runs any more.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=errors, start_new_session=True
        )
    try:
        async with asyncio.timeout(within_seconds):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise ProgramError(f"{command[2]} took over {within_seconds:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ProgramError(
            f"{command[2]} ended with {process.returncode}: {output.decode()[-500:]} (log: {log})"
        )
    return output.decode()
