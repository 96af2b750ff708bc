"""One try at one address over httpx. Nothing of httpx is told to callers of the SDK."""

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

import httpx
from pydantic import ValidationError

from parkgraph.client.errors import ApiError, UnreachableError, UnreadableAnswerError
from parkgraph.client.outside import Outside
from parkgraph.client.tries import told_pause
from parkgraph.model.api import ErrorAnswer, ErrorBody

# What cannot be reached is known sooner than what is slow to answer.
LONGEST_CONNECT_SECONDS: Final = 3.0
# The API sends a comment every 15 seconds.
LONGEST_SILENCE_SECONDS: Final = 45.0
_LIMITS: Final = httpx.Limits(max_connections=1_000, max_keepalive_connections=20)
# What stands between us and the API says these without its envelope.
_CODE_OF_BETWEEN: Final[Mapping[int, str]] = {
    429: "RATE_LIMITED",
    502: "BAD_GATEWAY",
    503: "UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}

Verify = Literal[True] | str | os.PathLike[str] | ssl.SSLContext
"""Whom to trust: the public authorities, those in a file of PEM certificates, or as it says."""


class Side(StrEnum):
    """Who can answer."""

    CLOUD = "cloud"
    LOT = "lot"


class Reach(StrEnum):
    """Which sides know of what is asked."""

    CLOUD = "cloud"  # the cloud alone
    ITS_LOT = "its_lot"  # the lot that it is about, too
    ANY_LOT = "any_lot"  # any lot too, for itself


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, the same for all tries and sides.

    `lot` and `session` say what it is about, where they are known; `only` which side may be asked.
    `after` is the place of the last event that was heard.
    """

    method: str
    path: str
    reach: Reach = Reach.ITS_LOT
    lot: str | None = None
    session: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    idempotency_key: str | None = None
    only: Side | None = None
    is_stream: bool = False
    after: str | None = None


class Door:
    """An address of the API."""

    def __init__(self, side: Side, url: str, http: httpx.AsyncClient) -> None:
        """Reach `url`, with or without `/api/v1` at its end, by `http`.

        Raises:
            ValueError: it is no address of a web server.
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is no address: {error}") from error
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ValueError(f"{url!r} is no address: give https://…")
        self.side = side
        self.url = url.rstrip("/").removesuffix("/api/v1")
        self._http = http

    async def send(self, ask: Ask, *, within_seconds: float) -> httpx.Response:
        """Try once; return what was asked for, read to its end unless it is a stream.

        Raises:
            ApiError: the API refused it, or something between said that it is away.
            UnreachableError: no answer came within that time.
            UnreadableAnswerError: what came is none of the API.
        """
        request = self._http.build_request(
            ask.method,
            self.url + ask.path,
            params=ask.query or None,
            content=ask.body,
            headers=self._headers(ask),
            timeout=httpx.Timeout(
                LONGEST_SILENCE_SECONDS if ask.is_stream else within_seconds,
                connect=min(within_seconds, LONGEST_CONNECT_SECONDS),
            ),
        )
        try:
            async with asyncio.timeout(within_seconds):
                response = await self._http.send(request, stream=ask.is_stream)
                if ask.is_stream and not response.is_success:
                    await _read(response)
        except TimeoutError as error:
            raise UnreachableError(
                f"{self.url} did not answer in {within_seconds:.3g} s", is_too_late=True
            ) from error
        except httpx.RequestError as error:
            raise _unreachable(self.url, error) from error
        if not response.is_success:
            raise _refusal(response)
        return response

    def _headers(self, ask: Ask) -> dict[str, str]:
        headers = {"Accept": "text/event-stream" if ask.is_stream else "application/json"}
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
        if ask.idempotency_key is not None:
            headers["Idempotency-Key"] = ask.idempotency_key
        if ask.after is not None:
            headers["Last-Event-ID"] = ask.after
        return headers


def http_client(key: str, verify: Verify, outside: Outside) -> httpx.AsyncClient:
    """Return a client that sends `key`, and follows no redirect, as that would send it elsewhere.

    Raises:
        OSError: the file of certificates cannot be read.
        ValueError: `key` cannot be sent.
    """
    check_header("key", key)
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {key}", "User-Agent": "parkgraph-client"},
        verify=_context(verify),
        limits=_LIMITS,
        transport=outside.transport,
    )


def check_header(name: str, text: str) -> None:
    """Raise `ValueError` where `text` has no 1 to 255 printable ASCII characters."""
    if not (1 <= len(text) <= 255 and text.isascii() and text.isprintable()):
        raise ValueError(f"{name} has to have 1 to 255 printable ASCII characters")


async def chunks_of(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Return what a stream sends as it comes, and close it in the end.

    Raises:
        UnreachableError: it broke off, or nothing came for `LONGEST_SILENCE_SECONDS`.
    """
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except httpx.RequestError as error:
        raise _unreachable(str(response.url), error) from error
    finally:
        await response.aclose()


def _context(verify: Verify) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is True:
        context = httpx.create_ssl_context()
    else:
        context = ssl.create_default_context(cafile=verify)
    # Every host of the API speaks it, so that nobody can talk us into an older one.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


async def _read(response: httpx.Response) -> None:
    try:
        await response.aread()
    finally:
        await response.aclose()


def _unreachable(url: str, error: httpx.RequestError) -> UnreachableError:
    is_too_late = isinstance(error, httpx.TimeoutException)
    cause: BaseException = error
    # Where a socket fails without a word, what failed beneath it says more.
    while not str(cause) and (beneath := cause.__cause__ or cause.__context__):
        cause = beneath
    what = str(cause) or type(error).__name__
    return UnreachableError(f"{url}: {what}", is_too_late=is_too_late)


def _refusal(response: httpx.Response) -> ApiError | UnreadableAnswerError:
    status = response.status_code
    told = told_pause(status, response.headers)
    try:
        return ApiError(status, ErrorAnswer.model_validate_json(response.content).error, told)
    except ValidationError as error:
        media = response.headers.get("content-type", "nothing")
        message = f"{response.url.host} answered {status} with {media}, not as the API does"
        if status not in _CODE_OF_BETWEEN:
            unreadable = UnreadableAnswerError(message)
            unreadable.__cause__ = error
            return unreadable
        request_id = response.headers.get("x-request-id", "")
        code = _CODE_OF_BETWEEN[status]
        return ApiError(status, ErrorBody(code=code, message=message, request_id=request_id), told)
