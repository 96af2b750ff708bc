"""A request as a call: what its headers and its body say, within bounds."""

import hashlib

from starlette.requests import Request

from parkgraph.front.contract import (
    LONGEST_BODY,
    LONGEST_END_USER_ID,
    LONGEST_IDEMPOTENCY_KEY,
    Call,
    Principal,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode


async def call_of(request: Request, caller: Principal) -> Call:
    """Return what `caller` asks.

    Raises:
        CallRefusedError: a header or the body is too long, or holds what it may not.
        starlette.requests.ClientDisconnect: the caller went away before he had said it all.
    """
    _check_end_user(request.headers.get("x-end-user-id"))
    # To read twice is the same as once.
    is_change = request.method not in {"GET", "HEAD"}
    return Call(
        caller,
        request.method,
        f"{request.scope['path']}?{request.scope['query_string'].decode('latin-1')}",
        request.path_params,
        request.query_params,
        request.headers.get("content-type"),
        await _body(request),
        _idempotency(caller, request.headers.get("idempotency-key")) if is_change else None,
        request.headers.get("last-event-id"),
    )


def digest_of_caller(principal: Principal, text: str) -> str:
    """Return what stands for `text` of one key: two keys may use the same."""
    return hashlib.sha256(f"{principal.key_id}:{text}".encode()).hexdigest()


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
    return digest_of_caller(principal, key)


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
