"""How often one may call: what a bucket holds, gives and tells."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parkgraph.front.contract import RateClass
from parkgraph.front.limits import (
    END_USER,
    MOST_BUCKETS,
    STRANGER,
    Budget,
    Limits,
    Standing,
    TokenBuckets,
    budgets_of_key,
)

START = 1000.0
ONE_A_SECOND = Budget("any", 60)
PUBLIC = budgets_of_key(is_sandbox=False, requests_per_minute=None)
# A budget that is never the tightest.
AMPLE = Budget("ample", 1_000_000, starts_full=True)


def take(
    buckets: TokenBuckets, now: float = START, *, budget: Budget = ONE_A_SECOND, owner: str = "a"
) -> Standing:
    return buckets.take((owner, budget), now=now)


def is_refused(standing: Standing) -> bool:
    return standing.retry_after_seconds is not None


def test_a_new_bucket_holds_one_token() -> None:
    buckets = TokenBuckets(10)

    first, second = take(buckets), take(buckets)

    assert first == Standing(limit=60, remaining=0, reset_seconds=60, retry_after_seconds=None)
    assert second == Standing(limit=60, remaining=0, reset_seconds=60, retry_after_seconds=1)


def test_a_bucket_refills_evenly() -> None:
    buckets = TokenBuckets(10)
    take(buckets)

    seen = [is_refused(take(buckets, START + later)) for later in (0.5, 0.999, 1.0, 1.5, 2.0)]

    assert seen == [True, True, False, True, False]


def test_a_bucket_never_holds_more_than_its_budget() -> None:
    buckets = TokenBuckets(10)
    take(buckets)

    burst = [take(buckets, START + 86_400) for _ in range(61)]

    assert (burst[0].remaining, burst[0].reset_seconds) == (59, 1)
    assert [is_refused(standing) for standing in burst] == [False] * 60 + [True]


def test_times_are_told_in_whole_seconds_rounded_up() -> None:
    buckets = TokenBuckets(10)
    take(buckets)

    soon = take(buckets, START + 0.001)
    sooner = take(buckets, START + 0.999)

    assert (soon.retry_after_seconds, soon.reset_seconds) == (1, 60)
    assert (sooner.retry_after_seconds, sooner.reset_seconds) == (1, 60)


@given(
    per_minute=st.integers(1, 1_000_000),
    start=st.floats(0, 1e8),
    pauses=st.lists(st.floats(0, 10), max_size=20),
)
# Between two microseconds: the token is there a fraction of one after a whole second.
@example(per_minute=7, start=0.0, pauses=[7.571428])
def test_who_waits_as_long_as_told_is_let_in(
    per_minute: int, start: float, pauses: list[float]
) -> None:
    buckets = TokenBuckets(10)
    budget = Budget("any", per_minute)
    moments = list(itertools.accumulate(pauses, initial=start))
    for moment in moments:
        take(buckets, moment, budget=budget)
    told = take(buckets, moments[-1], budget=budget)

    after = take(buckets, moments[-1] + (told.retry_after_seconds or 60), budget=budget)

    assert not is_refused(after)


@given(st.integers(1, 600), st.lists(st.floats(0, 5), max_size=100))
def test_no_more_is_given_than_one_token_and_what_was_refilled(
    per_minute: int, pauses: list[float]
) -> None:
    buckets = TokenBuckets(10)
    budget = Budget("any", per_minute)
    moments = list(itertools.accumulate(pauses, initial=START))

    given_out = sum(not is_refused(take(buckets, moment, budget=budget)) for moment in moments)

    assert given_out <= 1 + (moments[-1] - START) * per_minute / 60 + 0.001


def test_owners_and_scopes_have_buckets_of_their_own() -> None:
    buckets = TokenBuckets(10)
    take(buckets)

    others = [take(buckets, owner="b"), take(buckets, budget=Budget("other", 60))]

    assert not any(is_refused(standing) for standing in others)


def test_where_one_of_two_buckets_is_out_none_is_taken_from_the_other() -> None:
    buckets = TokenBuckets(10)
    buckets.take(("key", ONE_A_SECOND), ("user", END_USER), now=START)
    refused = buckets.take(("key", ONE_A_SECOND), ("user", END_USER), now=START + 1)

    alone = buckets.take(("key", ONE_A_SECOND), now=START + 1)

    assert refused == Standing(limit=20, remaining=0, reset_seconds=59, retry_after_seconds=2)
    assert not is_refused(alone)


@pytest.mark.parametrize(
    ("one", "other", "limit"),
    [(ONE_A_SECOND, END_USER, 20), (END_USER, ONE_A_SECOND, 20), (END_USER, AMPLE, 20)],
)
def test_of_two_budgets_the_tighter_is_told(one: Budget, other: Budget, limit: int) -> None:
    buckets = TokenBuckets(10)

    standing = buckets.take(("a", one), ("a", other), now=START)

    assert standing.limit == limit


def test_the_budget_with_fewer_calls_left_is_the_tighter_one_however_soon_it_refills() -> None:
    buckets = TokenBuckets(10)
    both = (("key", ONE_A_SECOND), ("user", END_USER))
    buckets.take(*both, now=START)
    for _ in range(18):
        take(buckets, START + 30, owner="key")

    standing = buckets.take(*both, now=START + 30)

    assert (standing.limit, standing.remaining) == (20, 9)


def test_the_bucket_that_was_longest_not_used_is_dropped_and_comes_back_with_one_token() -> None:
    buckets = TokenBuckets(2)
    for owner in ("a", "b"):
        take(buckets, START, owner=owner)
    rested = START + 60
    take(buckets, rested, owner="a")
    take(buckets, rested, owner="c")

    kept = take(buckets, rested, owner="a")
    back = [take(buckets, rested, owner="b") for _ in range(2)]

    assert kept.remaining == 58
    assert [is_refused(standing) for standing in back] == [False, True]
    assert len(buckets) == 2


def test_however_many_call_no_more_than_ten_thousand_buckets_are_kept() -> None:
    limits = Limits()

    for number in range(MOST_BUCKETS + 1):
        limits.of_key("key", PUBLIC[RateClass.OTHER], f"user {number}", now=START)
        limits.of_stranger(f"10.0.{number // 256}.{number % 256}", now=START)

    assert MOST_BUCKETS == 10_000
    assert len(limits) == MOST_BUCKETS


def test_strangers_however_many_take_nothing_from_a_key() -> None:
    limits = Limits()
    limits.of_key("key", PUBLIC[RateClass.OTHER], None, now=START)
    for number in range(MOST_BUCKETS + 1):
        limits.of_stranger(f"10.0.{number // 256}.{number % 256}", now=START + 60)

    standing = limits.of_key("key", PUBLIC[RateClass.OTHER], None, now=START + 60)

    assert standing.remaining == 59


def test_the_public_budgets_are_those_of_the_document() -> None:
    per_minute = {rate_class.value: budget.per_minute for rate_class, budget in PUBLIC.items()}

    assert per_minute == {"create": 60, "read": 240, "other": 60}
    assert (END_USER.per_minute, STRANGER.per_minute) == (20, 30)


def test_a_sandbox_key_has_one_small_budget_for_all_it_does() -> None:
    sandbox = budgets_of_key(is_sandbox=True, requests_per_minute=None)
    limits = Limits()

    standings = [limits.of_key("key", sandbox[each], None, now=START) for each in RateClass]

    assert {standing.limit for standing in standings} == {30}
    assert [is_refused(standing) for standing in standings] == [False, True, True]


@pytest.mark.parametrize("is_sandbox", [False, True])
def test_a_budget_of_its_own_takes_the_place_of_a_key_s_public_ones(*, is_sandbox: bool) -> None:
    budgets = budgets_of_key(is_sandbox=is_sandbox, requests_per_minute=600)

    assert {budget.per_minute for budget in budgets.values()} == {600}


def test_a_caller_who_was_promised_a_million_a_minute_may_start_at_once() -> None:
    budget = budgets_of_key(is_sandbox=False, requests_per_minute=1_000_000)[RateClass.CREATE]
    limits = Limits()

    calls = [limits.of_key("key", budget, None, now=START + n / 100_000) for n in range(200)]

    assert not any(is_refused(standing) for standing in calls)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "", True),
    ],
)
def test_strangers_count_by_address_and_in_ipv6_by_network(
    one: str, other: str, *, is_same: bool
) -> None:
    limits = Limits()
    limits.of_stranger(one, now=START)

    assert is_refused(limits.of_stranger(other, now=START)) is is_same
