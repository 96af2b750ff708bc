"""The front door as an ASGI application: key, request id and errors around the operations."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from parkgraph.front import docs
from parkgraph.front.limits import Limits, Standing, budgets_of_key
from parkgraph.front.operations import (
    LONGEST_BODY,
    LONGEST_END_USER_ID,
    LONGEST_IDEMPOTENCY_KEY,
    Call,
    Operation,
    Port,
    Principal,
    RateClass,
)
from parkgraph.front.problems import answer_of
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError

log = structlog.get_logger(__name__)

P = TypeVar("P", bound=Port)


class ApiKey:
    """The one key that a program is configured with, kept as its digest."""

    def __init__(
        self, key: str, *, fleet: str | None = None, requests_per_minute: int | None = None
    ) -> None:
        """Accept `key`; it belongs to `fleet`, or to none in particular.

        `requests_per_minute` takes the place of the public limits.
        """
        self._digest = hashlib.sha256(key.encode()).digest()
        self._principal = Principal(key_id=self._digest.hex()[:12], fleet=fleet)
        self.budgets = budgets_of_key(
            is_sandbox=key.startswith("pk_test_"), requests_per_minute=requests_per_minute
        )

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
        self._limits = Limits()

    def app(
        self, port: P, operations: Sequence[Operation[P]], *, beside: Sequence[BaseRoute] = ()
    ) -> Starlette:
        """Return the application that serves `operations` from `port`, and `beside` it.

        What they are is told to anybody; see `parkgraph.front.docs`.
        """
        routes = [
            Route(operation.path, self._endpoint(port, operation), methods=[operation.method])
            for operation in operations
        ]
        app = Starlette(
            routes=[*routes, *docs.routes(), *beside],
            exception_handlers={404: self._no_such_path, 405: self._no_such_method},
        )
        # A redirect to the path without its last slash would carry no id and no limits.
        app.router.redirect_slashes = False
        return app

    def _endpoint(
        self, port: P, operation: Operation[P]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            request_id = self._request_id()
            caller, standing = self._let_in(request, operation.rate_class)
            if isinstance(caller, CallRefusedError):
                return _refused(request, caller, request_id, standing)
            try:
                answer = await operation.handle(port, await _call(request, caller))
                response = Response(
                    answer.model_dump_json(), operation.status, media_type="application/json"
                )
                return _sealed(response, request_id, standing)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody hears it
            except CallRefusedError as error:
                refusal = error
            except UnavailableError as error:
                log.warning("call_unavailable", request_id=request_id, reason=str(error))
                refusal = CallRefusedError(ErrorCode.UNAVAILABLE, "not possible now; try again")
            except Exception:  # the caller gets the envelope and never the cause, which is logged
                log.exception("call_failed", request_id=request_id, path=operation.path)
                refusal = CallRefusedError(
                    ErrorCode.INTERNAL, "something is broken here; it was noted"
                )
            return _refused(request, refusal, request_id, standing)

        return endpoint

    def _let_in(
        self, request: Request, rate_class: RateClass
    ) -> tuple[Principal | CallRefusedError, Standing]:
        """Return who calls, or why it goes no further; and what is left of the tightest budget."""
        now = self._clock.boot_seconds()
        try:
            caller = self._key.principal(request.headers.get("authorization"))
        except CallRefusedError as refusal:
            host = request.client.host if request.client else ""
            standing = self._limits.of_stranger(host, now=now)
            return _too_many(standing, " without a valid key") or refusal, standing
        end_user = request.headers.get("x-end-user-id")
        standing = self._limits.of_key(
            caller.key_id,
            self._key.budgets[rate_class],
            None if end_user is None else _digest(caller, end_user),
            now=now,
        )
        return _too_many(standing) or caller, standing

    def _request_id(self) -> str:
        return new_id("req", at=self._clock.now(), random=self._random(RANDOM_BYTES))

    async def _no_such_path(self, request: Request, _: Exception) -> Response:
        message = f"there is nothing at {request.url.path}"
        return self._misdirected(request, CallRefusedError(ErrorCode.NOT_FOUND, message))

    async def _no_such_method(self, request: Request, error: Exception) -> Response:
        message = f"{request.url.path} does not take {request.method}"
        refusal = CallRefusedError(ErrorCode.METHOD_NOT_ALLOWED, message)
        response = self._misdirected(request, refusal)
        response.headers.update(getattr(error, "headers", None) or {})  # Allow
        return response

    def _misdirected(self, request: Request, refusal: CallRefusedError) -> Response:
        caller, standing = self._let_in(request, RateClass.OTHER)
        if isinstance(caller, CallRefusedError) and caller.code is ErrorCode.RATE_LIMITED:
            refusal = caller
        return _refused(request, refusal, self._request_id(), standing)


async def _call(request: Request, caller: Principal) -> Call:
    _check_end_user(request.headers.get("x-end-user-id"))
    return Call(
        caller,
        request.path_params,
        request.query_params,
        request.headers.get("content-type"),
        await _body(request),
        _idempotency(caller, request.headers.get("idempotency-key")),
    )


def _check_end_user(name: str | None) -> None:
    if name is None:
        return
    if not (1 <= len(name) <= LONGEST_END_USER_ID and name.isascii() and name.isprintable()):
        raise CallRefusedError(
            ErrorCode.BAD_REQUEST,
            f"an X-End-User-Id has 1 to {LONGEST_END_USER_ID} printable ASCII characters",
            field="X-End-User-Id",
        )


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
    return _digest(principal, key)


def _digest(principal: Principal, text: str) -> str:
    return hashlib.sha256(f"{principal.key_id}:{text}".encode()).hexdigest()


def _too_many(standing: Standing, of_what: str = "") -> CallRefusedError | None:
    """Return the refusal of a call that is one too many; None where it is not."""
    seconds = standing.retry_after_seconds
    if seconds is None:
        return None
    return CallRefusedError(
        ErrorCode.RATE_LIMITED,
        f"at most {standing.limit} calls a minute{of_what}; try again in {seconds} s",
    )


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


def _refused(
    request: Request, error: CallRefusedError, request_id: str, standing: Standing
) -> Response:
    accept = ",".join(request.headers.getlist("accept"))
    return _sealed(answer_of(error, request_id, accept=accept), request_id, standing)


def _sealed(response: Response, request_id: str, standing: Standing) -> Response:
    """Return `response` with what all have: its id, and what the caller may still ask for."""
    response.headers["X-Request-Id"] = request_id
    response.headers.update(standing.headers())
    return response
