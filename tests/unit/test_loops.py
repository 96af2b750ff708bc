"""Loops end when they are told to, and wait out what is away."""

import asyncio

import pytest

from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.loops import first_of, heed_cancellation, keep_trying, together


async def a_library_that_swallows_cancellation() -> None:
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)


async def test_a_cancellation_that_a_library_swallowed_is_heeded() -> None:
    async def loop() -> None:
        await a_library_that_swallows_cancellation()
        heed_cancellation()

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.hurried
async def test_what_is_away_is_tried_again_until_it_is_back() -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise UnavailableError("away")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_trying("it", attempt)

    assert attempts == 4


async def test_a_bug_is_not_waited_out() -> None:
    async def attempt() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await keep_trying("it", attempt)


async def test_loops_that_live_together_end_together_and_say_what_is_away() -> None:
    ended = asyncio.Event()

    async def one() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def other() -> None:
        raise UnavailableError("the broker is away")

    with pytest.raises(UnavailableError, match="the broker is away"):
        await together(one(), other())

    assert ended.is_set()


async def test_a_bug_among_loops_that_live_together_is_no_absence() -> None:
    async def sleeps() -> None:
        await asyncio.sleep(60)

    async def bug() -> None:
        raise CorruptError("bug")

    with pytest.raises(CorruptError):
        await together(sleeps(), bug())


@pytest.mark.parametrize("cancels_first", [True, False])
async def test_a_cancellation_in_the_moment_of_a_failure_is_not_forgotten(
    *, cancels_first: bool
) -> None:
    fails = asyncio.Event()

    async def fail() -> None:
        await fails.wait()
        raise UnavailableError("away")

    async def attempt() -> None:
        await together(fail(), asyncio.Event().wait())  # type: ignore[arg-type]

    task = asyncio.create_task(keep_trying("it", attempt))
    await asyncio.sleep(0.01)
    if cancels_first:
        task.cancel()
    fails.set()
    if not cancels_first:
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task


async def test_after_a_failure_nothing_takes_itself_for_cancelled() -> None:
    async def fail() -> None:
        raise UnavailableError("away")

    with pytest.raises(UnavailableError):
        await together(fail())

    heed_cancellation()


def test_the_first_error_is_found_in_groups_within_groups() -> None:
    error = KeyError("first")

    assert first_of(BaseExceptionGroup("a", [BaseExceptionGroup("b", [error])])) is error
