"""What the bodies of `/api/v1` are made of."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Money = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
Identifier = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
MOST_LISTED = 200


class Body(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True)


class Asked(Body):
    """What all requests share: types are taken as they are, so `"5"` is no number.

    Unknown fields are ignored: clients may be newer.
    """

    model_config = ConfigDict(frozen=True, strict=True)


class Page(Asked):
    """Which part of a long list is asked for."""

    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = Field(
        default=50, description="how many to list at most", examples=[50]
    )
    cursor: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="`next_cursor` of the page before; leave it out for the first"
    )


class Warned(Body):
    """Something in the request that looks wrong and was taken all the same."""

    code: str = Field(description="what looks wrong, for programs", examples=["VIN_CHECK_DIGIT"])
    field: str = Field(description="part of the request that it is about")
    message: str = Field(description="what looks wrong, for people")
