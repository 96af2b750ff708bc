"""A camera's MJPEG stream over HTTP, read by ourselves: cv2 would decode each frame in full."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Final

import httpx

from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import CorruptError, UnavailableError

LARGEST_PART: Final = 8 * 2**20
LONGEST_HEADERS: Final = 8 * 2**10
CONNECT_SECONDS: Final = 3.0
# A camera that sends nothing for so long, or no whole picture, is away.
SILENCE_SECONDS: Final = 5.0
PICTURE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """One JPEG of a stream. `arrived_at` is the boot clock in seconds when its last byte came."""

    jpeg: bytes
    arrived_at: float


class PartParser:
    """Cuts the bytes of a multipart/x-mixed-replace body into its parts.

    Source: RFC 2046, section 5.1.1. A part with a Content-Length ends there; another ends at the
    next boundary. Holds one part and one chunk at most.
    """

    def __init__(self, boundary: str, *, largest: int = LARGEST_PART) -> None:
        # Some cameras write the dashes into the parameter, too.
        self._delimiter = b"--" + boundary.removeprefix("--").encode("ascii", "replace")
        self._largest = largest
        self._waiting = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes and return the parts they completed.

        Raises:
            CorruptError: a part or its headers are too large, or it is no multipart body.
        """
        self._waiting += chunk
        parts = []
        while (part := self._next()) is not None:
            parts.append(part)
        return parts

    def _next(self) -> bytes | None:
        headers_end = self._waiting.find(b"\r\n\r\n", 0, LONGEST_HEADERS)
        if headers_end < 0:
            if len(self._waiting) > LONGEST_HEADERS:
                raise CorruptError(f"no part begins within {LONGEST_HEADERS} bytes")
            return None
        headers = bytes(self._waiting[:headers_end])
        if self._delimiter not in headers:
            raise CorruptError("a part does not begin with the boundary")
        start = headers_end + 4
        length = _content_length(headers)
        end = self._boundary_after(start) if length is None else start + length
        if (len(self._waiting) if end is None else end) - start > self._largest:
            raise CorruptError(f"a part is larger than {self._largest} bytes")
        if end is None or len(self._waiting) < end:
            return None
        part = bytes(self._waiting[start:end])
        del self._waiting[:end]
        self._searched = 0
        return part

    def _boundary_after(self, start: int) -> int | None:
        """Find where the part ends; what was searched is not searched again."""
        mark = b"\r\n" + self._delimiter
        end = self._waiting.find(mark, max(start, self._searched))
        self._searched = max(start, len(self._waiting) - len(mark))
        return end if end >= 0 else None


class Camera:
    """One MJPEG camera. Its `name` is its address without user, password and query."""

    def __init__(self, url: str, clock: Clock, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._url = url
        self._clock = clock
        self._timeout = httpx.Timeout(silence_seconds, connect=CONNECT_SECONDS)
        self.name = public_name(url)

    def parts(self) -> Iterator[Part]:
        """Connect and yield picture after picture, for ever.

        Raises:
            UnavailableError: the camera does not answer, refuses, falls silent or hangs up.
            CorruptError: what it sends is no MJPEG stream.
        """
        try:
            with (
                # Cameras are on the lot's network; a proxy of the machine's is not for them.
                httpx.Client(timeout=self._timeout, trust_env=False) as client,
                client.stream("GET", self._url) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise UnavailableError(
                        f"{self.name}: answers {response.status_code} {response.reason_phrase}"
                    )
                parser = PartParser(self._boundary(response.headers.get("content-type", "")))
                yield from self._parts(response, parser)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"{self.name}: {reason}; check that it is on") from error
        raise UnavailableError(f"{self.name}: the camera ended its stream")

    def _parts(self, response: httpx.Response, parser: PartParser) -> Iterator[Part]:
        newest = self._clock.boot_seconds()
        for chunk in response.iter_raw():
            now = self._clock.boot_seconds()
            try:
                parts = parser.feed(chunk)
            except CorruptError as error:
                raise CorruptError(f"{self.name}: {error}") from error
            for jpeg in parts:
                newest = now
                yield Part(jpeg, now)
            if now - newest > PICTURE_SECONDS:
                raise UnavailableError(f"{self.name}: no whole picture in {PICTURE_SECONDS:.0f} s")

    def _boundary(self, content_type: str) -> str:
        message = Message()
        message["content-type"] = content_type
        boundary = message.get_param("boundary")
        if message.get_content_maintype() != "multipart" or not isinstance(boundary, str):
            raise CorruptError(
                f"{self.name}: sends {content_type or 'no content type'}, not an MJPEG stream; "
                "check the path"
            )
        return boundary


def is_camera(source: str) -> bool:
    """Say whether `source` is the address of a camera, not of a file."""
    return source.startswith(("http://", "https://"))


def public_name(url: str) -> str:
    """Return `url` without user, password and query: what may stand in a log."""
    try:
        return str(httpx.URL(url).copy_with(username="", password="", query=None))
    except httpx.InvalidURL:
        return "a camera with an address that is none"


def _content_length(headers: bytes) -> int | None:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None
