"""Keys: who is let in, what for, and until when."""

from typing import Any

import httpx
import pytest

from parkgraph.front.keys import id_of
from tests.conformance.callers import API, LOTS, SESSIONS, a_booking, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import HERE, LOT, WAYMO, ZOOX, World
from tests.fakes import until

pytestmark = pytest.mark.hurried

KEYS = f"{API}/api-keys"
OF_THE_CLOUD = (
    ("PUT", f"{LOTS}/{LOT}/rates", {"rate_minor": 1}),
    ("POST", KEYS, {"name": "new"}),
    ("GET", KEYS, None),
    ("DELETE", f"{KEYS}/abcdefghijkl", None),
    ("POST", f"{API}/agents", {"name": "new"}),
)


async def a_key(world: World, **terms: Any) -> str:
    """Let the operator make a key, and the lot hear of it."""
    async with world.http("cloud", "operator") as operator:
        made = (await operator.post(KEYS, json={"name": "new"} | terms)).json()["key"]
    world.keys["new"] = made
    await until(lambda: world.lot_keys.find(id_of(made)) is not None, every_seconds=0.1)
    return str(made)


async def revoke(world: World, name: str) -> str:
    key = id_of(world.keys[name])
    async with world.http("cloud", "operator") as operator:
        assert (await operator.delete(f"{KEYS}/{key}")).status_code == 200
    return key


async def test_a_key_that_was_made_in_the_cloud_is_good_at_both_sides(
    world: World, wiring: Wiring
) -> None:
    await a_key(world, fleet_id=WAYMO)

    booked = await wiring("new").post(SESSIONS, json=a_booking(vehicle={}))

    assert booked.status_code == 201
    assert booked.json()["session"]["vehicle"]["fleet_id"] == WAYMO


async def test_a_key_is_told_once_and_shown_without_its_secret(world: World) -> None:
    async with world.http("cloud", "operator") as operator:
        asked = {"name": "new", "fleet_id": WAYMO}
        again = {"Idempotency-Key": "one"}
        made = (await operator.post(KEYS, json=asked, headers=again)).json()
        replayed = (await operator.post(KEYS, json=asked, headers=again)).json()
        listed = (await operator.get(KEYS, params={"fleet_id": WAYMO})).text

    assert made["key"].startswith("pk_live_")
    assert made["api_key"]["prefix"] == f"pk_live_{made['api_key']['id']}"
    assert replayed == made | {"key": None}
    assert made["api_key"]["id"] in listed
    assert made["key"] not in listed


async def test_the_prefix_says_whether_a_key_is_a_test_key(world: World) -> None:
    assert world.keys["waymo"].startswith("pk_live_")
    assert world.keys["test"].startswith("pk_test_")


async def test_a_key_that_was_revoked_is_refused_in_the_cloud_at_once_and_at_the_lot_soon(
    world: World,
) -> None:
    key = await revoke(world, "waymo")
    async with world.http("cloud", "waymo") as cloud:
        in_cloud = await cloud.get(SESSIONS)
    await until(lambda: world.lot_keys.find(key) is None, every_seconds=0.1)
    async with world.http("lot", "waymo") as lot:
        at_lot = await lot.get(SESSIONS)

    assert [each.status_code for each in (in_cloud, at_lot)] == [401, 401]


async def test_a_revoked_key_is_refused(wiring: Wiring) -> None:
    answer = await wiring("revoked").get(SESSIONS)

    assert (answer.status_code, error_of(answer)["code"]) == (401, "UNAUTHORIZED")


async def test_a_lot_that_is_cut_off_takes_a_revoked_key_and_tells_of_it_when_it_hears(
    world: World,
) -> None:
    world.cut_off()
    await world.hears("down")
    await revoke(world, "waymo")

    async with world.http("lot", "waymo") as lot:
        booked = await lot.post(SESSIONS, json=a_booking())
    world.connect()
    await until(
        lambda: "conflict_found" in world.lot.types(),
        every_seconds=0.1,
    )

    assert booked.status_code == 201
    conflict = world.lot.one("SELECT kind FROM conflicts")
    assert conflict == "revoked_key"


async def test_a_key_that_is_replaced_goes_on_for_a_while_so_that_nobody_is_locked_out(
    world: World, wiring: Wiring
) -> None:
    old = id_of(world.keys["waymo"])
    await a_key(world, fleet_id=WAYMO, replaces=old, overlap_minutes=60)
    await world.level()
    # What it is replaced by comes to the lot with the same words.
    await until(
        lambda: world.lot_keys.find(old).expires_at is not None,  # type: ignore[union-attr]
        every_seconds=0.1,
    )

    meanwhile = [(await wiring(name).get(SESSIONS)).status_code for name in ("waymo", "new")]
    world.clock.advance(3601)
    later = [(await wiring(name).get(SESSIONS)).status_code for name in ("waymo", "new")]

    assert (meanwhile, later) == ([200, 200], [401, 200])


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer pk_live_wrong",
        "Bearer pk_live_0123456789abcdefghijklmnop",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {key}, Bearer {key}",
        "Bearer \xe9",
    ],
)
async def test_without_a_valid_key_nothing_is_told(
    wiring: Wiring, world: World, authorization: str
) -> None:
    told = authorization.format(key=world.keys["waymo"]).encode("latin-1")

    answer = await wiring(None).get(SESSIONS, headers=[(b"Authorization", told)])

    assert (answer.status_code, error_of(answer)["code"]) == (401, "UNAUTHORIZED")


async def test_a_header_of_any_case_and_spaces_around_the_key_are_taken(
    wiring: Wiring, world: World
) -> None:
    told = {"authorization": f"bearer  {world.keys['waymo']} "}

    assert (await wiring(None).get(SESSIONS, headers=told)).status_code == 200


async def test_a_starter_key_books_and_has_no_agents_nor_intelligence(
    wiring: Wiring, side: str
) -> None:
    starter = wiring("starter")

    booked = await starter.post(SESSIONS, json=a_booking())
    forbidden = [
        await starter.request(method, path, json=body)
        for method, path, body in (
            *OF_THE_CLOUD,
            ("GET", f"{API}/activity", None),
            ("GET", f"{LOTS}/{LOT}/audit", None),
            (
                "POST",
                f"{LOTS}/{LOT}/observations",
                {"observations": [{"space": "S-1", "occupied": True}]},
            ),
        )
    ]

    assert booked.status_code == 201
    assert {(each.status_code, error_of(each)["code"]) for each in forbidden} == {
        (403, "FORBIDDEN")
    }


@pytest.mark.parametrize(("method", "path", "body"), OF_THE_CLOUD)
async def test_what_the_cloud_owns_the_lot_sends_there_and_queues_nothing(
    world: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    before = world.lot.types()
    async with world.http("lot", "operator") as wire:
        answer = await wire.request(method, path, json=body)

    assert answer.status_code == 503
    assert error_of(answer)["code"] == "REQUIRES_CLOUD"
    assert "nothing was queued" in error_of(answer)["message"]
    assert world.lot.types() == before


async def test_a_fleet_makes_keys_of_its_own_and_of_no_other(world: World) -> None:
    async with world.http("cloud", "waymo") as fleet:
        own = await fleet.post(KEYS, json={"name": "own", "fleet_id": WAYMO})
        other = await fleet.post(KEYS, json={"name": "other", "fleet_id": ZOOX})
        nobody_s = await fleet.post(KEYS, json={"name": "operator's"})
        more = await fleet.post(
            KEYS, json={"name": "more", "fleet_id": WAYMO, "requests_per_minute": 1000}
        )
        beyond = await fleet.post(
            KEYS, json={"name": "beyond", "fleet_id": WAYMO, "scopes": ["audit:read"]}
        )

    assert own.status_code == 201
    assert [(each.status_code, error_of(each)["field"]) for each in (other, nobody_s, more)] == [
        (403, "fleet_id"),
        (403, "fleet_id"),
        (403, "requests_per_minute"),
    ]
    assert (beyond.status_code, error_of(beyond)["field"]) == (400, "scopes")


async def test_a_fleet_sees_and_deletes_only_its_own_keys(world: World) -> None:
    zoox = id_of(world.keys["zoox"])
    async with world.http("cloud", "waymo") as fleet:
        listed = (await fleet.get(KEYS)).json()["api_keys"]
        forbidden = await fleet.get(KEYS, params={"fleet_id": ZOOX})
        deleted = await fleet.delete(f"{KEYS}/{zoox}")

    assert {key["fleet_id"] for key in listed} == {WAYMO}
    assert forbidden.status_code == 403
    assert (deleted.status_code, error_of(deleted)["field"]) == (404, "key")


async def test_a_test_key_makes_test_keys_only(world: World) -> None:
    async with world.http("cloud", "test") as tester:
        live = await tester.post(KEYS, json={"name": "live", "fleet_id": WAYMO})
        test = await tester.post(KEYS, json={"name": "test", "fleet_id": WAYMO, "test": True})

    assert (live.status_code, error_of(live)["field"]) == (403, "test")
    assert test.json()["key"].startswith("pk_test_")


async def test_a_test_key_books_at_the_simulated_lot(wiring: Wiring) -> None:
    assert (await wiring("test").post(SESSIONS, json=a_booking())).status_code == 201


async def test_a_test_key_reaches_no_real_lot_and_a_live_key_no_sandbox(world: World) -> None:
    for key, lot in (("test", "oak-street"), ("waymo", "sandbox-street")):
        async with world.http("cloud", key) as wire:
            booked = await wire.post(SESSIONS, json=a_booking(lot_id=lot))
            read = [
                await wire.get(f"{LOTS}/{lot}{end}")
                for end in ("", "/availability", "/rates", "/quote")
            ]
            query = {"lat": str(HERE[0]), "lng": str(HERE[1]), "radius": "50000", "av": "false"}
            found = (await wire.get(f"{LOTS}/search", params=query)).json()["lots"]

        assert {each.status_code for each in (booked, *read)} == {403}
        assert lot not in [each["lot"]["lot_id"] for each in found]


async def test_the_sdk_makes_lists_and_deletes_keys_and_registers_agents(
    calling: Calling, side: str
) -> None:
    operator = calling("operator")
    if side == "lot":
        for wish in (
            operator.keys(),
            operator.create_key(name="new"),
            operator.register_agent("a"),
        ):
            assert (await refused(wish)).code == "REQUIRES_CLOUD"
        return

    made = await operator.create_key(name="new", fleet_id="fleet_new")
    listed = await operator.keys("fleet_new")
    deleted = await operator.delete_key(made["api_key"]["id"])
    agent = await operator.register_agent("booker")

    assert listed == [made["api_key"]] == [deleted]
    assert await operator.keys("fleet_new") == []
    assert agent["name"] == "booker"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"fleet_id": "a b"}, "fleet_id"),
        ({"plan": "gold"}, "plan"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"plan": "starter", "scopes": ["keys"]}, "scopes"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"overlap_minutes": 1441}, "overlap_minutes"),
        ({"test": "yes"}, "test"),
        ({"replaces": "unknown"}, "replaces"),
    ],
)
async def test_a_key_that_cannot_be_names_its_field(
    world: World, change: dict[str, Any], field: str
) -> None:
    async with world.http("cloud", "operator") as operator:
        answer = await operator.post(KEYS, json={"name": "new"} | change)

    assert answer.status_code in {400, 404}
    assert error_of(answer)["field"] == field


async def test_a_caller_of_either_kind_is_told_why_he_is_not_let_in(calling: Calling) -> None:
    refusal = await refused(calling("revoked").session("sess_unknown"))

    assert (refusal.status, refusal.code) == (401, "UNAUTHORIZED")


async def test_the_key_is_in_no_answer(wire: httpx.AsyncClient, world: World) -> None:
    answers = [await wire.post(SESSIONS, json=a_booking()), await wire.get(SESSIONS)]

    assert not any(world.keys["waymo"] in each.text for each in answers)


async def test_a_deleted_key_is_barred_and_its_past_is_kept(world: World) -> None:
    key = await revoke(world, "waymo")

    rows = world.of_cloud("SELECT COUNT(*) FROM journal WHERE subject = ?", key)
    assert rows[0] >= 2
    assert world.of_cloud("SELECT COUNT(*) FROM keys WHERE key = ?", key)[0] >= 1
