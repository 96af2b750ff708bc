"""The port without TLS: it tells every caller to come back over TLS, and nothing else."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from parkgraph.front.problems import answer_of
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.runtime.connections import LIMITS

# Beside those of the port with TLS: together still under the open files that a process may have.
PLAIN_LIMITS: Final = replace(LIMITS, connections=64)
# For who is still sending: a connection that is closed before all is read takes the answer along.
# Source: RFC 9112, 9.6.
LINGER_SECONDS: Final = 2.0


class Plaintext:
    """An ASGI application that answers 426 before it reads a body, and closes."""

    def __init__(self, new_request_id: Callable[[], str]) -> None:
        """Give each answer an id of its own."""
        self._new_request_id = new_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = self._answer(Request(scope))
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _answer(self, request: Request) -> Response:
        refusal = CallRefusedError(
            ErrorCode.UPGRADE_REQUIRED,
            "nothing is served without TLS: call https:// and speak TLS 1.3",
        )
        request_id = self._new_request_id()
        accept = ",".join(request.headers.getlist("accept"))
        response = answer_of(refusal, request_id, accept=accept)
        response.headers["X-Request-Id"] = request_id
        response.headers["Upgrade"] = "TLS/1.3"
        response.headers["Connection"] = "Upgrade, close"
        return response
