"""What holds for all tests."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop
from hypothesis import settings

from tests.fakes import HurriedLoop

# A busy machine is slow, not wrong; pytest's own limit of time ends what hangs.
settings.register_profile("all", deadline=None)
settings.load_profile("all")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give tests marked `hurried` a loop that does not sit out pauses, and `both_loops` two."""
    if item.get_closest_marker("hurried"):
        return {"hurried": HurriedLoop}
    if item.get_closest_marker("both_loops"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"real": asyncio.new_event_loop}
