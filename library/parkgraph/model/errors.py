"""The error codes of `/api/v1` and what they mean on the wire."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from parkgraph.model.api.errors import FieldFault
from parkgraph.runtime.errors import RefusedError


class ErrorCode(StrEnum):
    """Why a call was refused. Source: the public API document, and the codes it needs beside."""

    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    UPGRADE_REQUIRED = "UPGRADE_REQUIRED"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    LOT_FULL = "LOT_FULL"
    LOT_OFFLINE = "LOT_OFFLINE"
    REQUIRES_CLOUD = "REQUIRES_CLOUD"


HTTP_STATUS: Final[Mapping[ErrorCode, int]] = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.CONFLICT: 409,
    ErrorCode.LOT_FULL: 409,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.IDEMPOTENCY_MISMATCH: 422,
    ErrorCode.UPGRADE_REQUIRED: 426,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.LOT_OFFLINE: 503,
    ErrorCode.REQUIRES_CLOUD: 503,
}


class CallRefusedError(RefusedError):
    """A call of `/api/v1` that may not be; `field` names the part of the request at fault.

    `fields` tells all faults where there are several, the one of `field` and `message` first.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        fields: tuple[FieldFault, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.fields = fields
