"""Errors as a front door tells them: in the document's envelope, or as RFC 9457 has it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_lot
from tests.fakes import open_ledger
from tests.front_doors import KEY, SESSIONS, a_caller, a_request, error_of


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        async with a_caller(ledger, ledger.reader) as caller:
            yield caller


async def test_the_envelope_is_the_document_s_and_no_more(caller: httpx.AsyncClient) -> None:
    response = await caller.get(f"{SESSIONS}/sess_unknown")

    assert response.json() == {
        "error": {
            "code": "NOT_FOUND",
            "message": "there is no such session",
            "request_id": response.headers["x-request-id"],
            "field": "session",
        }
    }


@pytest.mark.parametrize(
    "accept",
    [
        "application/problem+json",
        "Application/Problem+JSON",
        "application/problem+json, application/json;q=0.9",
        "application/json;q=0.5, */*",
        "text/html, application/problem+json",
    ],
)
async def test_an_error_is_a_problem_of_rfc_9457_to_who_prefers_that(
    caller: httpx.AsyncClient, accept: str
) -> None:
    response = await caller.get(f"{SESSIONS}/sess_unknown", headers={"Accept": accept})

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such session",
        "code": "NOT_FOUND",
        "request_id": response.headers["x-request-id"],
        "field": "session",
    }


async def test_a_problem_tells_all_faults_too(caller: httpx.AsyncClient) -> None:
    response = await caller.post(
        SESSIONS,
        json=a_request(lot_id="", plate=""),
        headers={"Accept": "application/problem+json"},
    )

    problem = response.json()
    assert [fault["field"] for fault in problem["fields"]] == ["lot_id", "plate"]
    assert (problem["field"], problem["title"]) == ("lot_id", "Bad Request")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, application/problem+json",
        "application/problem+json;q=0.5, application/json;q=0.6",
        "application/problem+json;q=0",
        "application/problem+json;q=7",
        "application/*",
        "text/html",
        ";;,=,q=,",
    ],
)
async def test_an_error_is_in_the_envelope_to_all_others(
    caller: httpx.AsyncClient, accept: str
) -> None:
    response = await caller.get(f"{SESSIONS}/sess_unknown", headers={"Accept": accept})

    assert error_of(response)["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", SESSIONS, "pk_live_wrong", 401),
        ("GET", "/nowhere", KEY, 404),
        ("DELETE", SESSIONS, KEY, 405),
    ],
)
async def test_errors_from_before_an_operation_are_problems_too(
    caller: httpx.AsyncClient, method: str, path: str, key: str, status: int
) -> None:
    headers = {"Accept": "application/problem+json", "Authorization": f"Bearer {key}"}

    response = await caller.request(method, path, headers=headers)

    assert response.json()["status"] == response.status_code == status
