"""The audit log: every write, by whom, and what of it; and nothing personal."""

import json
from typing import Any

import httpx
import pytest

from parkgraph.front.audit_csv import COLUMNS, read, verified
from parkgraph.front.keys import id_of
from tests.conformance.callers import API, LOTS, SESSIONS, Json, a_booking, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import LOT, WAYMO, World

pytestmark = pytest.mark.hurried

AUDIT = f"{LOTS}/{LOT}/audit"


async def rows_about(world: World, side: str, subject: str) -> list[Json]:
    """Return what the audit log of the lot has about something, as a side tells it."""
    await world.level()
    async with world.http(side, "operator") as operator:
        rows: list[Json] = []
        query: dict[str, Any] = {"limit": 200}
        while True:
            page = (await operator.get(AUDIT, params=query)).json()
            rows += [row for row in page["rows"] if row["subject"] == subject]
            if page["next_cursor"] is None:
                return rows
            query["cursor"] = page["next_cursor"]


def by(world: World, name: str) -> tuple[str, str]:
    return "key", id_of(world.keys[name])


async def test_every_write_about_a_stay_has_a_row_with_who_and_what(
    wire: httpx.AsyncClient, world: World, side: str
) -> None:
    stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    await world.level()
    await wire.post(f"{SESSIONS}/{stay}/extend", json={"minutes": 30})
    await world.level()
    await world.parks(stay)
    await world.level()
    await wire.post(f"{SESSIONS}/{stay}/end")

    rows = await rows_about(world, side, stay)

    own = [row for row in rows if (row["actor_type"], row["actor_id"]) == by(world, "waymo")]
    written = {
        "lot": ["session_reserved", "session_extended", "session_ended"],
        "cloud": ["allotment_sold", "extension_asked", "end_asked"],
    }
    assert [row["type"] for row in own] == written[side]
    diffs = [json.loads(row["diff"]) for row in own]
    assert all(diff["session"] == stay for diff in diffs)
    assert diffs[0]["fleet"] is None or diffs[0]["fleet"] == WAYMO
    assert diffs[0]["estimated_minor"] == 700


async def test_a_cancellation_has_a_row(wire: httpx.AsyncClient, world: World, side: str) -> None:
    stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    await wire.post(f"{SESSIONS}/{stay}/cancel")

    rows = await rows_about(world, side, stay)

    kind = {"lot": "session_cancelled", "cloud": "cancel_asked"}[side]
    (row,) = [row for row in rows if row["type"] == kind]
    assert (row["actor_type"], row["actor_id"]) == by(world, "waymo")


async def test_gate_movements_and_crossings_have_rows_too(
    wire: httpx.AsyncClient, world: World, side: str
) -> None:
    stay = (await wire.post(SESSIONS, json=a_booking())).json()["session"]["id"]
    await world.level()
    await world.bring(stay, "completed")

    rows = await rows_about(world, side, stay)

    of_lanes = [row["type"] for row in rows if row["actor_type"] == "lane"]
    assert of_lanes.count("admission_granted") == of_lanes.count("crossed") == 2
    assert {row["actor_id"] for row in rows if row["actor_type"] == "lane"} == {
        "north-in",
        "south-out",
    }


async def test_a_change_of_rates_has_a_row_that_says_what_they_are(world: World, side: str) -> None:
    async with world.http("cloud", "operator") as operator:
        changed = (await operator.put(f"{LOTS}/{LOT}/rates", json={"rate_minor": 500})).json()
    await world.level()

    async with world.http(side, "operator") as operator:
        rows = (await operator.get(AUDIT, params={"limit": 200})).json()["rows"]
    (row,) = [row for row in rows if row["type"] == "rates_changed"]

    assert (row["actor_type"], row["actor_id"]) == by(world, "operator")
    card = json.loads(row["diff"])["card"]
    assert (card["version"], card["unit_minor"]) == (changed["version"], 500)
    assert [row["type"] for row in rows].count("rates_set") == 1


async def test_keys_and_agents_have_rows_in_the_cloud_s_own_journal(world: World) -> None:
    async with world.http("cloud", "operator") as operator:
        made = (await operator.post(f"{API}/api-keys", json={"name": "new"})).json()["api_key"]
        agent = (await operator.post(f"{API}/agents", json={"name": "booker"})).json()["agent"]
        await operator.delete(f"{API}/api-keys/{made['id']}")

    query = "SELECT type, actor FROM journal WHERE subject = ? AND stream NOT LIKE '%/%'"
    actor = ":".join(by(world, "operator"))
    assert world.of_cloud(f"{query} AND type = 'key_issued'", made["id"])[1] == actor
    assert world.of_cloud(f"{query} AND type = 'key_revoked'", made["id"])[1] == actor
    assert world.of_cloud(f"{query} AND type = 'agent_registered'", agent["id"])[1] == actor


async def test_a_refused_write_has_no_row(wire: httpx.AsyncClient, world: World) -> None:
    await wire.post(SESSIONS, json=a_booking())
    await world.level()
    before = len(world.lot.rows()), world.of_cloud("SELECT COUNT(*) FROM journal")[0]

    await wire.post(SESSIONS, json=a_booking())
    await world.level()

    assert (len(world.lot.rows()), world.of_cloud("SELECT COUNT(*) FROM journal")[0]) == before


async def test_rows_are_gapless_and_chained(wiring: Wiring, world: World, side: str) -> None:
    rows = [row async for row in _all_rows(wiring("operator"))]

    for stream in {row["stream"] for row in rows}:
        numbers = [row["seq"] for row in rows if row["stream"] == stream]
        assert numbers == list(range(1, len(numbers) + 1))


async def _all_rows(operator: httpx.AsyncClient, limit: int = 3) -> Any:
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await operator.get(AUDIT, params=query)).json()
        for row in page["rows"]:
            yield row
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


async def test_pages_of_any_length_have_the_same_rows(wiring: Wiring) -> None:
    operator = wiring("operator")

    few = [row async for row in _all_rows(operator, 2)]
    many = [row async for row in _all_rows(operator, 200)]

    assert few == many


async def test_the_csv_has_the_same_rows_and_is_verified_without_the_api(
    wiring: Wiring, wire: httpx.AsyncClient, world: World
) -> None:
    await wire.post(SESSIONS, json=a_booking("SECRET 1"))
    await world.level()
    operator = wiring("operator")

    exported = await operator.get(f"{AUDIT}.csv")
    told = [row async for row in _all_rows(operator, 200)]

    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="audit-{LOT}.csv"' in exported.headers["content-disposition"]
    lines = exported.text.splitlines(keepends=True)
    assert lines[0].strip() == ",".join(f'"{name}"' for name in COLUMNS)
    rows = list(read(lines))
    assert [row.row.hash for row in rows] == [row["hash"] for row in told]
    assert list(verified(rows, {})) == []


async def test_a_changed_line_of_the_csv_is_found(wiring: Wiring) -> None:
    lines = (await wiring("operator").get(f"{AUDIT}.csv")).text.splitlines(keepends=True)

    for number in (1, len(lines) // 2, len(lines) - 1):
        changed = [*lines]
        changed[number] = changed[number].replace("2026-06-01T12", "2026-06-01T13")
        assert list(verified(read(changed), {}))


async def test_nothing_personal_is_in_the_audit_log(
    wiring: Wiring, wire: httpx.AsyncClient, world: World
) -> None:
    body = a_booking("SECRET 1", vehicle={"vin": "1HGCM82633A004352"})
    stay = (await wire.post(SESSIONS, json=body)).json()["session"]
    await world.level()
    operator = wiring("operator")

    told = (await operator.get(AUDIT, params={"limit": 200})).text
    told += (await operator.get(f"{AUDIT}.csv")).text

    assert stay["id"] in told
    for personal in ("SECRET", "1HGCM82633A004352", stay["entry_instructions"]["gate_code"]):
        assert personal not in told


async def test_a_fleet_does_not_read_the_audit_log_of_a_lot(wiring: Wiring) -> None:
    for end in ("", ".csv"):
        answer = await wiring("waymo").get(AUDIT + end)
        assert (answer.status_code, error_of(answer)["code"]) == (403, "FORBIDDEN")


async def test_a_cursor_that_is_none_names_itself(wiring: Wiring) -> None:
    for cursor in ("nowhere", "elm-street:1:1", f"{LOT}:x:1"):
        answer = await wiring("operator").get(AUDIT, params={"cursor": cursor})
        assert (answer.status_code, error_of(answer)["field"]) == (400, "cursor")


async def test_both_kinds_of_callers_read_the_same_log(calling: Calling) -> None:
    rows = await calling("operator").audit()

    assert {row["stream"] for row in rows} == {LOT, f"{LOT}/cloud"}
    assert (await refused(calling("waymo").audit())).code == "FORBIDDEN"
