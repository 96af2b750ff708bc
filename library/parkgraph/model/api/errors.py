"""The bodies of errors. Source: the public API document; RFC 9457."""

from pydantic import Field

from parkgraph.model.api.parts import Body


class FieldFault(Body):
    """What is wrong with one part of a request."""

    field: str = Field(description="part of the request at fault")
    message: str = Field(description="what is wrong with it, for people")


class ErrorBody(Body):
    """What went wrong. `request_id` finds the call in the logs."""

    code: str = Field(description="what went wrong, for programs")
    message: str = Field(description="what went wrong and what to do, for people")
    request_id: str = Field(description="id of this request; the logs have it too")
    field: str | None = Field(
        default=None, description="part of the request at fault; left out where it is no one part"
    )
    fields: tuple[FieldFault, ...] | None = Field(
        default=None,
        description="all parts at fault, `field` first, at most 20; left out where it is one part",
    )


class ErrorAnswer(Body):
    """The envelope of every error."""

    error: ErrorBody = Field(description="what went wrong")


class Problem(Body):
    """An `ErrorBody` for who asks for `application/problem+json`. Source: RFC 9457."""

    type: str = Field(
        default="about:blank", description="no more than the status; `code` tells more"
    )
    title: str = Field(description="the status in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="`message` of the other form")
    code: str = Field(description="what went wrong, for programs")
    request_id: str = Field(description="id of this request; the logs have it too")
    field: str | None = Field(default=None, description="part of the request at fault")
    fields: tuple[FieldFault, ...] | None = Field(default=None, description="all faults")
