"""Whether a camera sees what it should, and what a technician can do where it does not. Pure.

Margins, measured by `python -m tests.bench --only camera` and asserted by the tests of this module,
stand beside each limit: of the simulated camera by day and by night, with rain drawn over it, and
of 186 photographs of streets (sharpness).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.scenes import (
    Features,
    Light,
    Reference,
    Scene,
    features,
    light,
    scene,
    unchanged,
)

LOOK_EVERY_SECONDS: Final = 0.35
# So long nothing else was seen: a headlight that passes is shorter.
FAULT_SECONDS: Final = 2.5
GOOD_SECONDS: Final = 3.0
# A pause without a look that can say anything begins the count anew.
LONGEST_DOUBT_SECONDS: Final = 1.5

# A sensor has noise, also of an empty lane at rest, and each JPEG of a stream stands for itself: a
# picture that is the same to the last bit is an old one. That a car has moved meanwhile is not
# asked for: on a quiet day that takes hours. An encoder that repeats pictures where nothing moves
# is named, too; wrongly, but nothing is lost: what it repeats has been read, and what differs is
# read from the next look on.
FROZEN_SECONDS: Final = 3.0
# The share of tiles. Of a live picture with noise of only 0.05 grey levels, at JPEG quality 40:
# 0.02 from one look to the next, none for three seconds. A frozen one with a clock drawn in: 0.98.
FROZEN_SHARE: Final = 0.9

# The 95th percentile of grey levels. The simulated lane at night has 74 and more, its covered
# camera 6. Having been dark, it takes more to be light: a lamp that is off stays off.
DARK_LEVEL: Final = 20.0
LIGHT_LEVEL: Final = 30.0

# The share of saturated pixels. Headlights of a car before the camera at night: below 0.01; a drawn
# sun: 0.31 at night, 0.47 by day. A white car in the sun may fill half of the picture.
BLINDED_SHARE: Final = 0.25
SEES_AGAIN_SHARE: Final = 0.15
BLINDED_BEHIND_CAR_SHARE: Final = 0.6
# `Light.spread`. Least of night, rain and cars: 0.9; haze or light in the lens: 0.08.
FLAT_SPREAD: Final = 0.25
# A flat picture that is brighter than this is blinded, else covered or fogged.
FLAT_AND_BRIGHT: Final = 140.0

# `Scene.sharpness`, fine to coarse detail. Photographs of streets: 0.52 and more; the same blurred
# by 6 pixels of 1280: 0.36 and less. Simulated: 0.67 and more, blurred by 4 pixels 0.49 and less.
BLURRED: Final = 0.42
# Of what it was before. A truck that fills the picture: 0.72; blurred by 4 pixels of 1280: 0.54.
BLURRED_OF_BEFORE: Final = 0.6
# `Reference.lost`. Simulated cars 0.12, a truck that fills the picture 0.41; a drawn smear 0.56.
DIRTY_SHARE: Final = 0.48

# `Reference.matching`. A car 0.65, rain at night 0.82, night after day 0.96; moved by 12 pixels of
# 1280 or turned by 3 degrees 0.22, by 20 pixels 0.03. Between the two the view stays what it was.
AIMED_SHARE: Final = 0.5
MISAIMED_SHARE: Final = 0.3
# A reference is one after half a minute of looking at it.
REFERENCE_LOOKS: Final = 75
FIRST_LOOKS: Final = 5
# A camera that is knocked looks elsewhere at once; a car needs longer to come and stop.
KNOCKED_LOOKS: Final = 4
STILL_SHARE: Final = 0.1
# No car stands so long, seen by no loop, before all that the camera knows.
STRANGE_SECONDS: Final = 600.0


class ViewState(StrEnum):
    """How a camera's picture is."""

    OK = "ok"
    FROZEN = "frozen"
    DARK = "dark"
    BLINDED = "blinded"
    DIRTY = "dirty"
    MISAIMED = "misaimed"


@dataclass(frozen=True, slots=True)
class View:
    """How a camera's picture is; `detail` says what is seen and what to do, in one line."""

    state: ViewState
    detail: str = ""


GOOD: Final = View(ViewState.OK)


class ViewJudge:
    """Judges one camera's pictures. What it is used to see it learns while all is well."""

    def __init__(self) -> None:
        self.view = GOOD
        self.reference = Reference()
        self._looked_at = float("-inf")
        self._before: Features | None = None
        self._same: Pixels | None = None
        self._same_since = 0.0
        self._sure_at = float("-inf")
        self._doubt_since: float | None = None
        self._looks_since_match = 0
        self._was_knocked = False
        self._strange_since: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the last picture is one that came long ago already: it is not to be read."""
        return self._looked_at - self._same_since >= FROZEN_SECONDS and self._same is not None

    def look(self, grey: Pixels, now: float, *, has_car: bool) -> View:
        """Judge a picture of `small_grey` that came at `now`, the boot clock in seconds.

        `has_car` says that a car stands on the loop: it may fill the picture with whatever it is.
        """
        if now - self._looked_at < LOOK_EVERY_SECONDS:
            return self.view
        self._looked_at = now
        if self._same is None or unchanged(grey, self._same) < FROZEN_SHARE:
            self._same, self._same_since = grey, now
        seen = features(grey)
        before, self._before = self._before, seen
        if before is not None:
            found = self._diagnose(light(grey), scene(seen, before), now, has_car=has_car)
            if found is not None:
                self._settle(found, now)
        return self.view

    def _settle(self, found: View, now: float) -> None:
        """Change the view once it has been found otherwise for long enough."""
        was_silent = now - self._sure_at > LONGEST_DOUBT_SECONDS
        self._sure_at = now
        if found.state is self.view.state:
            self._doubt_since = None
            return
        if self._doubt_since is None or was_silent:
            self._doubt_since = now
        needed = GOOD_SECONDS if found.state is ViewState.OK else FAULT_SECONDS
        # That it is frozen has been waited for already.
        if found.state is ViewState.FROZEN or now - self._doubt_since >= needed:
            self.view, self._doubt_since = found, None

    def _diagnose(
        self, brightness: Light, shown: Scene, now: float, *, has_car: bool
    ) -> View | None:
        """Return what this look says, or None where it can say nothing."""
        found = self._is_unlit(brightness, has_car=has_car)
        if found is None and self.is_stale:
            found = View(
                ViewState.FROZEN,
                f"its picture has not changed for {FROZEN_SECONDS:.0f} s, not even by noise;"
                " restart the camera",
            )
        if found is None:
            found = self._is_unsharp(brightness, shown, has_car=has_car)
        if found is not None:
            return found
        self._looks_since_match += 1
        if shown.moving > AIMED_SHARE:
            return None
        return self._is_elsewhere(shown, now, has_car=has_car)

    def _is_unlit(self, brightness: Light, *, has_car: bool) -> View | None:
        was = self.view.state
        if brightness.brightest < (LIGHT_LEVEL if was is ViewState.DARK else DARK_LEVEL):
            return View(
                ViewState.DARK, "its picture is black; uncover the lens, or see to the lane's lamp"
            )
        least = SEES_AGAIN_SHARE if was is ViewState.BLINDED else BLINDED_SHARE
        share = brightness.saturated
        if share >= (BLINDED_BEHIND_CAR_SHARE if has_car else least):
            return View(
                ViewState.BLINDED,
                f"{share:.0%} of its picture is white; shade it, or turn it from the light",
            )
        is_flat = brightness.spread < FLAT_SPREAD and not has_car
        if is_flat and brightness.mean >= FLAT_AND_BRIGHT:
            return View(
                ViewState.BLINDED, "light in the lens hides everything; shade it, or wipe the lens"
            )
        return None

    def _is_unsharp(self, brightness: Light, shown: Scene, *, has_car: bool) -> View | None:
        if brightness.spread < FLAT_SPREAD and not has_car:
            return View(
                ViewState.DIRTY, "no detail is left in its picture; uncover or wipe the lens"
            )
        least = BLURRED
        if self._knows_its_view:
            least = max(least, BLURRED_OF_BEFORE * self.reference.sharpness)
        if shown.sharpness is not None and shown.sharpness < least:
            return View(ViewState.DIRTY, "its picture is blurred; wipe the lens, then focus it")
        return None

    def _is_elsewhere(self, shown: Scene, now: float, *, has_car: bool) -> View | None:
        """Compare with the reference, and learn where all is well."""
        matching = self.reference.matching(shown) if self.reference.looks >= FIRST_LOOKS else 1.0
        if matching is None:
            return None
        if not self._knows_its_view:
            # What stood there while the view was learned has gone.
            if matching < MISAIMED_SHARE:
                self.reference = Reference()
            return self._is_aimed(shown, has_car=has_car)
        lost = 0.0 if has_car else self.reference.lost(shown)
        if lost >= DIRTY_SHARE:
            return View(
                ViewState.DIRTY, f"{lost:.0%} of its picture has lost its detail; wipe the lens"
            )
        if matching >= AIMED_SHARE:
            return self._is_aimed(shown, has_car=has_car)
        if matching >= MISAIMED_SHARE:
            return self.view
        return self._is_strange(shown, now, has_car=has_car)

    def _is_aimed(self, shown: Scene, *, has_car: bool) -> View:
        self._was_knocked, self._strange_since = False, None
        if shown.moving <= STILL_SHARE:
            self._looks_since_match = 0
        if self.view.state is ViewState.OK and not has_car:
            self.reference.learn(shown)
        return GOOD

    def _is_strange(self, shown: Scene, now: float, *, has_car: bool) -> View:
        """Tell a camera that was moved from something that stands before it."""
        advice = "aim it as before, or restart the gateway where it is meant so"
        right, down, fit = self.reference.displacement(shown)
        if fit >= AIMED_SHARE:
            return View(
                ViewState.MISAIMED, f"its picture has moved by {_way(right, down)}; {advice}"
            )
        if self._strange_since is None:
            self._strange_since = now
        if not has_car and self._looks_since_match <= KNOCKED_LOOKS:
            self._was_knocked = True
        is_long = not has_car and now - self._strange_since >= STRANGE_SECONDS
        if self._was_knocked or is_long or self.view.state is ViewState.MISAIMED:
            return View(ViewState.MISAIMED, f"it shows nothing of what it did before; {advice}")
        return GOOD

    @property
    def _knows_its_view(self) -> bool:
        return self.reference.looks >= REFERENCE_LOOKS


def _way(right: int, down: int) -> str:
    """Say how far, in per cent of the picture's width and height."""
    ways = []
    if right:
        ways.append(f"{abs(right) / 3.2:.0f} % to the {'right' if right > 0 else 'left'}")
    if down:
        ways.append(f"{abs(down) / 1.8:.0f} % {'down' if down > 0 else 'up'}")
    return " and ".join(ways) or "less than 1 %"
