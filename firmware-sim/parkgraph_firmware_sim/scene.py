"""What a camera would see, as numbers: handed from the world to the thread that draws."""

from dataclasses import dataclass

from parkgraph_firmware_sim.cars import Style


@dataclass(frozen=True, slots=True)
class CarView:
    """One car in front of the camera."""

    plate: str
    style: Style
    look: int
    front_x: float
    length_m: float
    speed_m_s: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One lane at one moment. `cars` stand in the order they will pass."""

    seconds: float
    cars: tuple[CarView, ...]
    boom_degrees: float
    shows_go: bool
    is_night: bool
    is_dark: bool
    """The camera's sensor gives next to nothing."""
    has_dirty_plates: bool
