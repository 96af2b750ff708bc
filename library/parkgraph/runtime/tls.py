"""TLS 1.3 around the connections of a server, under the deadlines of what is spoken inside.

asyncio's own TLS tells nobody of a connection before its handshake is done: who never ends one
could neither be counted nor make room. Here the protocol inside knows its connection from accept.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from parkgraph.runtime.errors import RefusedError

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS: Final = 60.0
# The longest record. Source: RFC 8446, 5.1.
RECORD_BYTES: Final = 16 * 1024

_OTHER_KEY: Final = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}


def server_context(certificate: Path, private_key: Path) -> ssl.SSLContext:
    """Return what a server with these PEM files needs to speak TLS 1.3.

    Raises:
        RefusedError: the two cannot be used, or not with each other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, private_key, _no_password)
    except ssl.SSLError as error:
        if error.reason in _OTHER_KEY:
            raise RefusedError(
                f"{private_key} does not belong to {certificate}; write the key for which that"
                " certificate was issued"
            ) from error
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise RefusedError(
            f"{private_key} and {certificate} cannot be used: {reason}; both have to be PEM, the"
            " key without a password"
        ) from error
    except OSError as error:
        raise RefusedError(
            f"{certificate} and {private_key} cannot be read: {(error.strerror or '').lower()}"
        ) from error
    return context


def check_certificate(path: Path) -> None:
    """Look whether the file `path` holds a certificate.

    Raises:
        RefusedError: it cannot be read, or holds none.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError as error:
        raise RefusedError(
            f"{path} holds no certificate; write the server's own in PEM, then those that vouch"
            " for it"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RefusedError(
            f"{path} cannot be read: {reason}; check the path and who may read the file"
        ) from error


class Certificate:
    """The certificate of a server and its key, read anew when their files have changed."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """Read both.

        Raises:
            RefusedError: see `server_context`.
        """
        self._files = (certificate, private_key)
        self._seen = self._look()
        self._context = server_context(certificate, private_key)

    def context(self) -> ssl.SSLContext:
        """Return what a new connection is given."""
        return self._context

    async def keep_up(self) -> None:
        """Look at the files now and then."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await asyncio.to_thread(self.renew)  # as a disk may hang

    def renew(self) -> None:
        """Read files that have changed; where they cannot be used, what was read before stays."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            # A new one: one that is loaded again keeps the old certificate where the new key is of
            # another kind, and is of no use after a fault.
            self._context = server_context(*self._files)
        except RefusedError as error:
            log.error("certificate_not_renewed", reason=str(error))  # noqa: TRY400 (one line)
        else:
            log.info("certificate_renewed", certificate=str(self._files[0]))

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_mark(path) for path in self._files]


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with the content of a file; None where there is none."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_mtime_ns, now.st_ino, now.st_size


def secured(
    protocol: Callable[..., asyncio.Protocol], context: Callable[[], ssl.SSLContext]
) -> Callable[..., asyncio.Protocol]:
    """Return what makes the protocol of a new connection: what `protocol` makes, inside TLS.

    `context` is asked for each connection.
    """

    def accept(**arguments: Any) -> asyncio.Protocol:
        return _Secured(protocol(**arguments), context())

    return accept


class _Secured(asyncio.Protocol, asyncio.Transport):
    """One connection: a protocol towards the network, a transport for the protocol inside."""

    _wire: asyncio.Transport

    def __init__(self, inside: asyncio.Protocol, context: ssl.SSLContext) -> None:
        super().__init__()
        self._inside = inside
        self._context = context
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._has_shaken_hands = False

    # What the network tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._wire = transport
        self._inside.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inside.connection_lost(exc)
        del self._inside  # as the two would keep each other until the next look for garbage

    def data_received(self, data: bytes) -> None:
        self._received.write(data)
        try:
            self._read()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()  # which says what is wrong
            self._wire.close()

    def eof_received(self) -> bool | None:
        return self._inside.eof_received()

    def pause_writing(self) -> None:
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        self._inside.resume_writing()

    # What the protocol inside asks for.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        own = {"sslcontext": self._context, "ssl_object": self._tls}
        return own.get(name) or self._wire.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._wire.is_closing()

    def pause_reading(self) -> None:
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        self._wire.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._wire.is_closing():
            return
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._flush()

    def close(self) -> None:
        if self._wire.is_closing():
            return
        if self._has_shaken_hands:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()  # says goodbye; the other side's is not waited for
            self._flush()
        self._wire.close()

    def abort(self) -> None:
        self._wire.abort()

    def _read(self) -> None:
        if not self._has_shaken_hands:
            self._tls.do_handshake()
            self._has_shaken_hands = True
            self._flush()
        while not self._wire.is_closing():
            data = self._tls.read(RECORD_BYTES)
            if not data:  # the other side has said goodbye
                self.close()
                return
            self._inside.data_received(data)

    def _flush(self) -> None:
        if self._to_send.pending and not self._wire.is_closing():
            self._wire.write(self._to_send.read())


def _no_password() -> str:
    """Return what opens nothing, where OpenSSL would ask whoever sits at the terminal."""
    return ""
