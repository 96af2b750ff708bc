"""The front door as an ASGI application: key, request id and errors around the operations."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from parkgraph.front import docs
from parkgraph.front.contract import Call, Operation, Port, Principal, RateClass, Stream
from parkgraph.front.keys import KeyRing, recognise
from parkgraph.front.limits import Limits, Standing
from parkgraph.front.problems import answer_of
from parkgraph.front.requests import call_of, digest_of_caller
from parkgraph.journal.answers import Told
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.scopes import Scope
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError

log = structlog.get_logger(__name__)

P = TypeVar("P", bound=Port)
Answer = BaseModel | Told | Stream
Endpoint = Callable[[Request], Awaitable[Response]]

# How long one waits for the answer to the same request, sent before.
LONGEST_TURN_SECONDS: Final = 5.0
# Who calls what is public without a key.
_ANYBODY: Final = Principal("anybody", None, frozenset({Scope.LOTS_READ}))


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who calls, and what is left of his tightest budget; or why he goes no further."""

    principal: Principal
    standing: Standing
    refusal: CallRefusedError | None = None


class _Methods:
    """What answers at one path, by method. It raises nothing, so nothing has to catch it."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        otherwise: Callable[[Request, Sequence[str]], Awaitable[Response]],
    ) -> None:
        self._endpoints = dict(endpoints)
        if "GET" in endpoints:
            self._endpoints["HEAD"] = endpoints["GET"]
        self._otherwise = otherwise

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        endpoint = self._endpoints.get(request.method)
        if endpoint:
            response = await endpoint(request)
        else:
            response = await self._otherwise(request, sorted(self._endpoints))
        await response(scope, receive, send)


class FrontDoor:
    """Turns requests into calls of operations, and what comes of them into answers."""

    def __init__(self, keys: KeyRing, *, clock: Clock, random: Callable[[int], bytes]) -> None:
        """Let in who has one of `keys`."""
        self._keys = keys
        self._clock = clock
        self._random = random
        self._limits = Limits()
        self._in_flight: dict[str, asyncio.Event] = {}

    def app(
        self,
        port: P,
        operations: Sequence[Operation[P]],
        *,
        elsewhere: Sequence[Operation[Any]] = (),
        beside: Sequence[BaseRoute] = (),
    ) -> Router:
        """Return the application that serves `operations` from `port`, and `beside` it.

        What is `elsewhere`, in the cloud, is refused. What the operations are is told to anybody;
        see `parkgraph.front.docs`.
        """
        by_path: dict[str, dict[str, Endpoint]] = {}
        for each in operations:
            by_path.setdefault(each.path, {})[each.method] = self._endpoint(each, each.handle, port)
        for each in elsewhere:
            endpoint = self._endpoint(each, _requires_cloud, port)
            by_path.setdefault(each.path, {})[each.method] = endpoint
        for page in docs.routes():
            by_path[page.path] = {"GET": self._open(page.endpoint)}
        return Router(
            [
                *(
                    Route(path, _Methods(each, self._no_such_method))
                    for path, each in by_path.items()
                ),
                *beside,
            ],
            # A redirect to the path without its last slash would carry no id and no limits.
            redirect_slashes=False,
            default=_Methods({}, self._no_such_path),
        )

    def _endpoint(
        self, operation: Operation[Any], handle: Callable[[P, Call], Awaitable[Answer]], port: P
    ) -> Endpoint:
        async def answered(request: Request, principal: Principal) -> Response:
            call = await call_of(request, principal)
            answer = await self._in_turn(call, lambda: handle(port, call))
            return await _response(answer, operation, is_head=request.method == "HEAD")

        async def endpoint(request: Request) -> Response:
            request_id = self._request_id()
            caller = self._let_in(request, operation)
            if caller.refusal:
                return _refused(request, caller.refusal, request_id, caller.standing)
            try:
                response = await answered(request, caller.principal)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody hears it
            except Exception as error:  # noqa: BLE001 (the caller hears nothing of the cause)
                refusal = _refusal(error, _about(request_id, caller.principal, operation))
                return _refused(request, refusal, request_id, caller.standing)
            if request.method not in {"GET", "HEAD"}:
                about = _about(request_id, caller.principal, operation)
                log.info("called", **about, status=response.status_code)
            return _sealed(response, request_id, caller.standing)

        return endpoint

    def _let_in(self, request: Request, operation: Operation[Any] | None) -> _Caller:
        """Count the call, and say who calls. Any path and page that is no operation is public."""
        now = self._clock.boot_seconds()
        authorization = request.headers.get("authorization")
        try:
            if authorization is None and (operation is None or operation.is_public):
                return self._stranger(request, None)
            known = recognise(self._keys, authorization, self._clock.now())
        except CallRefusedError as refusal:
            return self._stranger(request, refusal)
        caller, end_user = known.principal, request.headers.get("x-end-user-id")
        standing = self._limits.of_key(
            caller.key_id,
            known.budgets[operation.rate_class if operation else RateClass.OTHER],
            None if end_user is None else digest_of_caller(caller, end_user),
            now=now,
        )
        return _Caller(caller, standing, _too_many(standing) or _beyond(caller, operation))

    def _stranger(self, request: Request, refusal: CallRefusedError | None) -> _Caller:
        host = request.client.host if request.client else ""
        standing = self._limits.of_stranger(host, now=self._clock.boot_seconds())
        return _Caller(_ANYBODY, standing, _too_many(standing, " without a valid key") or refusal)

    async def _in_turn(self, call: Call, answer: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer, after that to the same request which is on its way, if one is.

        Raises:
            CallRefusedError: that takes too long.
        """
        request = call.idempotency
        if request is None:
            return await answer()
        if request in self._in_flight:
            await self._wait_for(request)
        self._in_flight[request] = done = asyncio.Event()
        try:
            return await answer()
        finally:
            del self._in_flight[request]
            done.set()

    async def _wait_for(self, request: str) -> None:
        try:
            async with asyncio.timeout(LONGEST_TURN_SECONDS):
                while before := self._in_flight.get(request):
                    await before.wait()
        except TimeoutError:
            raise CallRefusedError(
                ErrorCode.CONFLICT,
                "the same request is on its way; send it again later",
                field="Idempotency-Key",
            ) from None

    def _open(self, page: Endpoint) -> Endpoint:
        """Return `page`, which anybody may read, with what all answers have."""

        async def endpoint(request: Request) -> Response:
            caller, request_id = self._let_in(request, None), self._request_id()
            if caller.refusal:
                return _refused(request, caller.refusal, request_id, caller.standing)
            return _sealed(await page(request), request_id, caller.standing)

        return endpoint

    def _request_id(self) -> str:
        return new_id("req", at=self._clock.now(), random=self._random(RANDOM_BYTES))

    async def _no_such_path(self, request: Request, _: Sequence[str]) -> Response:
        message = f"there is nothing at {request.url.path}"
        return self._misdirected(request, CallRefusedError(ErrorCode.NOT_FOUND, message))

    async def _no_such_method(self, request: Request, methods: Sequence[str]) -> Response:
        message = f"{request.url.path} does not take {request.method}"
        refusal = CallRefusedError(ErrorCode.METHOD_NOT_ALLOWED, message)
        response = self._misdirected(request, refusal)
        response.headers["Allow"] = ", ".join(methods)
        return response

    def _misdirected(self, request: Request, refusal: CallRefusedError) -> Response:
        caller = self._let_in(request, None)
        if caller.refusal and caller.refusal.code is ErrorCode.RATE_LIMITED:
            refusal = caller.refusal
        return _refused(request, refusal, self._request_id(), caller.standing)


def _about(request_id: str, principal: Principal, operation: Operation[Any]) -> dict[str, str]:
    """Return what the log says of one call, which is found by its id."""
    return {
        "request_id": request_id,
        "key": principal.key_id,
        "operation": f"{operation.method} {operation.path}",
    }


def _refusal(error: Exception, about: Mapping[str, str]) -> CallRefusedError:
    """Return `error` as what the caller hears of it; the rest is noted."""
    if isinstance(error, CallRefusedError):
        log.info("call_refused", **about, code=error.code, field=error.field)
        return error
    if isinstance(error, UnavailableError):
        log.warning("call_unavailable", **about, reason=str(error))
        return CallRefusedError(ErrorCode.UNAVAILABLE, "not possible now; try again")
    log.error("call_failed", **about, exc_info=error)
    return CallRefusedError(ErrorCode.INTERNAL, "something is broken here; it was noted")


async def _requires_cloud(_port: Port, _call: Call) -> Answer:
    raise CallRefusedError(
        ErrorCode.REQUIRES_CLOUD,
        "only the cloud can do that; nothing was queued: send it there when it can be reached",
    )


async def _response(answer: Answer, operation: Operation[Any], *, is_head: bool) -> Response:
    if isinstance(answer, Stream):
        # What is refused is refused before the first byte.
        first = await anext(answer.chunks, b"")
        if is_head:
            await answer.chunks.aclose()
            return Response(b"", operation.status, answer.headers, answer.media_type)
        chunks = _chained(first, answer.chunks)
        return StreamingResponse(chunks, operation.status, answer.headers, answer.media_type)
    if isinstance(answer, Told):
        headers = {"Idempotent-Replayed": "true"} if answer.is_replayed else None
        return Response(answer.text, operation.status, headers, operation.media)
    return Response(answer.model_dump_json(), operation.status, media_type=operation.media)


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    # Closed at once when the caller goes away, so that another can have his place.
    async with contextlib.aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk


def _beyond(caller: Principal, operation: Operation[Any] | None) -> CallRefusedError | None:
    """Return the refusal of what the key may not do; None where it may."""
    if operation is None or operation.scope in caller.scopes:
        return None
    return CallRefusedError(
        ErrorCode.FORBIDDEN,
        f"this key may not {operation.scope}; take a plan or a key that includes it",
    )


def _too_many(standing: Standing, of_what: str = "") -> CallRefusedError | None:
    """Return the refusal of a call that is one too many; None where it is not."""
    seconds = standing.retry_after_seconds
    if seconds is None:
        return None
    return CallRefusedError(
        ErrorCode.RATE_LIMITED,
        f"at most {standing.limit} calls a minute{of_what}; try again in {seconds} s",
    )


def _refused(
    request: Request, error: CallRefusedError, request_id: str, standing: Standing
) -> Response:
    accept = ",".join(request.headers.getlist("accept"))
    return _sealed(answer_of(error, request_id, accept=accept), request_id, standing)


def _sealed(response: Response, request_id: str, standing: Standing) -> Response:
    """Return `response` with what all have: its id, and what the caller may still ask for."""
    response.raw_headers += [(b"x-request-id", request_id.encode()), *standing.headers()]
    return response
