"""The front door as an ASGI application: key, request id and errors around the operations."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from parkgraph.front.operations import Call, Operation, Port, Principal
from parkgraph.model.api import ErrorAnswer, ErrorBody
from parkgraph.model.errors import HTTP_STATUS, CallRefusedError, ErrorCode
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError

log = structlog.get_logger(__name__)

P = TypeVar("P", bound=Port)

LONGEST_BODY: Final = 1_048_576
LONGEST_IDEMPOTENCY_KEY: Final = 255
RETRY_AFTER_SECONDS: Final = 2


class ApiKey:
    """The one key that a program is configured with, kept as its digest."""

    def __init__(self, key: str, *, fleet: str | None = None) -> None:
        """Accept `key`; it belongs to `fleet`, or to none in particular."""
        self._digest = hashlib.sha256(key.encode()).digest()
        self._principal = Principal(key_id=self._digest.hex()[:12], fleet=fleet)

    def principal(self, authorization: str | None) -> Principal:
        """Return whose the `Authorization` header is.

        Raises:
            CallRefusedError: there is none, or it holds another key.
        """
        scheme, _, key = (authorization or "").partition(" ")
        digest = hashlib.sha256(key.strip().encode()).digest()
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest, self._digest):
            raise CallRefusedError(
                ErrorCode.UNAUTHORIZED, "send a valid key: `Authorization: Bearer pk_live_…`"
            )
        return self._principal


class FrontDoor:
    """Turns requests into calls of operations, and what comes of them into answers."""

    def __init__(self, *, key: ApiKey, clock: Clock, random: Callable[[int], bytes]) -> None:
        """Let in who has `key`."""
        self._key = key
        self._clock = clock
        self._random = random

    def app(
        self, port: P, operations: Sequence[Operation[P]], *, beside: Sequence[BaseRoute] = ()
    ) -> Starlette:
        """Return the application that serves `operations` from `port`, and `beside` it."""
        routes = [
            Route(operation.path, self._endpoint(port, operation), methods=[operation.method])
            for operation in operations
        ]
        return Starlette(
            routes=[*routes, *beside],
            exception_handlers={404: self._no_such_path, 405: self._no_such_method},
        )

    def _endpoint(
        self, port: P, operation: Operation[P]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            request_id = self._request_id()
            try:
                principal = self._key.principal(request.headers.get("authorization"))
                call = Call(
                    principal,
                    request.path_params,
                    request.query_params,
                    await _body(request),
                    _idempotency(principal, request.headers.get("idempotency-key")),
                )
                answer = await operation.handle(port, call)
                return _answer(answer.model_dump_json(), operation.status, request_id)
            except CallRefusedError as error:
                return _refusal(error, request_id)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody hears it
            except UnavailableError as error:
                log.warning("call_unavailable", request_id=request_id, reason=str(error))
                return _refusal(
                    CallRefusedError(ErrorCode.UNAVAILABLE, "not possible now; try again"),
                    request_id,
                )
            except Exception:  # the caller gets the envelope and never the cause, which is logged
                log.exception("call_failed", request_id=request_id, path=operation.path)
                return _refusal(
                    CallRefusedError(ErrorCode.INTERNAL, "something is broken here; it was noted"),
                    request_id,
                )

        return endpoint

    def _request_id(self) -> str:
        return new_id("req", at=self._clock.now(), random=self._random(RANDOM_BYTES))

    async def _no_such_path(self, request: Request, _: Exception) -> Response:
        message = f"there is nothing at {request.url.path}"
        return _refusal(CallRefusedError(ErrorCode.NOT_FOUND, message), self._request_id())

    async def _no_such_method(self, request: Request, error: Exception) -> Response:
        message = f"{request.url.path} does not take {request.method}"
        refusal = CallRefusedError(ErrorCode.METHOD_NOT_ALLOWED, message)
        response = _refusal(refusal, self._request_id())
        response.headers.update(getattr(error, "headers", None) or {})  # Allow
        return response


def _idempotency(principal: Principal, key: str | None) -> str | None:
    """Return the digest by which lot and cloud recognise one request of one key."""
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_IDEMPOTENCY_KEY:
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST,
            f"an Idempotency-Key has 1 to {LONGEST_IDEMPOTENCY_KEY} characters",
            field="Idempotency-Key",
        )
    return hashlib.sha256(f"{principal.key_id}:{key}".encode()).hexdigest()


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise CallRefusedError(
                ErrorCode.PAYLOAD_TOO_LARGE,
                f"a body has at most {LONGEST_BODY} bytes",
                field="body",
            )
    return bytes(body)


def _refusal(error: CallRefusedError, request_id: str) -> Response:
    envelope = ErrorAnswer(
        error=ErrorBody(
            code=error.code, message=error.message, request_id=request_id, field=error.field
        )
    )
    response = _answer(
        envelope.model_dump_json(exclude_none=True), HTTP_STATUS[error.code], request_id
    )
    if HTTP_STATUS[error.code] == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _answer(body: str, status: int, request_id: str) -> Response:
    return Response(
        body, status, headers={"X-Request-Id": request_id}, media_type="application/json"
    )
