"""The cloud's records: directives, which a lot takes as commands."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from parkgraph.model.rates import Rate, RateCard
from parkgraph.model.records.parts import KeyTerms, Place, Record


class AllotmentsAsked(Record):
    """The cloud asks for spaces to sell, and for more time for those it has: `unsold`.

    None: an older cloud, which wants more time for whatever it has.
    """

    type: Literal["allotments_asked"] = "allotments_asked"
    asked_at: AwareDatetime
    unsold: tuple[str, ...] | None = None


class AllotmentSold(Record):
    """The cloud sold an allotment to a vehicle that comes within `arrive_within_seconds`."""

    type: Literal["allotment_sold"] = "allotment_sold"
    session: str
    space: str
    entry_lane: str
    rate: Rate
    fleet: str | None
    autonomous: bool
    expected_minutes: int
    estimated_minor: int
    arrive_within_seconds: int
    hold_until: AwareDatetime
    sold_at: AwareDatetime | None = None
    request: str | None = None


class AllotmentReturned(Record):
    """The cloud will not sell this allotment."""

    type: Literal["allotment_returned"] = "allotment_returned"
    session: str


class CancelAsked(Record):
    """The buyer cancelled in the cloud. The lot has the last word: the vehicle may be inside."""

    type: Literal["cancel_asked"] = "cancel_asked"
    session: str


class ExtensionAsked(Record):
    """The buyer comes so much later, or stays so much longer."""

    type: Literal["extension_asked"] = "extension_asked"
    session: str
    minutes: Annotated[int, Field(gt=0, le=7 * 1440)]


class KeyRevoked(Record):
    """A key was revoked when the cloud had the lot's stream up to `known`: what came later is late.

    So two clocks need not be compared.
    """

    type: Literal["key_revoked"] = "key_revoked"
    key: str
    known: Place | None


class EndAsked(Record):
    """The buyer ends his stay, which the lot prices."""

    type: Literal["end_asked"] = "end_asked"
    session: str
    request: str | None = None


class KeyIssued(Record):
    """A key may be used, at `/api/v1` of the cloud and of the lot that is told."""

    type: Literal["key_issued"] = "key_issued"
    key: str
    terms: KeyTerms


class RatesChanged(Record):
    """What is booked from now on costs what `card` says."""

    type: Literal["rates_changed"] = "rates_changed"
    card: RateCard


class AgentRegistered(Record):
    """A program that calls for people made itself known."""

    type: Literal["agent_registered"] = "agent_registered"
    agent: str
    name: str
    purpose: str | None
