"""The sandbox, from its first line to Ctrl-C: what it prints works, and its file of calls."""

import asyncio
import json
import re
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
CALLS = ROOT / "config" / "sandbox.http"
SANDBOX = (sys.executable, "-m", "parkgraph_demo", "sandbox")


@dataclass(frozen=True)
class HttpCall:
    """One request of a file in the format of VS Code's REST Client."""

    title: str
    name: str | None
    status: int
    until: str | None
    method: str
    url: str
    headers: Mapping[str, str]
    body: str


@dataclass
class HttpFile:
    """Such a file, and what was answered so far. Variables come from it, or from an answer."""

    calls: list[HttpCall]
    variables: dict[str, str]
    answers: dict[str, Any] = field(default_factory=dict)

    def filled(self, text: str) -> str:
        """Put what variables hold in place of their names."""
        return re.sub(r"\{\{([^}]+)\}\}", lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        if name in self.variables:
            return self.filled(self.variables[name])
        request, _, path = name.partition(".response.body.$.")
        answer = self.answers[request]
        for key in path.split("."):
            answer = answer[key]
        return str(answer)


def parse(text: str) -> HttpFile:
    variables = dict(re.findall(r"^@(\w+)\s*=\s*(.+)$", text, flags=re.MULTILINE))
    blocks = re.split(r"^###", text, flags=re.MULTILINE)[1:]
    return HttpFile([_call(block) for block in blocks], variables)


def _call(block: str) -> HttpCall:
    title, *lines = block.splitlines()
    expected, name = None, None
    while lines[0].startswith(("#", "@")):
        line = lines.pop(0)
        expected = re.fullmatch(r"# (\d{3})(?: until (\w+))?", line) or expected
        named = re.fullmatch(r"# @name (\w+)", line)
        name = named[1] if named else name
    assert expected, f"{title} says no status"
    method, url = lines.pop(0).split(" ", 1)
    blank = lines.index("") if "" in lines else len(lines)
    headers = dict(line.split(": ", 1) for line in lines[:blank])
    body = "\n".join(lines[blank:]).strip()
    return HttpCall(title.strip(), name, int(expected[1]), expected[2], method, url, headers, body)


@dataclass
class Running:
    """A sandbox that is ready."""

    process: asyncio.subprocess.Process
    said: list[str]
    folder: Path

    @property
    def curls(self) -> list[str]:
        return [line for line in self.said if line.startswith("curl ")]

    def address(self, name: str) -> str:
        """The address of `lot` or `cloud`, by a name instead of a number."""
        line = next(line for line in self.said if line.startswith(f"  {name} "))
        return line.split()[2]

    async def says(self, text: str) -> None:
        """Wait for a line with `text`."""
        assert self.process.stdout
        async with asyncio.timeout(60):
            while not any(text in line for line in self.said):
                line = await self.process.stdout.readline()
                assert line, self.said
                self.said.append(line.decode().rstrip("\n"))


@asynccontextmanager
async def a_sandbox(folder: Path, *options: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *SANDBOX, "--folder", str(folder), "--port", "0", *options,
        stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        running = Running(process, [], folder)
        await running.says("Ctrl-C ends everything")
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.communicate()


def programs_of(folder: Path) -> list[str]:
    """Return the command lines of programs that work in `folder`."""
    return [line for line in _command_lines() if str(folder / "run") in line]


def _command_lines() -> Iterator[str]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                yield (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue


async def send(http: httpx.AsyncClient, file: HttpFile, call: HttpCall) -> None:
    """Send a call, again where there were too many; a stream until its event has come."""
    request = http.build_request(
        call.method,
        file.filled(call.url),
        headers={name: file.filled(value) for name, value in call.headers.items()},
        content=file.filled(call.body) or None,
    )
    response = await http.send(request, stream=True)
    while response.status_code == 429:  # the test's own limit of time ends it
        await response.aclose()
        await asyncio.sleep(float(response.headers["Retry-After"]))
        response = await http.send(request, stream=True)
    assert response.status_code == call.status, (call.title, await response.aread())
    assert response.headers["X-RateLimit-Limit"] == "30"
    if call.until:
        lines = response.aiter_lines()
        assert f"event: {call.until}" in [line async for line in _up_to(lines, call.until)]
    else:
        file.answers[call.name or call.title] = json.loads(await response.aread())
    await response.aclose()


async def _up_to(lines: AsyncIterator[str], event: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line == f"event: {event}":
            return


async def _has_heard_of_the_end(http: httpx.AsyncClient, of_cloud: HttpFile) -> None:
    """Wait until the cloud knows, too, that the lot's stay is over: till then it sells no other."""
    stays = of_cloud.calls[-1]
    while True:
        await send(http, of_cloud, stays)
        answer = of_cloud.answers[stays.name or stays.title]
        if [stay["state"] for stay in answer["sessions"]] == ["completed"]:
            return
        await asyncio.sleep(0.2)  # the test's own limit of time ends it


async def test_every_call_of_the_file_is_answered_as_it_says_by_lot_and_cloud(
    tmp_path: Path,
) -> None:
    async with a_sandbox(tmp_path) as sandbox:
        believing = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        believing.minimum_version = ssl.TLSVersion.TLSv1_3
        async with httpx.AsyncClient(verify=believing, timeout=60) as http:
            of_lot = parse(CALLS.read_text())
            of_lot.variables["base"] = sandbox.address("lot")
            for call in of_lot.calls:
                await send(http, of_lot, call)
            await sandbox.says("The cloud, too, can sell")
            of_cloud = parse(CALLS.read_text())
            of_cloud.variables["base"] = sandbox.address("cloud")
            await _has_heard_of_the_end(http, of_cloud)
            for call in of_cloud.calls:
                await send(http, of_cloud, call)

    of_both = [each.answers["All stays of the fleet"]["sessions"] for each in (of_lot, of_cloud)]
    assert [[stay["state"] for stay in stays] for stays in of_both] == [
        ["completed"],
        ["completed", "completed"],
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_what_it_prints_works_when_it_is_pasted(tmp_path: Path) -> None:
    async with a_sandbox(tmp_path / "a folder") as sandbox:
        book, follow = sandbox.curls

        booked = json.loads(await _pasted(book))["session"]
        end = re.sub(
            r' -N "(.*)/sessions/.*"$', rf" -X POST \1/sessions/{booked['id']}/end", follow
        )
        stream = await asyncio.create_subprocess_exec(
            "bash", "-c", follow, stdout=asyncio.subprocess.PIPE
        )
        assert stream.stdout
        seen: list[str] = []
        async for line in stream.stdout:
            seen += re.findall(r"^event: (\w+)$", line.decode().strip())
            if line == b"event: parked\n":
                await _pasted(end)
        await stream.wait()

    assert booked["state"] == "reserved"
    assert seen[1:] == ["arriving", "parked", "ended", "leaving", "completed"]


async def _pasted(command: str) -> bytes:
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0
    return out


async def test_ctrl_c_ends_its_programs_and_says_where_the_logs_are(tmp_path: Path) -> None:
    async with a_sandbox(tmp_path) as sandbox:
        ran = programs_of(tmp_path)
        sandbox.process.send_signal(signal.SIGINT)
        await sandbox.says("All programs have ended")
        await sandbox.process.wait()

    assert len(ran) >= 4
    assert sandbox.process.returncode == 0
    assert str(tmp_path / "sandbox.log") in sandbox.said[-1]
    assert programs_of(tmp_path) == []
    assert not (tmp_path / "run").exists()


async def test_a_port_in_use_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        sandbox = await asyncio.create_subprocess_exec(
            *SANDBOX, "--folder", str(tmp_path), "--port", str(port),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await sandbox.communicate()

    assert sandbox.returncode == 2
    assert said.decode().count("\n") == 1
    assert f"port {port} is in use; end what uses it, or take others with --port" in said.decode()
