"""What may come between a call and its answer."""

from datetime import timedelta
from typing import Final

from parkgraph.model.api import ErrorBody
from parkgraph.model.errors import ErrorCode
from parkgraph.runtime.errors import CorruptError, UnavailableError

_GATEWAY_STATUS: Final = frozenset({502, 503, 504})


class ParkGraphError(Exception):
    """What all errors of the SDK are."""


class ApiError(ParkGraphError):
    """The API answered, and not with what was asked for.

    `code` says why, for programs; `message` for people. `field` is the part of the request at
    fault, `fields` has all of them. `request_id` finds the call in the logs of the API.
    `retry_after` is for how long it asks to be left alone, None where it did not say.

    Source: the public API document; `parkgraph.model.errors.ErrorCode`.
    """

    def __init__(self, status: int, error: ErrorBody, retry_after: timedelta | None = None) -> None:
        """Tell of `error`, which came with the HTTP status `status`."""
        super().__init__(status, error, retry_after)
        self.status = status
        self.code = error.code
        self.message = error.message
        self.field = error.field
        self.fields = error.fields or ()
        self.request_id = error.request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message} ({self.request_id})"


class UnreachableError(ParkGraphError, UnavailableError):
    """No answer came: no connection, a broken one, or too late. The cause is kept.

    What was asked may have been done all the same. Who asks again with the same
    `idempotency_key` gets the answer to that, and nothing is done twice.
    """

    def __init__(self, message: str, *, is_too_late: bool = False) -> None:
        """Say what could not be reached; `is_too_late` where the time for it ran out."""
        super().__init__(message)
        self.is_too_late = is_too_late


class UnreadableAnswerError(ParkGraphError, CorruptError):
    """An answer came that is none of this API: something between, or a wrong address."""


def is_away(error: ParkGraphError) -> bool:
    """Say whether the side that was asked cannot answer now, and another one may."""
    if isinstance(error, ApiError):
        return error.status in _GATEWAY_STATUS and error.code != ErrorCode.REQUIRES_CLOUD
    return isinstance(error, UnreachableError)


def is_lot_offline(error: ParkGraphError) -> bool:
    """Say whether the cloud is well and cannot reach the lot."""
    return isinstance(error, ApiError) and error.code == ErrorCode.LOT_OFFLINE


def is_unknown(error: ParkGraphError) -> bool:
    """Say whether the side that was asked does not know of what it was asked for."""
    return isinstance(error, ApiError) and error.code == ErrorCode.NOT_FOUND


def may_be_sent_again(error: ParkGraphError) -> bool:
    """Say whether the same request may soon have another answer at the same side."""
    if not isinstance(error, ApiError):
        return isinstance(error, UnreachableError)
    if error.status == 409:
        # An earlier try is still on its way there.
        return error.code == ErrorCode.CONFLICT and error.field == "Idempotency-Key"
    if error.status == 503:
        # The other two say who else can help; to wait does not.
        asks_elsewhere = error.code in {ErrorCode.LOT_OFFLINE, ErrorCode.REQUIRES_CLOUD}
        return error.retry_after is not None and not asks_elsewhere
    return error.status in {429, 502, 504}
