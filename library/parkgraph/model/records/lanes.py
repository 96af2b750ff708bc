"""Records of what happens in a lane."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from parkgraph.model.records.parts import Direction, Means, Reason, Record, VendOutcome


class AdmissionGranted(Record):
    """One presence may cross once, from `boot_ms` after a boot on.

    `session` is None where an exit opens for whoever stands there.
    `passages_before` is the barrier's passage counter at that time. `frame_to_decision_ms` is from
    the arrival of the newest frame that was read to this decision; None for other means.
    The plate of its personal part is what the camera read, which need not be the stay's.
    """

    type: Literal["admission_granted"] = "admission_granted"
    admission: str
    session: str | None
    lane: str
    direction: Direction
    presence: str
    means: Means
    passages_before: int
    confidence: float | None = None
    frame_to_decision_ms: int | None = None
    boot: str | None = None
    boot_ms: int | None = None


class VendOrdered(Record):
    """A barrier was to be told to let one admission through, `before` a time, or not at all.

    An exit counts the same while from the commit: slow disks must not keep it shut.
    """

    type: Literal["vend_ordered"] = "vend_ordered"
    order: int
    token: int
    admission: str
    lane: str
    open_seconds: Annotated[float, Field(gt=0, le=60)]
    before: AwareDatetime


class VendFinished(Record):
    """How the order ended; `decision_to_boom_ms` is until the boom that was down rose."""

    type: Literal["vend_finished"] = "vend_finished"
    order: int
    lane: str
    outcome: VendOutcome
    decision_to_boom_ms: int | None = None


class Crossed(Record):
    """The loops confirmed that the admitted vehicle went through, `boot_ms` after a boot.

    An exit tells the amount, and the time until its admission that it is for: when the vehicle was
    gone may not have been seen. Where that `is_in_doubt`, it is what is proven of it; where the
    amount is less than it costs, that was told before. `over_seconds`: for so long the vehicle
    stayed after the end of its stay, where that is longer than it takes to leave.
    """

    type: Literal["crossed"] = "crossed"
    admission: str
    session: str | None
    lane: str
    direction: Direction
    amount_minor: int | None = None
    boot: str | None = None
    boot_ms: int | None = None
    elapsed_seconds: int | None = None
    is_in_doubt: bool | None = None
    over_seconds: int | None = None


class AdmissionLapsed(Record):
    """The admitted vehicle did not go through."""

    type: Literal["admission_lapsed"] = "admission_lapsed"
    admission: str
    session: str | None
    lane: str
    why: Literal["backed_out", "timed_out"]


class CrossedUnadmitted(Record):
    """Vehicles went through that no admission covers: tailgaters, or a boom held open."""

    type: Literal["crossed_unadmitted"] = "crossed_unadmitted"
    lane: str
    direction: Direction
    vehicles: int


class PresentationRefused(Record):
    """A vehicle was not let through. Wrong guesses lock the keypad, until `locked_until`."""

    type: Literal["presentation_refused"] = "presentation_refused"
    lane: str
    presence: str
    means: Means
    reason: Reason
    locked_until: AwareDatetime | None = None
