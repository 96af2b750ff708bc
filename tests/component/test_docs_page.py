"""The page for people: all of the contract, from this host alone."""

import base64
import copy
import hashlib
import re
from typing import Any

import pytest

from parkgraph.front.docs import page
from parkgraph.front.openapi import OPERATIONS, SIDES, document
from parkgraph.front.operations import Operation
from parkgraph.model.errors import HTTP_STATUS
from tests.front_doors import calling
from tests.sides import Away, door_of

PAGE = page(document())


@pytest.mark.parametrize("side", sorted(SIDES))
async def test_anybody_may_read_the_page_at_either_side(side: str) -> None:
    async with calling(door_of(side, Away()), key=None) as caller:
        answer = await caller.get("/docs")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == PAGE


async def test_the_page_may_load_nothing_and_run_nothing() -> None:
    async with calling(door_of("lot", Away()), key=None) as caller:
        policy = (await caller.get("/docs")).headers["content-security-policy"]

    style = PAGE.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "://" not in PAGE
    assert "url(" not in PAGE
    assert "<script" not in PAGE
    assert 'name="viewport"' in PAGE


def test_every_link_of_the_page_leads_to_a_part_of_it_or_to_this_host() -> None:
    links = set(re.findall('(?:href|src)="([^"]*)"', PAGE))
    parts = {f"#{name}" for name in re.findall(' id="([^"]*)"', PAGE)}

    assert {link for link in links if link.startswith("#")} <= parts
    assert {link for link in links if not link.startswith("#")} == {
        "/api/v1/openapi.json",
        "data:,",
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda row: row.handle.__name__)
def test_every_operation_is_on_the_page(operation: Operation[Any]) -> None:
    described = sections()[operation.handle.__name__]

    assert f">{operation.method}</b> {operation.path}</code>" in described
    assert f"Answer {operation.status}" in described


@pytest.mark.parametrize(("code", "status"), HTTP_STATUS.items())
def test_every_error_is_explained_with_its_status(code: str, status: int) -> None:
    explained = PAGE.partition(f'id="error-{code}"')[2].partition("</div>")[0]

    assert f">{status}</span>" in explained
    assert re.search("<dd>.+</dd>", explained)


def test_every_field_is_on_the_page_with_what_it_means() -> None:
    schemas = document()["components"]["schemas"]
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}

    shown = re.findall("<dt><code>([^<]*)</code>[^\\n]*?<dd>(.*?)</dd>", PAGE)

    assert names <= {name.rpartition(".")[2] for name, _ in shown}
    assert all(meaning for _, meaning in shown)


def test_the_example_of_the_public_document_is_on_the_page() -> None:
    described = sections()["create_session"]

    for line in ("lot_id", "uuid-of-lot", "AV-1234", "fleet_waymo_sf", "1HGCM826X4A004352"):
        assert f"&quot;{line}&quot;" in described


def test_what_the_document_says_is_escaped() -> None:
    hostile = copy.deepcopy(document())
    shout = "<script>alert('`<b>`')</script>"
    operation = hostile["paths"].pop("/api/v1/sessions")["post"]
    operation |= {"summary": shout, "description": shout, "operationId": '"><script>'}
    hostile["paths"]["/<script>"] = {"post": operation}
    hostile["info"]["description"] = shout
    hostile["components"]["parameters"]["Idempotency-Key"] |= {"name": shout, "description": shout}
    session = hostile["components"]["schemas"]["SessionBody"]
    session["description"] = shout
    session["properties"]["<script>"] = {"enum": ["<script>"], "description": shout}

    assert "<script" not in page(hostile)


def sections() -> dict[str, str]:
    """Return what the page has of each operation, by its id."""
    found = re.findall('<section id="([^"]*)">(.*?)</section>', PAGE, re.DOTALL)
    return dict(found)
