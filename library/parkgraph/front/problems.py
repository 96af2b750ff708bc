"""A refusal as an answer: in the envelope of the public document, or as RFC 9457 has it."""

import re
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from parkgraph.model.api import ErrorAnswer, ErrorBody, Problem
from parkgraph.model.errors import HTTP_STATUS, CallRefusedError

PROBLEM: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2

_JSON: Final = "application/json"
_QUALITY: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def answer_of(error: CallRefusedError, request_id: str, *, accept: str) -> Response:
    """Return `error` as an answer to a caller who sent the header `Accept: {accept}`."""
    status = HTTP_STATUS[error.code]
    fields = error.fields or None
    if _quality(accept, PROBLEM) > _quality(accept, _JSON):
        media_type = PROBLEM
        body = Problem(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=error.message,
            code=error.code,
            request_id=request_id,
            field=error.field,
            fields=fields,
        ).model_dump_json(exclude_none=True)
    else:
        media_type = _JSON
        envelope = ErrorBody(
            code=error.code,
            message=error.message,
            request_id=request_id,
            field=error.field,
            fields=fields,
        )
        body = ErrorAnswer(error=envelope).model_dump_json(exclude_none=True)
    headers = {"Vary": "Accept"}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1
    return Response(body, status, headers, media_type)


def _quality(accept: str, media_type: str) -> float:
    """Return how welcome `media_type` is: what the most specific range says. RFC 9110, 12.5.1."""
    qualities: dict[str, float] = {}
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        weights = [part for part in parameters if part.startswith("q=")] or ["q=1"]
        quality = _QUALITY.fullmatch(weights[0])
        qualities[name] = float(quality[1]) if quality else 0.0
    for name in (media_type, "application/*", "*/*"):
        if name in qualities:
            return qualities[name]
    return 0.0
