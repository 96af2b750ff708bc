"""Fixtures that more than one file of tests takes: a lot's ledger, the cloud, a lot's folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fake_link import OpenCloud, open_cloud
from tests.fakes import FakeClock, OpenLedger, open_ledger
from tests.tails import Place


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenLedger]:
    async with open_ledger(tmp_path, clock=clock) as ledger:
        yield ledger


@pytest.fixture
async def cloud(tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenCloud]:
    async with open_cloud(tmp_path, clock) as cloud:
        yield cloud


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
