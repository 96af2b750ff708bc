"""Records of the lot as a whole."""

from typing import Literal

from pydantic import AwareDatetime

from parkgraph.model.rates import Rate, RateCard
from parkgraph.model.records.parts import KeyTerms, LaneDescription, Place, Record, SpaceDescription


class LotDescribed(Record):
    """The lot's configuration changed; also the first record of every journal.

    A synthetic lot is simulated: `pk_test_` keys reach those only, and `pk_live_` keys those that
    take them. `rates` are those it is configured with; the cloud may set others.
    """

    type: Literal["lot_described"] = "lot_described"
    name: str
    time_zone: str
    currency: str
    spaces: tuple[SpaceDescription, ...]
    lanes: tuple[LaneDescription, ...]
    latitude: float | None = None
    longitude: float | None = None
    is_synthetic: bool = False
    takes_live_keys: bool = True
    rates: RateCard | None = None


class EpochBegan(Record):
    """The stream goes on under another epoch, after the row `predecessor`; None: after nothing.

    Whatever came after that row in a copy is superseded. At a lot the facts follow it: its
    description, rates and keys, a `BootTold` for each boot that is still needed, and a
    `SessionTold` for each stay in `open_sessions`; no other is open.
    """

    type: Literal["epoch_began"] = "epoch_began"
    why: Literal["fork", "lost", "compaction"]
    predecessor: Place | None
    is_of_cloud: bool = False
    open_sessions: tuple[str, ...] = ()


class ClockAnchored(Record):
    """The row's time was the wall clock's, `boot_ms` after the machine's boot `boot`.

    The time between two of them of one boot is known; that between boots, where `is_trusted`: the
    wall clock was known to be right.
    """

    type: Literal["clock_anchored"] = "clock_anchored"
    boot: str
    boot_ms: int
    is_trusted: bool


class BootTold(Record):
    """A boot as the facts had it when an epoch began, told where an open stay needs it.

    It was the lot's `number`th, lasted for `last_ms` at least, and was anchored then. `right_at`
    and `right_ms` are its newest anchor that was trusted.
    """

    type: Literal["boot_told"] = "boot_told"
    boot: str
    number: int
    last_ms: int
    last_at: AwareDatetime
    is_trusted: bool
    right_ms: int | None
    right_at: AwareDatetime | None


class SessionTold(Record):
    """A stay as the facts had it when an epoch began. Times are UTC, money in minor units.

    `rate` is all of a card where nobody knew yet who bought the space.
    """

    type: Literal["session_told"] = "session_told"
    session: str
    state: str
    fleet: str | None
    autonomous: bool
    space: str
    entry_lane: str
    rate: Rate | RateCard
    expected_minutes: int
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
    entered_boot: str | None = None
    entered_boot_ms: int | None = None
    elapsed_seconds: int | None = None
    is_in_doubt: bool | None = None


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


class KeyAccepted(Record):
    """The lot knows a key and what it may do."""

    type: Literal["key_accepted"] = "key_accepted"
    key: str
    terms: KeyTerms


class RatesSet(Record):
    """What is booked at the lot from now on costs what `card` says, if that is in its money."""

    type: Literal["rates_set"] = "rates_set"
    card: RateCard


class KeyBarred(Record):
    """The lot knows that a key was revoked: nothing new is booked with it."""

    type: Literal["key_barred"] = "key_barred"
    key: str
