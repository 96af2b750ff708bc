"""Without a ledger the gateway runs, for its exits; with one again it starts anew."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from parkgraph.runtime.clock import SystemClock
from parkgraph_edge.daemon import LEDGER_RETRY_SECONDS, _books, _budget, _wait_for_ledger
from parkgraph_edge.gateway import LedgerIsBackError
from parkgraph_edge.settings import EdgeSettings, load_settings
from tests.builders import an_api_key
from tests.ledgers import flip

CONFIGURATION = """\
[lot]
id = "elm-street"
name = "Elm Street Garage"
time_zone = "America/Los_Angeles"
currency = "USD"
rate_per_hour = "3.50"
synthetic = true
live_keys = true
spaces = ["S-01", "S-02"]
[api]
listen = "127.0.0.1:8080"
key_file = "api.key"
[state]
directory = "state"
[lanes.north-in]
direction = "entry"
barrier = "127.0.0.1:5021"
[lanes.south-out]
direction = "exit"
barrier = "127.0.0.1:5022"
"""


@pytest.fixture
def settings(tmp_path: Path) -> EdgeSettings:
    an_api_key(tmp_path)
    (tmp_path / "edge.toml").write_text(CONFIGURATION)
    return load_settings(tmp_path / "edge.toml").settings


def damage(path: Path) -> None:
    """Leave the header of the database at `path` as it is and overwrite its schema."""
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xaa" * 3996
    path.write_bytes(content)


async def opened(settings: EdgeSettings) -> bool:
    """Say whether there is a ledger."""
    async with _books(settings, SystemClock(), _budget(settings)) as (books, reason):
        assert (books is None) == bool(reason)
        return books is not None


async def test_a_ledger_is_opened_and_opened_again(settings: EdgeSettings) -> None:
    assert await opened(settings)
    assert await opened(settings)


async def test_a_file_that_is_no_database_means_exits_only(settings: EdgeSettings) -> None:
    settings.state.directory.mkdir()
    (settings.state.directory / "ledger.db").write_bytes(b"garbage" * 1000)

    assert not await opened(settings)


async def test_a_damaged_schema_means_exits_only(settings: EdgeSettings) -> None:
    await opened(settings)
    damage(settings.state.directory / "ledger.db")

    assert not await opened(settings)


async def test_a_damaged_fact_that_is_needed_means_exits_only(settings: EdgeSettings) -> None:
    assert await opened(settings)
    flip(settings.state.directory / "ledger.db", "UPDATE spaces SET space_class = 'autonomous'")

    assert not await opened(settings)


async def test_a_database_of_a_newer_program_means_exits_only(settings: EdgeSettings) -> None:
    assert await opened(settings)
    with contextlib.closing(sqlite3.connect(settings.state.directory / "ledger.db")) as database:
        database.execute("INSERT INTO migrations VALUES ('from/the-future.sql')")
        database.commit()

    assert not await opened(settings)


async def test_a_key_of_the_gate_codes_that_cannot_be_read_means_exits_only(
    settings: EdgeSettings,
) -> None:
    (settings.state.directory / "gate-code.key").mkdir(parents=True)

    assert not await opened(settings)


async def test_a_folder_that_cannot_be_made_means_exits_only(settings: EdgeSettings) -> None:
    settings.state.directory.write_text("a file where the folder belongs")

    assert not await opened(settings)


@pytest.mark.hurried
async def test_the_gateway_waits_for_its_ledger_and_starts_anew_when_it_is_back(
    settings: EdgeSettings,
) -> None:
    path = settings.state.directory / "ledger.db"
    settings.state.directory.mkdir()
    path.write_bytes(b"garbage" * 1000)
    async with _books(settings, SystemClock(), _budget(settings)):
        waiting = asyncio.ensure_future(
            _wait_for_ledger(settings, [], SystemClock(), _budget(settings))
        )
        await asyncio.sleep(3 * LEDGER_RETRY_SECONDS)
        assert not waiting.done()
        path.unlink()

        with pytest.raises(LedgerIsBackError, match="can be opened again"):
            await waiting
