"""A place to try `/api/v1`: a synthetic lot and a cloud over TLS, and cars that come by themselves.

There are no cameras: cars are let in and out by gate code, and everything is there in seconds.
"""

import asyncio
import contextlib
import importlib.util
import json
import shlex
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from parkgraph.runtime import loops
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.disk import make_folder
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.signatures import SigningKey
from parkgraph.runtime.sqlite import open_reader
from parkgraph.runtime.web import listen
from parkgraph_demo.authority import Files, issue
from parkgraph_demo.programs import Program, ProgramError, free_port
from parkgraph_demo.stack import (
    BROKER,
    ENTRY,
    EXIT,
    LOT,
    SIMULATOR,
    UP_WITHIN_SECONDS,
    SideDoor,
    answers,
    programs_of,
    ready_line,
    stop,
    write,
)
from parkgraph_demo.visitors import Visitors

CALLS_A_MINUTE: Final = 30
# It reaches synthetic lots only, and this one listens on this machine only: no secret.
KEY: Final = "pk_test_" + "sandbox" * 4
BOOKING: Final[Mapping[str, Any]] = {
    "lot_id": LOT,
    "plate": "AV-1234",
    "vehicle": {"autonomous": True, "fleet_id": "fleet_waymo_sf", "vin": "1HGCM826X4A004352"},
}
STANDARD: Final = tuple(f"S-{number:02}" for number in range(1, 13))
AUTONOMOUS: Final = tuple(f"A-{number:02}" for number in range(1, 9))

_API: Final = """\
[api]
listen = "127.0.0.1:{port}"
certificate = "server.pem"
private_key = "server.key.pem"
key_file = "api.key"
requests_per_minute = {calls}
"""
_EDGE: Final = """\
[lot]
id = "{lot}"
name = "Elm Street Garage"
time_zone = "America/Los_Angeles"
currency = "USD"
rate_per_hour = "3.50"
latitude = 37.7749
longitude = -122.4194
synthetic = true
[spaces]
standard = {standard}
autonomous = {autonomous}
{api}
[cloud]
broker = "mqtt://127.0.0.1:{broker_port}"
public_keys = ["{public_key}"]
[allotments]
standard = 4
autonomous = 4
[state]
directory = "edge"
[space_sensors]
address = "{space_sensors}"
[lanes.{entry}]
direction = "entry"
barrier = "{entry_barrier}"
[lanes.{exit}]
direction = "exit"
barrier = "{exit_barrier}"
"""
_CLOUD: Final = """\
{api}
[mqtt]
broker = "mqtt://127.0.0.1:{broker_port}"
[state]
directory = "cloud"
"""
_HEARD: Final = "SELECT 1 FROM lot_states WHERE lot = :lot"
_LENT: Final = "SELECT 1 FROM sessions WHERE lot = :lot AND state = 'allotted'"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens, on the loopback."""

    lot: int
    cloud: int
    broker: int

    @property
    def lot_url(self) -> str:
        """The lot's own address."""
        return f"https://127.0.0.1:{self.lot}"

    @property
    def cloud_url(self) -> str:
        """The cloud's address."""
        return f"https://127.0.0.1:{self.cloud}"


def ports_from(port: int) -> Ports:
    """Return `port` for the lot and the next one for the cloud; free ones where it is 0.

    Raises:
        RefusedError: one of them is in use; a part of the sandbox is not installed.
    """
    if importlib.util.find_spec("iotcore") is None:
        raise RefusedError("the broker is missing; install it: pip install 'parkgraph[sim]'")
    if port == 0:
        return Ports(free_port(), free_port(), free_port())
    for each in (port, port + 1):
        try:
            listen("127.0.0.1", each).close()
        except RefusedError as error:
            raise RefusedError(
                f"port {each} is in use; end what uses it, or take others with --port,"
                " of which 0 takes free ones"
            ) from error
    return Ports(port, port + 1, free_port())


async def run(work: Path, log: Path, ports: Ports, *, clock: Clock, seed: int) -> None:
    """Let it run in the folder `work` until a signal comes; all programs have ended then.

    Raises:
        ProgramError: one of them did not come up, or ended.
    """
    began = clock.boot_seconds()
    authority = log.parent / "ca.pem"
    issue(Files(authority, work / "server.pem", work / "server.key.pem"), now=clock.now())
    async with _running(work, log, ports, authority, seed) as (programs, side_door):
        visitors = Visitors(
            work / "edge" / "ledger.db",
            side_door,
            lambda session, what: print(f"  {session}: {what}", flush=True),
            seed=seed,
        )
        print(f"Ready after {clock.boot_seconds() - began:.1f} s.\n", flush=True)
        print(told(ports, authority, log.parent / "stay.json"), flush=True)
        await loops.run(
            {
                "visitors": visitors.run(),
                "programs": _watch(programs),
                "cloud": _tell_when_it_sells(work),
            }
        )


def told(ports: Ports, authority: Path, stay: Path) -> str:
    """Return what somebody needs who wants to try it; `stay` is where his first answer goes."""
    call = f'curl -sS --cacert {_quoted(authority)} -H "Authorization: Bearer {KEY}"'
    sessions = f"{ports.lot_url}/api/v1/sessions"
    body = json.dumps(BOOKING, separators=(",", ":"))
    its_id = f"$(grep -o 'sess_[0-9A-Z]*' {_quoted(stay)} | head -n 1)"
    return f"""\
  lot    {ports.lot_url}  https://localhost:{ports.lot}  {LOT}
  cloud  {ports.cloud_url}  https://localhost:{ports.cloud}
  CA     {authority}
  key    {KEY}  for both, {CALLS_A_MINUTE} calls a minute of each class
  pages  {ports.lot_url}/docs

Book a space, as in the public document:

{call} -H "Content-Type: application/json" -d '{body}' {sessions} | tee {_quoted(stay)}

Follow that stay while a simulated car comes, parks for a minute, or until you end it, and leaves:

{call} -N "{sessions}/{its_id}/events"

config/sandbox.http has these and all other calls. Ctrl-C ends everything.
"""


@contextlib.asynccontextmanager
async def _running(
    folder: Path, log: Path, ports: Ports, authority: Path, seed: int
) -> AsyncIterator[tuple[Mapping[str, Program], SideDoor]]:
    make_folder(folder / "cloud")
    public_key = SigningKey.kept_in(folder / "cloud").public_key
    spaces = json.dumps([*STANDARD, *AUTONOMOUS])
    write(folder / "api.key", KEY)
    write(folder / "broker.toml", BROKER.format(broker_port=ports.broker))
    write(folder / "lot-sim.toml", SIMULATOR.format(spaces=spaces))
    write(folder / "cloud.toml", _CLOUD.format(api=_api(ports.cloud), broker_port=ports.broker))
    programs = programs_of(folder, log, seed)
    verify = ssl.create_default_context(cafile=authority)
    try:
        await programs["broker"].start()
        await programs["cloud"].start()
        where = await ready_line(programs["firmware-sim"])
        write(folder / "edge.toml", _edge(where, ports, public_key))
        await programs["edge"].start()
        await answers(ports.cloud_url, programs["cloud"], verify=verify)
        await answers(ports.lot_url, programs["edge"], verify=verify)
        await _until_found(_HEARD, folder)
        side_door = SideDoor(where["side_door"])
        yield programs, side_door
        await side_door.close()
    finally:
        await stop(programs)


def _api(port: int) -> str:
    return _API.format(port=port, calls=CALLS_A_MINUTE)


def _edge(where: Mapping[str, Any], ports: Ports, public_key: str) -> str:
    return _EDGE.format(
        lot=LOT,
        standard=json.dumps(STANDARD),
        autonomous=json.dumps(AUTONOMOUS),
        api=_api(ports.lot),
        broker_port=ports.broker,
        public_key=public_key,
        space_sensors=where["space_sensors"],
        entry=ENTRY,
        entry_barrier=where["barriers"][ENTRY],
        exit=EXIT,
        exit_barrier=where["barriers"][EXIT],
    )


async def _until_found(query: str, folder: Path) -> None:
    """Wait until the cloud's database has a row that `query` finds."""
    try:
        async with (
            asyncio.timeout(UP_WITHIN_SECONDS),
            open_reader(folder / "cloud" / "cloud.db") as reader,
        ):
            while await reader.one(query, {"lot": LOT}) is None:  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise ProgramError("lot and cloud do not hear each other: see the log") from error


async def _tell_when_it_sells(folder: Path) -> None:
    """Tell when the cloud has spaces of the lot to sell, for which it asks now and then."""
    with contextlib.suppress(ProgramError):  # it is lent none where others took them all
        await _until_found(_LENT, folder)
        print("  The cloud, too, can sell spaces now.", flush=True)


async def _watch(programs: Mapping[str, Program]) -> None:
    while True:
        for program in programs.values():
            program.check()
        await asyncio.sleep(1.0)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
