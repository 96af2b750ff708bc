"""The application that the gateway is measured beside does the same work for the caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from parkgraph.model.api import SessionAnswer, SessionRequest, Vehicle
from tests.bench.load import LOT
from tests.bench.naive import application

KEY = "pk_live_0123456789abcdef"


@asynccontextmanager
async def a_caller(
    folder: Path, *, spaces: int = 2, key: str = KEY
) -> AsyncIterator[httpx.AsyncClient]:
    app = application(folder / "naive.db", KEY, spaces)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://lot",
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        ) as caller,
    ):
        yield caller


def a_booking(plate: str | None = "ABC1234", lot: str = LOT) -> str:
    vehicle = Vehicle(autonomous=True, fleet_id="fleet")
    return SessionRequest(lot_id=lot, plate=plate, vehicle=vehicle).model_dump_json()


async def test_a_booking_is_answered_as_the_gateway_answers(tmp_path: Path) -> None:
    async with a_caller(tmp_path) as caller:
        answer = await caller.post("/api/v1/sessions", content=a_booking())

    session = SessionAnswer.model_validate_json(answer.content).session
    assert answer.status_code == 201
    assert session.plate == "ABC1234"
    assert session.entry_instructions.assigned_space == "S-00000"


async def test_a_vehicle_books_once_and_a_space_is_given_once(tmp_path: Path) -> None:
    async with a_caller(tmp_path, spaces=2) as caller:
        plates = ("ABC1234", "ABC1234", "DEF1234", "GHJ1234")
        answers = [await caller.post("/api/v1/sessions", content=a_booking(p)) for p in plates]

    assert [answer.status_code for answer in answers] == [201, 409, 201, 409]


async def test_what_the_gateway_refuses_is_refused(tmp_path: Path) -> None:
    async with a_caller(tmp_path) as caller:
        nobody = await caller.post("/api/v1/sessions", content=a_booking(plate=None))
        elsewhere = await caller.post("/api/v1/sessions", content=a_booking(lot="other"))
        no_plate = await caller.post("/api/v1/sessions", content=a_booking().replace("ABC", "?"))

    assert [a.status_code for a in (nobody, elsewhere, no_plate)] == [400, 404, 422]


async def test_a_wrong_key_books_nothing(tmp_path: Path) -> None:
    async with a_caller(tmp_path, key="pk_live_wrong") as caller:
        answer = await caller.post("/api/v1/sessions", content=a_booking())

    assert answer.status_code == 401
