"""The page for people: all of the contract, from this host alone."""

import base64
import copy
import hashlib
import json
import re
from typing import Any

import pytest

from parkgraph.front.contract import Operation
from parkgraph.front.docs import page
from parkgraph.front.examples import REQUESTS
from parkgraph.front.limits import END_USER, STRANGER, budgets_of_key
from parkgraph.front.meanings import MEANINGS
from parkgraph.front.openapi import OPERATIONS, SIDES, document, errors_of
from parkgraph.model.api import SessionRequest
from parkgraph.model.api.sessions import STATUS
from parkgraph.model.errors import HTTP_STATUS
from parkgraph.model.scopes import SCOPES_OF, Scope
from tests.front_doors import calling
from tests.sides import Away, door_of

PAGE = page(document())
# Beside the operations.
SECTIONS = {
    "start", "sides", "plans", "idempotency", "events", "session", "states", "lot", "api-key",
    "errors", "limits",
}  # fmt: skip

each_operation = pytest.mark.parametrize(
    "operation", OPERATIONS, ids=lambda row: row.handle.__name__
)


def sections() -> dict[str, str]:
    """Return what the page has of each operation and of all else, by its id."""
    found = re.findall('<section id="([^"]*)">(.*?)</section>', PAGE, re.DOTALL)
    return dict(found)


def plain(html: str) -> str:
    """Return what a reader sees of a line."""
    words = re.sub("<[^>]*>", "", html)
    return words.replace("&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&")


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
    assert "url(" not in PAGE
    assert "@import" not in PAGE
    assert "<script" not in PAGE
    assert not re.findall('<[^>]*"[a-z]+://', PAGE)
    assert 'name="viewport"' in PAGE


def test_every_link_of_the_page_leads_to_a_part_of_it_or_to_this_host() -> None:
    links = set(re.findall('(?:href|src)="([^"]*)"', PAGE))
    parts = {f"#{name}" for name in re.findall(' id="([^"]*)"', PAGE)}

    assert {link for link in links if link.startswith("#")} <= parts
    assert {link for link in links if not link.startswith("#")} == {
        "/api/v1/openapi.json",
        "data:,",
    }


def test_no_two_parts_of_the_page_have_one_name() -> None:
    names = re.findall(' id="([^"]*)"', PAGE)

    assert len(set(names)) == len(names)


def test_the_contents_lead_to_every_section() -> None:
    contents = PAGE.partition('<nav class="side"')[2].partition("</nav>")[0]

    assert sections().keys() == SECTIONS | {row.handle.__name__ for row in OPERATIONS}
    assert set(re.findall('href="#([^"]*)"', contents)) == sections().keys()


@each_operation
def test_every_operation_is_on_the_page(operation: Operation[Any]) -> None:
    described = sections()[operation.handle.__name__]

    assert f">{operation.method}</b> {operation.path}</code>" in described
    assert f"Answer {operation.status}" in described
    assert f'href="#plans">{operation.scope}</a>' in described
    assert ("no key needed" in described) == operation.is_public
    assert ("at the lot</span>" in described) == (operation in SIDES["lot"])
    assert ("in the cloud</span>" in described) == (operation in SIDES["cloud"])


@each_operation
def test_every_operation_leads_to_the_errors_it_may_give(operation: Operation[Any]) -> None:
    described = sections()[operation.handle.__name__]

    codes = {code for codes in errors_of(operation).values() for code in codes}
    assert set(re.findall('href="#error-([A-Z_]+)"', described)) == codes


@pytest.mark.parametrize(("code", "status"), HTTP_STATUS.items())
def test_every_error_is_explained_with_its_status(code: str, status: int) -> None:
    explained = plain(PAGE.partition(f'id="error-{code}">')[2].partition("</tr>")[0])

    meaning = MEANINGS[code]
    assert explained == f"{code}{status}{meaning.what}{meaning.remedy}".replace("`", "")


def test_every_state_stands_beside_its_status() -> None:
    rows = [plain(row) for row in sections()["states"].split("<tr>")]

    assert all(any(row.startswith(f"{a}{b}") for row in rows) for a, b in STATUS.items())


@pytest.mark.parametrize("scope", Scope)
def test_every_scope_stands_beside_the_plans_that_include_it(scope: Scope) -> None:
    row = next(row for row in sections()["plans"].split("<tr>") if plain(row).startswith(scope))

    answers = ["yes" if scope in included else "no" for included in SCOPES_OF.values()]
    assert re.findall("<td[^>]*>([^<]*)</td>", row) == answers


def test_every_limit_of_calls_is_on_the_page() -> None:
    told = re.findall('<th scope="row">([0-9]+)</th>', sections()["limits"])

    public = budgets_of_key(is_sandbox=False, requests_per_minute=None).values()
    sandbox = set(budgets_of_key(is_sandbox=True, requests_per_minute=None).values())
    budgets = [*public, *sandbox, END_USER, STRANGER]
    assert told[: len(budgets)] == [str(budget.per_minute) for budget in budgets]


def test_every_field_is_on_the_page_with_what_it_means() -> None:
    contract = document()
    schemas = contract["components"]["schemas"]
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}
    names |= contract["components"]["headers"].keys() | contract["components"]["parameters"].keys()

    shown = re.findall("<dt><code>(.*?)</code>[^\\n]*?<dd>(.*?)</dd>", PAGE)

    assert names <= {plain(name).rpartition(".")[2] for name, _ in shown}
    assert all(meaning for _, meaning in shown)


def test_the_example_of_the_public_document_is_on_the_page() -> None:
    described = plain(sections()["create_session"])

    assert f"-d '{json.dumps(REQUESTS[SessionRequest], indent=2)}'" in described


def test_a_first_stay_takes_ten_lines() -> None:
    (lines,) = re.findall("<pre>(.*?)</pre>", sections()["start"], re.DOTALL)

    assert len(lines.splitlines()) == 10
    assert plain(lines).count("curl ") == 5
    assert json.dumps(REQUESTS[SessionRequest]) in plain(lines)


def test_what_the_document_says_is_escaped() -> None:
    hostile = copy.deepcopy(document())
    shout = "<script>alert('`<b>`')</script>"
    operation = hostile["paths"].pop("/api/v1/sessions")["post"]
    operation |= {"summary": shout, "description": shout, "operationId": '"><script>'}
    operation["x-scope"] = shout
    hostile["paths"]["/<script>"] = {"post": operation}
    hostile["info"]["description"] = shout
    hostile["tags"][0]["description"] = shout
    hostile["components"]["parameters"]["Idempotency-Key"] |= {"name": shout, "description": shout}
    session = hostile["components"]["schemas"]["SessionBody"]
    session["description"] = shout
    session["properties"]["<script>"] = {"enum": ["<script>"], "description": shout}

    assert "<script" not in page(hostile)
