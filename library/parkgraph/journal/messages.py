"""What the link says, and where: the same for both directions.

The owner of a stream sends its rows; whoever keeps a copy acknowledges them, and gives them back to
an owner that lost them.
"""

import zlib
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from parkgraph.journal.chain import Count, Head, Row, lot_of, stream_of_cloud

PARTITIONS: Final = 64
MOST_DEAD_LETTERS_TOLD: Final = 16

Kind = Literal["rows", "acknowledged", "missing", "returned"]
KINDS: Final[tuple[Kind, ...]] = ("rows", "acknowledged", "missing", "returned")


class _Said(BaseModel):
    """What all messages share. What a newer other end adds is left aside; rows are kept whole."""

    model_config = ConfigDict(frozen=True)


class Batch(_Said):
    """Rows of one epoch of a stream, in order and without a gap.

    As an answer to `Missing`, which said `after`: without rows when there are no more, with a fault
    when the copy does not have the row that was named; `head` is how far it has come then.
    """

    stream: str
    epoch: Count
    rows: tuple[Row, ...]
    fault: str | None = None
    after: Head | None = None
    head: Head | None = None


class DeadLetter(_Said):
    """A row that was stored and could not be applied."""

    epoch: Count
    seq: Count
    subject: str
    why: str


class Acknowledgement(_Said):
    """How far the copy has come. The sender goes on from there, forward or back."""

    head: Head | None
    fault: str | None = None
    dead_letters: tuple[DeadLetter, ...] = ()


class Missing(_Said):
    """The owner of a stream has it up to `after` only, and asks for what a copy has beyond."""

    after: Head | None


class LotState(_Said):
    """How a lot is now. Newest wins; never journaled.

    `directives` is how far its copy of what the cloud decided has come; an older lot does not say.
    `rejected` counts, by camera and reason, what looked like a plate and could not be read.
    """

    link: Literal["up", "down"]
    at: str | None = None
    occupied: int = 0
    spaces: int = 0
    head_seq: Count = 0
    away: dict[str, str] = {}
    directives: Head | None = None
    rejected: dict[str, dict[str, int]] = {}


def topic(stream: str, kind: Kind) -> str:
    """Return the topic for `kind` of `stream`; consumers may share the lots by partition."""
    direction = "down" if stream == stream_of_cloud(lot_of(stream)) else "up"
    return f"{_of_lot(lot_of(stream))}/{direction}/{kind}"


def state_topic(lot: str) -> str:
    """Return the topic of how `lot` is."""
    return f"{_of_lot(lot)}/state"


def every(direction: Literal["up", "down"], kind: Kind) -> str:
    """Return the filter for `kind` of every lot."""
    return f"pg/1/+/+/{direction}/{kind}"


EVERY_STATE: Final = "pg/1/+/+/state"


def read_topic(name: str) -> tuple[str, Kind | Literal["state"]] | None:
    """Return the stream and the kind of a topic made by `topic` or `state_topic`, or None."""
    match name.split("/"):
        case [_, _, _, lot, "state"]:
            return lot, "state"
        case [_, _, _, lot, "up" | "down" as direction, kind] if kind in KINDS:
            stream = stream_of_cloud(lot) if direction == "down" else lot
            return stream, next(known for known in KINDS if known == kind)
        case _:
            return None


def _of_lot(lot: str) -> str:
    return f"pg/1/p{zlib.crc32(lot.encode()) % PARTITIONS:02}/{lot}"
