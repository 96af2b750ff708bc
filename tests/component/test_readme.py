"""What the README tells a new integrator to write, word for word."""

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any, Final

from parkgraph.journal.changes import Changes
from parkgraph.model.records import AnyRecord, Direction, SpaceClass
from parkgraph.runtime.tls import Certificate
from parkgraph.runtime.web import listen, serve
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_crossing, a_grant, a_lot
from tests.certificates import a_certificate
from tests.fakes import FakeClock, OpenLedger, Recording
from tests.front_doors import KEY, a_door

README: Final = Path(__file__).parents[2] / "README.md"
LONGEST_SECONDS: Final = 20.0


def the_vehicle_s_program() -> str:
    section = README.read_text(encoding="utf-8").partition("## For the vehicle")[2]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]  # type: ignore[index]


def the_way(session: str) -> list[list[AnyRecord]]:
    """Return what the lanes record of a vehicle that comes, parks and leaves."""
    way_out = {"admission": "adm_2", "direction": Direction.EXIT}
    return [
        [a_grant(session)],
        [a_crossing(session)],
        [a_grant(session, **way_out)],  # type: ignore[arg-type]
        [a_crossing(session, **way_out)],  # type: ignore[arg-type]
    ]


Told = asyncio.Queue[tuple[Any, ...]]


async def drive(ledger: OpenLedger, told: Told) -> list[tuple[Any, ...]]:
    """Move the vehicle on whenever the program has told what happened; return all it told."""
    heard = [await told.get()]
    row = await ledger.reader.one("SELECT session FROM sessions", {})
    assert row is not None
    for records in the_way(row["session"]):
        heard.append(await told.get())
        await ledger.submit(Recording(records))
    return [*heard, await told.get()]


async def test_ten_lines_are_enough_for_a_stay_at_a_lot_that_is_cut_off(
    ledger: OpenLedger, tmp_path: Path
) -> None:
    program = the_vehicle_s_program()
    await ledger.submit(OpenLot(LOT, a_lot("A-01", space_class=SpaceClass.AUTONOMOUS)))
    changes = Changes(ledger.reader, FakeClock())
    door = a_door(ledger, ledger.reader, changes=changes)
    files = a_certificate(tmp_path, host="localhost")
    certificate = Certificate(*files)
    listener = listen("127.0.0.1", 0)
    told: Told = asyncio.Queue()
    names: dict[str, Any] = {
        "cloud_url": "https://localhost:9",  # where nobody listens
        "lot_url": f"https://localhost:{listener.getsockname()[1]}",
        "key": KEY,
        "ca_file": files.certificate,
        "print": lambda *words: told.put_nowait(words),
    }
    exec(f"async def vehicle():\n{textwrap.indent(program, '    ')}", names)

    async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as group:
        server = group.create_task(serve(door, listener, tls=certificate.context))
        looking = group.create_task(changes.run())
        driver = group.create_task(drive(ledger, told))
        await names["vehicle"]()
        heard = await driver
        looking.cancel()
        server.cancel()

    assert len([line for line in program.splitlines() if line]) <= 10
    side, lane, space, code = heard[0]
    assert (side, lane, space, len(code)) == ("lot", "north-in", "A-01", 9)
    assert [event for event, _ in heard[1:]] == [
        "snapshot",
        "arriving",
        "parked",
        "leaving",
        "completed",
    ]
