"""What holds for all tests."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from tests.fakes import HurriedLoop

# A busy machine is slow, not wrong; pytest's own limit of time ends what hangs.
settings.register_profile("all", deadline=None)
settings.load_profile("all")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give tests marked `hurried` a loop that does not sit out pauses."""
    if item.get_closest_marker("hurried"):
        return {"hurried": HurriedLoop}
    return {"real": asyncio.new_event_loop}
