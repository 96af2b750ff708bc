"""The console over a real database and a real server."""

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import GENESIS, Head
from parkgraph.journal.ledger import Moment, chained, read_head, store_row, write_head
from parkgraph.journal.messages import LotState
from parkgraph.model.records import (
    AdmissionGranted,
    AnyRecord,
    Crossed,
    Direction,
    LaneDescription,
    LotDescribed,
    Means,
    Personal,
    SessionReserved,
    SpaceClass,
    SpaceDescription,
)
from parkgraph.runtime.sqlite import open_reader
from parkgraph.runtime.web import listen, serve
from parkgraph_cloud.console import pages
from parkgraph_cloud.console.board import Board
from parkgraph_cloud.console.board_reader import SQL, BoardReader
from parkgraph_cloud.console.pages import Console
from tests.builders import A_RATE
from tests.fakes import a_cloud_database

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)
PATIENCE_SECONDS = 10


class FakeClock:
    """Stands still."""

    def now(self) -> datetime:
        return NOON

    def boot_seconds(self) -> float:
        return 0.0

    def boot_id(self) -> str:
        return "boot-1"

    def is_trusted(self) -> bool:
        return True


@dataclass
class Cloud:
    """A cloud's database, written as the ingest writes it."""

    path: Path
    connection: sqlite3.Connection

    def record(self, record: AnyRecord, *, lot: str = "elm") -> None:
        head = read_head(self.connection, lot, "head") or Head(epoch=1, seq=0, hash=GENESIS)
        row = chained(lot, head, record, actor="system", moment=Moment(NOON, os.urandom))
        self.connection.execute("BEGIN")
        store_row(self.connection, lot, head.epoch, row)
        apply(lot, row.at, record, self.connection)
        write_head(self.connection, lot, "head", Head(epoch=1, seq=row.seq, hash=row.hash))
        self.connection.execute("COMMIT")

    def hear(self, state: LotState, *, lot: str = "elm") -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO lot_states (lot, body, received_at) VALUES (?, ?, ?)",
            (lot, state.model_dump_json(), NOON.isoformat()),
        )


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    path = tmp_path / "cloud.db"
    connection = a_cloud_database(path)
    yield Cloud(path, connection)
    connection.close()


def a_description(name: str = "Elm Street", spaces: int = 3) -> LotDescribed:
    return LotDescribed(
        name=name,
        time_zone="America/Los_Angeles",
        currency="USD",
        spaces=tuple(
            SpaceDescription(space=f"S-{number:02}", space_class=SpaceClass.STANDARD)
            for number in range(1, spaces + 1)
        ),
        lanes=(LaneDescription(lane="north-in", direction=Direction.ENTRY),),
    )


def a_reservation(session: str = "ses_1", *, vin: str | None = None) -> SessionReserved:
    return SessionReserved(
        session=session,
        fleet=None,
        autonomous=True,
        space="S-02",
        entry_lane="north-in",
        rate=A_RATE,
        expected_minutes=120,
        estimated_minor=700,
        hold_until=NOON + timedelta(minutes=30),
        personal=Personal(plate=None if vin else "AV-1234", vin=vin, gate_code="135792468"),
    )


def an_admission(session: str = "ses_1") -> AdmissionGranted:
    return AdmissionGranted(
        admission="adm_1",
        session=session,
        lane="north-in",
        direction=Direction.ENTRY,
        presence="p",
        means=Means.PLATE,
        passages_before=0,
    )


async def board_of(cloud: Cloud) -> Board:
    async with open_reader(cloud.path) as reader:
        return await BoardReader(reader).read(now=NOON, is_connected=True)


@contextlib.asynccontextmanager
async def a_browser(
    cloud: Cloud, *, connected: list[bool] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a console that serves `cloud`; `connected` is changed by the test."""
    link = connected or [True]
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with (
        open_reader(cloud.path) as reader,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            timeout=PATIENCE_SECONDS,
            limits=httpx.Limits(max_connections=None),
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        console = Console(reader, is_connected=lambda: link[0], clock=FakeClock())
        server = group.create_task(serve(Starlette(routes=console.routes()), listener))
        try:
            yield client
        finally:
            server.cancel()


class Stream:
    """The server-sent events of one answer."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event's name and data."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        return fields["event"], json.loads(fields["data"] or "{}")

    async def changes(self) -> dict[str, str]:
        """Return the next parts that changed, past the heartbeats."""
        while True:
            _, data = await self.next()
            if data["parts"]:
                return dict(data["parts"])


async def revision_of(client: httpx.AsyncClient) -> str:
    html = (await client.get("/")).text
    return html.partition('data-revision="')[2].partition('"')[0]


@contextlib.asynccontextmanager
async def a_live_page(client: httpx.AsyncClient) -> AsyncIterator[Stream]:
    """The stream that a page loaded just now listens to."""
    revision = await revision_of(client)
    async with client.stream("GET", "/live", params={"after": revision}) as response:
        yield Stream(response)


@pytest.mark.parametrize("name", sorted(SQL))
def test_every_query_fits_the_schema(cloud: Cloud, name: str) -> None:
    parameters = {"lot": "elm", "epoch": 1, "limit": 1}

    plan = cloud.connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", parameters).fetchall()

    assert plan


def test_events_are_found_by_the_key_of_the_journal(cloud: Cloud) -> None:
    parameters = {"lot": "elm", "epoch": 1, "limit": 12}

    plan = cloud.connection.execute(f"EXPLAIN QUERY PLAN {SQL['events']}", parameters).fetchall()

    assert all(row["detail"].startswith("SEARCH") for row in plan)


async def test_the_board_counts_what_the_journal_says(cloud: Cloud) -> None:
    cloud.record(a_description())
    cloud.record(a_reservation())
    cloud.record(an_admission())
    cloud.record(
        Crossed(admission="adm_1", session="ses_1", lane="north-in", direction=Direction.ENTRY)
    )
    cloud.hear(LotState(link="up", head_seq=6, occupied=1, spaces=3))

    lot = (await board_of(cloud)).lots[0]

    assert (lot.facts.spaces, lot.facts.free, lot.facts.held, lot.facts.inside) == (3, 2, 1, 1)
    assert [square.word for square in lot.facts.squares] == ["free", "held", "free"]
    assert lot.rows_behind == 2
    assert [event.sentence for event in lot.facts.events[:2]] == [
        "AV-1234 crossed north-in → parked in S-02",
        "AV-1234 admitted at north-in by plate",
    ]


async def test_a_large_lot_has_no_squares(cloud: Cloud) -> None:
    cloud.record(a_description(spaces=61))

    lot = (await board_of(cloud)).lots[0]

    assert (lot.facts.spaces, lot.facts.squares) == (61, ())


async def test_a_lot_that_has_only_said_how_it_is_is_on_the_board(cloud: Cloud) -> None:
    cloud.hear(LotState(link="up"), lot="oak")

    board = await board_of(cloud)

    assert [lot.name for lot in board.lots] == ["oak"]


async def test_the_page_shows_the_state_as_it_is_served(cloud: Cloud) -> None:
    cloud.record(a_description("<script>alert(1)</script>"))
    cloud.record(a_reservation(vin="<b>AV</b>"))

    async with a_browser(cloud) as client:
        page = await client.get("/")

    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert "S-02 reserved for &lt;b&gt;AV" in page.text
    assert "135792468" not in page.text


@pytest.mark.parametrize("path", ["/", "/console.css", "/console.js", "/console.svg"])
async def test_a_page_may_load_nothing_from_elsewhere(cloud: Cloud, path: str) -> None:
    async with a_browser(cloud) as client:
        answer = await client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "://" not in answer.text.replace('xmlns="http://www.w3.org/2000/svg"', "")


async def test_a_foreign_name_for_this_machine_reads_nothing(cloud: Cloud) -> None:
    async with a_browser(cloud) as client:
        answer = await client.get("/", headers={"Host": "foreign.example"})

    assert answer.status_code == 421


async def test_a_change_is_sent_and_only_what_changed(cloud: Cloud) -> None:
    cloud.record(a_description())
    cloud.record(a_description("Oak Street"), lot="oak")
    cloud.hear(LotState(link="up", head_seq=2))
    async with a_browser(cloud) as client, a_live_page(client) as stream:
        event, first = await stream.next()

        cloud.record(a_reservation())
        changes = await stream.changes()

    assert (event, first["parts"], first["order"]) == ("parts", {}, None)
    assert set(changes) == {"totals", "age:elm", "figures:elm", "events:elm"}
    assert "AV-1234" in changes["events:elm"]


async def test_a_link_that_goes_down_moves_its_lot_to_the_front(cloud: Cloud) -> None:
    for lot in ("ash", "elm"):
        cloud.record(a_description(lot), lot=lot)
        cloud.hear(LotState(link="up", head_seq=1), lot=lot)
    async with a_browser(cloud) as client, a_live_page(client) as stream:
        await stream.next()

        cloud.hear(LotState(link="down"), lot="elm")
        _, data = await stream.next()

    assert data["order"] == ["elm", "ash"]
    assert "Offline" in data["parts"]["link:elm"]


async def test_when_our_broker_goes_every_lot_is_unknown(cloud: Cloud) -> None:
    cloud.record(a_description())
    cloud.hear(LotState(link="up", head_seq=1))
    connected = [True]
    async with a_browser(cloud, connected=connected) as client, a_live_page(client) as stream:
        await stream.next()

        connected[0] = False
        changes = await stream.changes()

    assert "no connection to the broker" in changes["banner"]
    assert "Unknown" in changes["link:elm"]


async def test_a_quiet_board_still_gives_a_sign_of_life(cloud: Cloud) -> None:
    async with a_browser(cloud) as client, a_live_page(client) as stream:
        beats = [await stream.next() for _ in range(2)]

    assert [data["parts"] for _, data in beats] == [{}, {}]


async def test_a_page_of_an_earlier_run_is_told_to_load_again(cloud: Cloud) -> None:
    async with (
        a_browser(cloud) as client,
        client.stream("GET", "/live", params={"after": "earlier-7"}) as response,
    ):
        event, _ = await Stream(response).next()

    assert event == "reload"


async def test_one_reader_too_many_is_refused_until_another_goes(cloud: Cloud) -> None:
    async with a_browser(cloud) as client:
        async with contextlib.AsyncExitStack() as open_pages:
            for _ in range(pages.MOST_LIVE_READERS):
                await open_pages.enter_async_context(a_live_page(client))
            refused = await client.get("/live")
            page = await client.get("/")

        async with asyncio.timeout(PATIENCE_SECONDS):
            while await status_of_live(client) != 200:
                pass

    assert (refused.status_code, page.status_code) == (503, 200)
    assert refused.headers["retry-after"]


async def status_of_live(client: httpx.AsyncClient) -> int:
    async with client.stream("GET", "/live") as response:
        return response.status_code
