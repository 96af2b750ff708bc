"""What stands at a lot: real hardware, or a simulation of it. Test keys never reach the real."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LiveSite:
    """A lot whose barriers come down where people and cars are."""

    lot: str


@dataclass(frozen=True, slots=True)
class SyntheticSite:
    """A lot whose hardware is simulated; `takes_live_keys` where `pk_live_` keys work there too."""

    lot: str
    takes_live_keys: bool = False


Site = LiveSite | SyntheticSite


def site_of(lot: str, *, is_synthetic: bool, takes_live_keys: bool) -> Site:
    """Return what `lot` is, as it was configured or described."""
    return SyntheticSite(lot, takes_live_keys) if is_synthetic else LiveSite(lot)
