"""What records are made of."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Direction(StrEnum):
    """Which way a lane leads."""

    ENTRY = "entry"
    EXIT = "exit"


class Means(StrEnum):
    """How a vehicle was presented."""

    PLATE = "plate"
    CODE = "code"
    PRESENCE = "presence"


class SpaceClass(StrEnum):
    """For whom a space is."""

    STANDARD = "standard"
    AUTONOMOUS = "autonomous"
    ACCESSIBLE = "accessible"


class Reason(StrEnum):
    """Why a presentation was refused."""

    NOT_EXPECTED = "not_expected"
    TWIN_PLATE = "twin_plate"
    WRONG_CODE = "wrong_code"
    MISTYPED_CODE = "mistyped_code"
    KEYPAD_LOCKED = "keypad_locked"
    TOO_EARLY_OR_LATE = "too_early_or_late"


class VendOutcome(StrEnum):
    """How an order to a barrier ended."""

    OPENED = "opened"
    REFUSED = "refused"
    FAILED = "failed"
    TOO_LATE = "too_late"


class Personal(BaseModel):
    """The part of a record that can be removed without breaking the chain.

    A gate code is no personal datum, but it lets somebody in, so it goes the same way.
    """

    model_config = ConfigDict(frozen=True)

    plate: str | None = None
    vin: str | None = None
    gate_code: str | None = None


class Record(BaseModel):
    """What all records have; `type` names the kind."""

    model_config = ConfigDict(frozen=True)

    type: str
    personal: Personal | None = Field(default=None, exclude=True)


class SpaceDescription(BaseModel):
    """One space and for whom it is."""

    model_config = ConfigDict(frozen=True)

    space: str
    space_class: SpaceClass


class LaneDescription(BaseModel):
    """One lane and which way it leads."""

    model_config = ConfigDict(frozen=True)

    lane: str
    direction: Direction


class Place(BaseModel):
    """A row of a stream that another record points at."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    seq: int
    hash: str


class KeyTerms(BaseModel):
    """What an API key may do. `digest` is the HMAC-SHA256 of its secret part under its id.

    `fleet` tags what it books, and is all that it sees; None: the operator's own. `expires_at` is
    set where it is being replaced.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    is_test: bool
    plan: str
    scopes: tuple[str, ...]
    fleet: str | None = None
    requests_per_minute: int | None = None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
