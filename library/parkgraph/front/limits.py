"""How often one may call: token buckets, in memory. Source: the public API document."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, NamedTuple

from parkgraph.front.contract import RateClass

MOST_BUCKETS: Final = 10_000
# Each microsecond adds as many of these parts as the budget has calls a minute. Whole numbers, so
# that who waits as long as told is not refused for a rounding.
_PARTS_OF_A_TOKEN: Final = 60_000_000


class Budget(NamedTuple):
    """Calls a minute, all of which may come at once. Calls of one `scope` share a bucket."""

    scope: str
    per_minute: int
    starts_full: bool = False


END_USER: Final = Budget("end user", 20)
STRANGER: Final = Budget("stranger", 30)
_SANDBOX: Final = Budget("sandbox", 30)
_PUBLIC: Final[Mapping[RateClass, int]] = {
    RateClass.CREATE: 60,
    RateClass.READ: 240,
    RateClass.OTHER: 60,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a budget. `retry_after_seconds` is set where the call is one too many."""

    limit: int
    remaining: int
    reset_seconds: int
    retry_after_seconds: int | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell it. `X-RateLimit-Reset` counts seconds until all is back."""
        headers = [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_seconds),
        ]
        if self.retry_after_seconds is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after_seconds))
        return headers


class TokenBuckets:
    """Buckets by owner and scope, at most `most`; the one that was longest not used is dropped.

    A new bucket holds one token: a restart, or being dropped, gives nobody a second burst.
    """

    def __init__(self, most: int) -> None:
        """Start with none."""
        self._most = most
        self._levels: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, *claims: tuple[str, Budget], now: float) -> Standing:
        """Take a token for each owner and budget, or none where one is out; tell the tightest.

        `now` is in seconds and never goes back.
        """
        at = round(now * 1_000_000)
        levels = [self._level(owner, budget, at) for owner, budget in claims]
        is_refused = min(levels) < _PARTS_OF_A_TOKEN
        if not is_refused:
            levels = [level - _PARTS_OF_A_TOKEN for level in levels]
        for (owner, budget), level in zip(claims, levels, strict=True):
            self._levels[owner, budget.scope] = (level, at)
            self._levels.move_to_end((owner, budget.scope))
        while len(self._levels) > self._most:
            self._levels.popitem(last=False)
        level, (_, budget) = min(
            zip(levels, claims, strict=True), key=lambda pair: _room(pair[0], pair[1][1])
        )
        return _standing(level, budget, is_refused=is_refused)

    def _level(self, owner: str, budget: Budget, at: int) -> int:
        full = budget.per_minute * _PARTS_OF_A_TOKEN
        level, since = self._levels.get(
            (owner, budget.scope), (full if budget.starts_full else _PARTS_OF_A_TOKEN, at)
        )
        return min(full, level + (at - since) * budget.per_minute)


class Limits:
    """The buckets of a front door."""

    def __init__(self) -> None:
        """Start with one token for everybody."""
        # Apart, so that strangers, however many, do not push out the bucket of a key.
        self._keys = TokenBuckets(MOST_BUCKETS // 2)
        self._strangers = TokenBuckets(MOST_BUCKETS // 2)

    def __len__(self) -> int:
        return len(self._keys) + len(self._strangers)

    def of_key(self, key_id: str, budget: Budget, end_user: str | None, *, now: float) -> Standing:
        """Count a call by a key, for the end user with the digest `end_user`, if for one."""
        if end_user is None:
            return self._keys.take((key_id, budget), now=now)
        return self._keys.take((key_id, budget), (end_user, END_USER), now=now)

    def of_stranger(self, host: str, *, now: float) -> Standing:
        """Count a call without a valid key."""
        return self._strangers.take((_network(host), STRANGER), now=now)


def budgets_of_key(
    *, is_sandbox: bool, requests_per_minute: int | None
) -> Mapping[RateClass, Budget]:
    """Return the budget of each class of calls; a sandbox key has one for all of them.

    `requests_per_minute` takes the place of the public budgets.
    """
    if requests_per_minute is not None:
        # Full: callers that were promised thousands a second send the first ones all at once,
        # before a bucket with one token has refilled.
        return {
            rate_class: Budget(rate_class, requests_per_minute, starts_full=True)
            for rate_class in RateClass
        }
    if is_sandbox:
        return dict.fromkeys(RateClass, _SANDBOX)
    return {rate_class: Budget(rate_class, each) for rate_class, each in _PUBLIC.items()}


def _room(level: int, budget: Budget) -> tuple[int, float]:
    """Return what orders budgets by how tight they are: calls left, then the wait for the next."""
    return level // _PARTS_OF_A_TOKEN, -_microseconds(_PARTS_OF_A_TOKEN - level, budget)


def _standing(level: int, budget: Budget, *, is_refused: bool) -> Standing:
    full = budget.per_minute * _PARTS_OF_A_TOKEN
    wait = _seconds(_microseconds(_PARTS_OF_A_TOKEN - level, budget))
    return Standing(
        limit=budget.per_minute,
        remaining=level // _PARTS_OF_A_TOKEN,
        reset_seconds=_seconds(_microseconds(full - level, budget)),
        retry_after_seconds=wait if is_refused else None,
    )


def _microseconds(parts: int, budget: Budget) -> int:
    return -(-parts // budget.per_minute)


def _seconds(microseconds: int) -> int:
    return -(-microseconds // 1_000_000)


def _network(host: str) -> str:
    """Return what counts as one caller: an address; of IPv6, where one has a /64, all of that."""
    try:
        address = ip_address(host)
    except ValueError:  # a socket without an address
        return host
    return host if address.version == 4 else address.exploded[:19]
