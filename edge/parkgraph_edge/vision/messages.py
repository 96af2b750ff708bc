"""The lines that the gateway and its vision process exchange over pipes: one JSON object each."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from parkgraph.runtime.errors import CorruptError

LONGEST_LINE: Final = 64 * 2**10

Share = Annotated[float, Field(ge=0, le=1)]


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
    """The first line to the process: all its cameras."""

    cameras: Annotated[tuple[CameraAddress, ...], Field(max_length=64)]


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


class CameraMessage(Message):
    """A camera came or went; `detail` says why, in one line."""

    type: Literal["camera"] = "camera"
    camera: str
    state: Literal["ok", "away"]
    detail: str = ""


class Alive(Message):
    """The loop that reads plates still turns."""

    type: Literal["alive"] = "alive"


FromVision = SightingMessage | CameraMessage | Alive

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
