"""The lines that the gateway and its vision process exchange over pipes: one JSON object each."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from parkgraph.model.plates import LONGEST_PLATE
from parkgraph.runtime.errors import CorruptError

LONGEST_LINE: Final = 64 * 2**10

RejectionReason = Literal["too_small", "blurred", "syntax", "disagree", "script"]
Share = Annotated[float, Field(ge=0, le=1)]
# What a plate may say, folded, and how many nats less likely that is than the best reading.
AlternativeRead = tuple[
    Annotated[str, Field(max_length=LONGEST_PLATE)], Annotated[float, Field(le=0)]
]


class Message(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def line(self) -> bytes:
        """Return the message as it is written, with its line end."""
        return self.model_dump_json().encode() + b"\n"


class CameraAddress(Message):
    """A camera and where its MJPEG stream is."""

    camera: str
    url: str


class Start(Message):
    """The first line to the process: its cameras, networks that the site has brought, countries."""

    cameras: Annotated[tuple[CameraAddress, ...], Field(max_length=64)]
    detector: Path | None = None
    reader: Path | None = None
    countries: tuple[str, ...] = ()


class Attend(Message):
    """A car stands before this camera: read every frame for so long, motion or not."""

    attend: str
    seconds: Annotated[float, Field(gt=0, le=60)]


class SightingMessage(Message):
    """A plate that frames agree on; `taken_at` is the boot clock, `box` in pixels."""

    type: Literal["sighting"] = "sighting"
    camera: str
    text: str
    confidence: Share
    frames: Annotated[int, Field(ge=1)]
    taken_at: float
    box: tuple[int, int, int, int]
    read_ms: float
    alternatives: Annotated[tuple[AlternativeRead, ...], Field(max_length=32)] = ()


class CameraMessage(Message):
    """A camera came or went, or its picture is bad; `detail` says why and what to do, in one line.

    The states other than `away` are those of `views.ViewState`.
    """

    type: Literal["camera"] = "camera"
    camera: str
    state: Literal["ok", "away", "frozen", "dark", "blinded", "dirty", "misaimed"]
    detail: str = ""


class RejectedMessage(Message):
    """How often, since the process started, what looks like a plate became no sighting, and why.

    The reasons are those of `plates.Rejection`; one that has not occurred is left out.
    """

    type: Literal["rejected"] = "rejected"
    camera: str
    counts: dict[RejectionReason, Annotated[int, Field(ge=0)]]


class Alive(Message):
    """The loop that reads plates still turns."""

    type: Literal["alive"] = "alive"


FromVision = SightingMessage | CameraMessage | RejectedMessage | Alive

_from_vision: TypeAdapter[FromVision] = TypeAdapter(
    Annotated[FromVision, Field(discriminator="type")]
)


def parse_from_vision(line: bytes) -> FromVision:
    """Read a line of the process.

    Raises:
        CorruptError: it is none.
    """
    try:
        return _from_vision.validate_json(line)
    except ValidationError as error:
        raise CorruptError(f"a line that is no message: {error.error_count()} errors") from error
