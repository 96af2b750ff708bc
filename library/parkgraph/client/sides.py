"""Which side a call goes to, the cloud or the lot, and how often."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

import httpx

from parkgraph.client.errors import (
    ApiError,
    ParkGraphError,
    UnreachableError,
    is_away,
    is_lot_offline,
    is_unknown,
    may_be_sent_again,
)
from parkgraph.client.outside import Outside
from parkgraph.client.transport import Ask, Door, Reach, Side
from parkgraph.client.tries import MOST_TRIES, Tries

FIRST_LEAVE_SECONDS: Final = 5.0
LONGEST_LEAVE_SECONDS: Final = 60.0
MOST_STAYS_KNOWN: Final = 10_000
# So many tries are kept for the side that is asked next.
_KEPT_FOR_LOT: Final = 2
_KEPT_FOR_CLOUD: Final = 1


class Circuit:
    """Whether the cloud is asked, or left alone for a while since it did not answer.

    It is left alone for 5 seconds, then twice as long each time up to 60, or down to half of that
    by chance. After each such while one call asks it; until that has an answer the others do not.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """Begin with asking. `random` draws from 0 up to 1."""
        self._random = random
        self._leave_seconds = 0.0
        self._failed_at = 0.0
        self._until: float | None = None

    def lets_through(self, now: float) -> bool:
        """Say whether a call may ask the cloud; whoever may is expected to."""
        if self._until is None:
            return True
        if now < self._until:
            return False
        # This call finds out. Should it never tell, another one will, so much later.
        self._until = now + self._leave_seconds
        return True

    def answered(self) -> None:
        """Ask it again from now on."""
        self._leave_seconds, self._until = 0.0, None

    def failed(self, now: float, *, asked_at: float) -> None:
        """Leave it alone. Calls that were under way together count once."""
        if self._until is not None and asked_at < self._failed_at:
            return
        longer = max(FIRST_LEAVE_SECONDS, 2 * self._leave_seconds)
        self._leave_seconds = min(longer, LONGEST_LEAVE_SECONDS)
        self._failed_at = now
        self._until = now + self._leave_seconds * (1 + self._random()) / 2


class Stays:
    """At which lot stays are and which side told of them last; the `MOST_STAYS_KNOWN` newest."""

    def __init__(self) -> None:
        """Know none."""
        self._known: OrderedDict[str, tuple[str, Side]] = OrderedDict()

    def note(self, session: str, lot: str, side: Side) -> None:
        """Remember that `side` told of a stay."""
        self._known[session] = (lot, side)
        self._known.move_to_end(session)
        if len(self._known) > MOST_STAYS_KNOWN:
            self._known.popitem(last=False)

    def lot_of(self, session: str | None) -> str | None:
        """Return its lot."""
        return self._known.get(session or "", (None, None))[0]

    def side_of(self, session: str | None) -> Side | None:
        """Return who told of it last."""
        return self._known.get(session or "", (None, None))[1]


class Lots:
    """The addresses of lots: one, whichever lot it is, or one a lot."""

    def __init__(self, urls: str | Mapping[str, str] | None, http: httpx.AsyncClient) -> None:
        """Reach `urls` by `http`. Raises: ValueError, see `Door`."""
        named = urls if isinstance(urls, Mapping) else {}
        self._doors = {lot: Door(Side.LOT, url, http) for lot, url in named.items()}
        self._single = Door(Side.LOT, urls, http) if isinstance(urls, str) else None

    def door(self, lot: str | None) -> Door | None:
        """Return the door of `lot`, or the only one there is where it is not known which lot."""
        if self._single:
            return self._single
        if lot is None and len(self._doors) == 1:
            return next(iter(self._doors.values()))
        return self._doors.get(lot or "")


class Sides:
    """Sends calls to the cloud, or to the lot where the cloud is away or does not know."""

    def __init__(self, cloud: Door, lots: Lots, outside: Outside, timeout_seconds: float) -> None:
        """Give each try `timeout_seconds`."""
        self.last = Side.CLOUD
        self.stays = Stays()
        self._cloud = cloud
        self._lots = lots
        self._outside = outside
        self._timeout_seconds = timeout_seconds
        self._circuit = Circuit(outside.random)

    async def call(self, ask: Ask) -> tuple[Side, httpx.Response]:
        """Return the answer, and whose it is.

        Raises:
            ApiError: the side that can tell refused it.
            UnreachableError: neither side answered.
            UnreadableAnswerError: what answered is not the API.
        """
        outside, lot = self._outside, self._lot(ask)
        now = outside.clock()
        tries = Tries(timeout_seconds=self._timeout_seconds, now=now, random=outside.random)
        if lot is None or ask.only is Side.CLOUD:
            return await self._ask(self._cloud, ask, tries)
        if ask.only is Side.LOT:
            return await self._ask(lot, ask, tries)
        if self._circuit.lets_through(now):
            first, second, kept, kept_then = self._cloud, lot, _KEPT_FOR_LOT, 0
        else:
            # A cloud that is likely to be away still is asked once.
            first, second, kept, kept_then = lot, self._cloud, _KEPT_FOR_CLOUD, MOST_TRIES
        try:
            return await self._ask(first, ask, tries, keep=kept)
        except ParkGraphError as error:
            is_out = not tries.may_go_on(outside.clock())
            if is_out or not self._may_other_know(first, ask, error):
                raise
            failure = error
        try:
            return await self._ask(second, ask, tries, keep=kept_then)
        except ParkGraphError as error:
            told = self._more_telling(ask, {first.side: failure, second.side: error})
            raise told from (error if told is failure else failure)

    async def _ask(
        self, door: Door, ask: Ask, tries: Tries, *, keep: int = 0
    ) -> tuple[Side, httpx.Response]:
        """Ask at one door until it answers; leave `keep` tries where it is away."""
        outside = self._outside
        asked_at = outside.clock()
        while True:
            try:
                seconds = tries.begin(outside.clock())
                response = await door.send(ask, within_seconds=seconds)
            except ParkGraphError as error:
                pause = _pause_seconds(error, tries, outside.clock(), keep)
                if pause is None:
                    self._note(door, error, asked_at)
                    raise
            else:
                self._note(door, None, asked_at)
                return door.side, response
            await outside.sleep(pause)

    def _lot(self, ask: Ask) -> Door | None:
        if ask.reach is Reach.CLOUD:
            return None
        lot = ask.lot or self.stays.lot_of(ask.session)
        if ask.reach is Reach.ITS_LOT and lot is None and ask.session is None:
            return None
        return self._lots.door(lot)

    def _may_other_know(self, door: Door, ask: Ask, error: ParkGraphError) -> bool:
        if is_away(error):
            return True
        if door.side is Side.LOT:
            return is_unknown(error)
        # A stay that the lot has just booked comes to the cloud a little later.
        is_of_cloud = ask.session is None or self.stays.side_of(ask.session) is Side.CLOUD
        return is_unknown(error) and not is_of_cloud

    def _more_telling(self, ask: Ask, errors: Mapping[Side, ParkGraphError]) -> ParkGraphError:
        """Return which of the errors of both sides the caller is told.

        A refusal is one side's word; to be away or not to know of it is none. Else it is the
        cloud's, which knows of all, but for a stay that the lot alone has told of.
        """
        for error in errors.values():
            if not (is_away(error) or is_unknown(error)):
                return error
        is_of_lot = self.stays.side_of(ask.session) is Side.LOT
        return errors[Side.LOT if is_of_lot and is_unknown(errors[Side.CLOUD]) else Side.CLOUD]

    def _note(self, door: Door, error: ParkGraphError | None, asked_at: float) -> None:
        has_answered = error is None or not is_away(error) or is_lot_offline(error)
        if has_answered:
            self.last = door.side
        if door.side is Side.LOT:
            return
        if has_answered:
            self._circuit.answered()
        else:
            self._circuit.failed(self._outside.clock(), asked_at=asked_at)


def _pause_seconds(error: ParkGraphError, tries: Tries, now: float, keep: int) -> float | None:
    """Return how long to wait before the same door is asked again; None where it is not."""
    if not may_be_sent_again(error):
        return None
    told = error.retry_after if isinstance(error, ApiError) else None
    if not is_away(error):
        return tries.pause_seconds(now, told)
    is_too_late = isinstance(error, UnreachableError) and error.is_too_late
    # Who is slow once is slow again, while the other side could have answered.
    return None if keep and is_too_late else tries.pause_seconds(now, told, keep=keep)
