"""Which space for whom."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from parkgraph.model.loans import CLASSES_FOR
from parkgraph.model.records import SpaceClass


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """A space that nobody holds."""

    space: str
    space_class: SpaceClass


def assign(
    free: Sequence[FreeSpace], *, autonomous: bool, occupied: Container[str]
) -> FreeSpace | None:
    """Return the first of `free`, by class and id, that no sensor sees `occupied`."""
    for space_class in CLASSES_FOR[autonomous]:
        fitting = [s for s in free if s.space_class is space_class and s.space not in occupied]
        if fitting:
            return min(fitting, key=lambda s: s.space)
    return None
