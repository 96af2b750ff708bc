"""Records of the lot as a whole."""

from typing import Literal

from pydantic import AwareDatetime

from parkgraph.model.records.parts import LaneDescription, Place, Record, SpaceDescription


class LotDescribed(Record):
    """The lot's configuration changed; also the first record of every journal."""

    type: Literal["lot_described"] = "lot_described"
    name: str
    time_zone: str
    currency: str
    spaces: tuple[SpaceDescription, ...]
    lanes: tuple[LaneDescription, ...]


class EpochBegan(Record):
    """The stream goes on under another epoch, after the row `predecessor`; None: after nothing.

    Whatever came after that row in a copy is superseded. At a lot the facts follow it: its
    description and a `SessionTold` for each stay in `open_sessions`; no other is open.
    """

    type: Literal["epoch_began"] = "epoch_began"
    why: Literal["fork", "lost", "compaction"]
    predecessor: Place | None
    is_of_cloud: bool = False
    open_sessions: tuple[str, ...] = ()


class SessionTold(Record):
    """A stay as the facts had it when an epoch began. Times are UTC, money in minor units."""

    type: Literal["session_told"] = "session_told"
    session: str
    state: str
    fleet: str | None
    autonomous: bool
    space: str
    entry_lane: str
    currency: str
    rate_minor_per_hour: int
    estimated_minor: int
    reserved_at: AwareDatetime
    hold_until: AwareDatetime
    entered_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    amount_minor: int | None
    request: str | None = None
    twin: str | None = None
    end_request: str | None = None
    lent_asked_at: AwareDatetime | None = None
    lent_seconds: int | None = None


class ConflictFound(Record):
    """Something that no rule can mend, for a person to look at."""

    type: Literal["conflict_found"] = "conflict_found"
    session: str
    kind: Literal[
        "same_vehicle_twice",
        "space_lost",
        "revoked_key",
        "directive_refused",
        "unproved",
        "space_blocked",
    ]
    what: str


class KeyBarred(Record):
    """The lot knows that a key was revoked: nothing new is booked with it."""

    type: Literal["key_barred"] = "key_barred"
    key: str
