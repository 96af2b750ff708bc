"""What one simulated history is like, drawn from its seed."""

import dataclasses
import json
from dataclasses import dataclass
from random import Random
from typing import Final

# How often each kind of fault comes, beside the others. A seed leaves some of them out.
KINDS: Final[dict[str, float]] = {
    "kill edge": 6,
    "kill cloud": 4,
    "kill broker": 3,
    "power edge": 3,
    "power cloud": 2,
    "power broker": 1,
    "fuse edge": 7,
    "fuse cloud": 4,
    "full edge": 3,
    "full cloud": 2,
    "eio edge": 3,
    "eio cloud": 2,
    "slow edge": 3,
    "slow cloud": 2,
    "freeze edge": 3,
    "freeze cloud": 2,
    "freeze broker": 1,
    "broker loses": 2,
    "broker wiped": 1,
    "broker drops": 2,
    "duplicates": 2,
    "reorders": 2,
    "cut": 7,
    "cut one way": 5,
    "clock edge": 3,
    "clock cloud": 3,
    "barrier silent": 3,
    "barrier mute": 2,
    "barrier slow": 2,
    "barrier reboots": 2,
    "camera away": 2,
    "restore edge": 0.7,
    "restore cloud": 0.7,
}


@dataclass(frozen=True, slots=True)
class Options:
    """All that a history depends on beside its seed. Shares are of 1."""

    hours: float
    lots: int
    arrivals_per_minute: float
    faults_per_hour: float
    kinds: tuple[str, ...]
    standard: int
    autonomous: int
    lent_standard: int
    lent_autonomous: int
    loan_minutes: int
    cloud_share: float
    both_share: float
    same_digest_share: float
    autonomous_share: float
    never_share: float
    late_share: float
    back_out_share: float
    end_share: float
    misread_share: float
    long_stay_share: float

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_line(line: str) -> "Options":
        """Read what `line` returned."""
        values = json.loads(line)
        return Options(**values | {"kinds": tuple(values["kinds"])})


def draw(seed: int, *, hours: float | None = None) -> Options:
    """Return the options of `seed`, with `hours` in the place of what it would draw."""
    random = Random(f"{seed}/options")
    drawn_hours = random.choice((1.5, 2.0, 2.0, 2.5))
    return Options(
        hours=drawn_hours if hours is None else hours,
        lots=2 if random.random() < 0.12 else 1,
        arrivals_per_minute=random.choice((3.5, 4.5, 5.5)),
        faults_per_hour=random.choice((35.0, 50.0, 60.0, 80.0)),
        kinds=tuple(kind for kind in KINDS if random.random() < 0.85),
        standard=random.randint(24, 40),
        autonomous=random.randint(4, 8),
        lent_standard=random.randint(3, 7),
        lent_autonomous=random.randint(1, 3),
        loan_minutes=random.choice((40, 60, 90, 180)),
        cloud_share=random.uniform(0.2, 0.5),
        both_share=random.uniform(0.03, 0.15),
        same_digest_share=random.choice((0.0, 0.5, 1.0)),
        autonomous_share=random.uniform(0.1, 0.4),
        never_share=random.uniform(0.01, 0.06),
        late_share=random.uniform(0.0, 0.05),
        back_out_share=random.uniform(0.0, 0.08),
        end_share=random.uniform(0.3, 0.7),
        misread_share=random.uniform(0.0, 0.1),
        long_stay_share=random.uniform(0.0, 0.08),
    )
