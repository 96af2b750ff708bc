"""The SDK over real sockets: what breaks off, hangs, or is not to be trusted."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from parkgraph.client import Outside, ParkGraph, UnreachableError
from parkgraph.runtime.clock import SystemClock
from tests.component.test_client_events import OVER, told
from tests.examples.fake_api import KEY, LOT, a_body, a_stay

BODY: Final = a_stay().content
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
HALF: Final = ANSWER[:-20]
STREAM: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PATIENCE_SECONDS: Final = 20.0
END: Final = b"0\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def at_once(_: float) -> None:
    """Wait for nothing: what is tested is what comes after."""


HURRIED: Final = Outside(sleep=at_once)


class Server:
    """Sends what a test says, one answer a connection, and hangs up; None is not to answer."""

    def __init__(self, *answers: bytes | None) -> None:
        self.heads: list[bytes] = []
        self._answers = list(answers)
        self._open = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self._is_idle.clear()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._open -= 1
        if self._open == 0:
            self._is_idle.set()

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        try:
            port = server.sockets[0].getsockname()[1]
            yield f"{'https' if context else 'http'}://127.0.0.1:{port}"
        finally:
            server.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._is_idle.wait()


def an_authority(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Return a file that says whom to trust, and the context of a server at 127.0.0.1 so named."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    trusted, both = folder / f"{name}.pem", folder / f"{name}.both.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    trusted.write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both.write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return trusted, context


@pytest.mark.parametrize("broken", [b"", HALF], ids=["nothing", "half an answer"])
async def test_a_connection_that_breaks_is_made_anew(broken: bytes) -> None:
    server = Server(broken, ANSWER)

    async with server.running() as address, ParkGraph(address, KEY, outside=HURRIED) as park:
        ended = await park.end_session("sess_1")

    assert ended == a_body()
    assert len(server.heads) == 2
    assert server.heads[0] == server.heads[1]


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    server = Server(None)

    async with (
        server.running() as address,
        ParkGraph(address, KEY, timeout_seconds=0.05, outside=HURRIED) as park,
    ):
        with pytest.raises(UnreachableError, match=r"0\.05 s|ReadTimeout") as caught:
            await park.session("sess_1")

    assert caught.value.is_too_late


async def test_a_stream_that_breaks_goes_on_where_it_was() -> None:
    first, last = told("snapshot", "1.1"), told("completed", "1.2", **OVER)
    server = Server(
        STREAM + chunked(first) + chunked(last[:50]),
        STREAM + chunked(last[:50]) + chunked(last[50:]) + END,
    )

    async with server.running() as address, ParkGraph(address, KEY, outside=HURRIED) as park:
        events = [event.event async for event in park.events("sess_1")]

    assert events == ["snapshot", "completed"]
    assert b"last-event-id: 1.1\r\n" in server.heads[1].lower()


async def test_lot_and_cloud_are_trusted_each_by_its_own_authority(tmp_path: Path) -> None:
    cloud_file, cloud_context = an_authority(tmp_path, "cloud")
    lot_file, lot_context = an_authority(tmp_path, "lot")
    cloud, lot = Server(b""), Server(ANSWER)

    async with (
        cloud.running(cloud_context) as cloud_url,
        lot.running(lot_context) as lot_url,
        ParkGraph(
            cloud_url,
            KEY,
            lot_url={LOT: lot_url},
            verify=cloud_file,
            lot_verify=str(lot_file),
            outside=HURRIED,
        ) as park,
    ):
        await park.session("sess_1", lot_id=LOT)

        assert park.side == "lot"

    assert len(cloud.heads) == 2


async def test_who_is_vouched_for_by_somebody_else_hears_no_key(tmp_path: Path) -> None:
    _, context = an_authority(tmp_path, "cloud")
    other, _ = an_authority(tmp_path, "other")
    server = Server(ANSWER)

    async with (
        server.running(context) as address,
        ParkGraph(address, KEY, verify=other, outside=HURRIED) as park,
    ):
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            await park.session("sess_1")

    assert server.heads == []


async def test_who_speaks_an_older_tls_only_hears_no_key(tmp_path: Path) -> None:
    trusted, context = an_authority(tmp_path, "cloud")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = Server(ANSWER)

    async with (
        server.running(context) as address,
        ParkGraph(address, KEY, verify=trusted, outside=HURRIED) as park,
    ):
        with pytest.raises(UnreachableError, match=r"PROTOCOL|SSL|TLS"):
            await park.session("sess_1")

    assert server.heads == []


async def test_a_context_of_the_caller_is_taken_as_it_is(tmp_path: Path) -> None:
    trusted, context = an_authority(tmp_path, "cloud")
    own = ssl.create_default_context(cafile=trusted)
    server = Server(ANSWER)

    async with server.running(context) as address, ParkGraph(address, KEY, verify=own) as park:
        assert await park.session("sess_1") == a_body()


def test_a_file_of_authorities_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ParkGraph("https://cloud.example", KEY, verify=tmp_path / "nowhere.pem")
