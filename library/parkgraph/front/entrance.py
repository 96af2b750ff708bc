"""The ports of a front door: one that serves, over TLS or on loopback, and one that sends there."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parkgraph.front.keys import FixedKeys, configured_key
from parkgraph.front.plaintext import PLAIN_LIMITS, Plaintext
from parkgraph.front.problems import answer_of
from parkgraph.front.settings import ApiSettings
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.connections import Answer
from parkgraph.runtime.tls import Certificate
from parkgraph.runtime.web import listen, serve

STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class Entrance:
    """The ports of one program, on which it listens from the beginning."""

    def __init__(
        self, settings: ApiSettings, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        """Listen where `settings` say.

        Raises:
            RefusedError: an address is in use or not of this machine, or the certificate cannot be
                used any more.
        """
        self._settings = settings
        self._clock = clock
        self._random = random
        self._certificate = (
            Certificate(settings.certificate, settings.private_key)
            if settings.certificate and settings.private_key
            else None
        )
        self._listener = listen(settings.listen.host, settings.listen.port)
        plain = settings.plain_listen
        self._plain_listener = listen(plain.host, plain.port) if plain else None

    def configured_key(self) -> FixedKeys:
        """Return the key of the settings, read anew.

        Raises:
            RefusedError: its file has become unreadable, or readable by others.
        """
        return configured_key(
            self._settings.read_key().get_secret_value(),
            fleet=self._settings.fleet_id,
            requests_per_minute=self._settings.requests_per_minute,
        )

    def loops(self, app: ASGIApp) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the loops that serve `app`."""
        tls = self._certificate.context if self._certificate else None
        loops = {
            "front door": serve(
                strict(app) if tls else app,
                self._listener,
                tls=tls,
                malformed=self._answer_to_malformed,
            )
        }
        if self._certificate:
            loops["certificate"] = self._certificate.keep_up()
        if self._plain_listener:
            loops["plaintext"] = serve(
                Plaintext(self._new_request_id),
                self._plain_listener,
                malformed=self._answer_to_malformed,
                limits=PLAIN_LIMITS,
            )
        return loops

    def _new_request_id(self) -> str:
        return new_id("req", at=self._clock.now(), random=self._random(RANDOM_BYTES))

    def _answer_to_malformed(self) -> Answer:
        request_id = self._new_request_id()
        refusal = CallRefusedError(ErrorCode.BAD_REQUEST, "this is no HTTP/1.1 request")
        response = answer_of(refusal, request_id, accept="")
        response.headers["X-Request-Id"] = request_id
        return response.raw_headers, bytes(response.body)


def strict(app: ASGIApp) -> ASGIApp:
    """Return `app` with answers that keep browsers to TLS, where one was asked over it by name.

    Source: RFC 6797, 7.2 and 8.1.1.
    """

    async def strictly(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], STRICT_TRANSPORT]
            await send(message)

        by_name = scope["scheme"] == "https" and _is_name(Headers(scope=scope).get("host", ""))
        await app(scope, receive, send_strictly if by_name else send)

    return strictly


def _is_name(host: str) -> bool:
    """Say whether a `Host` header names a host, as an address does not. It may hold anything."""
    last_label = host.partition(":")[0].rstrip(".").rpartition(".")[2]
    return bool(last_label) and not last_label.isdigit() and not host.startswith("[")
