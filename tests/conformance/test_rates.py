"""What a stay costs: told before, frozen when it is booked, and charged as it was told."""

from datetime import timedelta

import httpx
import pytest

from parkgraph.model.rates import RateCard
from tests.conformance.callers import LOTS, Caller, error_of, refused
from tests.conformance.conftest import Calling
from tests.conformance.world import LOT, World

pytestmark = pytest.mark.hurried

NEW = {"rate_minor": 500, "increment_minutes": 15, "autonomous_rate_minor": 400}


async def at_new_rates(world: World, **changes: int) -> None:
    """Let the operator change what the lot charges, and the lot hear of it."""
    async with world.http("cloud", "operator") as operator:
        changed = await operator.put(f"{LOTS}/{LOT}/rates", json=NEW | changes)
        assert changed.status_code == 200, changed.text
    await world.level()


async def test_what_a_lot_charges_is_told(caller: Caller) -> None:
    rates = await caller.rates()

    assert (rates["rate"], rates["rate_minor"], rates["rate_unit"]) == (3.5, 350, "hour")
    assert (rates["currency"], rates["lot_id"]) == ("USD", LOT)
    assert (rates["version"], rates["increment_minutes"], rates["grace_minutes"]) == (
        "rates-1",
        1,
        0,
    )
    assert (rates["autonomous_rate_minor"], rates["daily_cap_minor"]) == (None, None)


async def test_new_rates_are_what_is_told_and_quoted_then(caller: Caller, world: World) -> None:
    await at_new_rates(world)

    rates, quoted = await caller.rates(), await caller.quote(16)

    assert (rates["rate_minor"], rates["autonomous_rate_minor"]) == (500, 400)
    assert rates["increment_minutes"] == 15
    assert quoted["rate_version"] == rates["version"] != "rates-1"
    assert quoted["amount_minor"] == 250


async def test_who_drives_himself_pays_what_such_vehicles_pay(caller: Caller, world: World) -> None:
    await at_new_rates(world)

    with_driver = await caller.quote(60)
    without = await caller.quote(60, autonomous=True)

    assert (with_driver["amount_minor"], without["amount_minor"]) == (500, 400)


async def test_a_stay_that_is_booked_keeps_its_rates(caller: Caller, world: World) -> None:
    stay = await caller.book()
    await world.level()
    await at_new_rates(world)

    await world.parks(stay["id"])
    await world.pass_time(3600)
    longer = await caller.extend(stay["id"], 60)
    ended = await caller.end(stay["id"])

    assert (longer["rate_version"], longer["estimated_minor"]) == ("rates-1", 1050)
    assert (ended["rate_minor"], ended["amount_minor"]) == (350, 350)


async def test_the_lot_books_at_new_rates_once_it_has_heard_of_them(world: World) -> None:
    await at_new_rates(world)

    async with world.http("lot", "waymo") as wire:
        body = {"lot_id": LOT, "plate": "CAR 1", "vehicle": {"autonomous": True}}
        stay = (await wire.post("/api/v1/sessions", json=body)).json()["session"]

    assert (stay["rate_minor"], stay["estimated_minor"]) == (400, 800)


async def test_what_was_lent_before_is_sold_at_the_rates_of_then(world: World) -> None:
    await at_new_rates(world)

    async with world.http("cloud", "waymo") as wire:
        body = {"lot_id": LOT, "plate": "CAR 1", "vehicle": {"autonomous": True}}
        stay = (await wire.post("/api/v1/sessions", json=body)).json()["session"]

    assert (stay["rate_minor"], stay["rate_version"]) == (350, "rates-1")


@pytest.mark.parametrize("minutes", [1, 59, 60, 61, 121, 24 * 60 + 1])
async def test_what_was_quoted_is_estimated_and_charged(
    caller: Caller, world: World, minutes: int
) -> None:
    quoted = await caller.quote(minutes, autonomous=True)
    stay = await caller.book(expected_duration_minutes=minutes)
    await world.level()
    await world.parks(stay["id"])
    await world.pass_time(minutes * 60)

    ended = await caller.end(stay["id"])

    assert stay["estimated_minor"] == quoted["amount_minor"] == ended["amount_minor"]
    assert quoted["net_minor"] + quoted["tax_minor"] == quoted["amount_minor"]


async def test_a_quote_is_what_the_shared_rate_card_says(caller: Caller, world: World) -> None:
    card = {"rate_minor": 333, "increment_minutes": 10, "grace_minutes": 5}
    more = {"daily_cap_minor": 2000, "tax_basis_points": 825, "autonomous_rate_minor": 300}
    await at_new_rates(world, **card, **more)
    shared = RateCard(
        version="x",
        currency="USD",
        unit_minor=333,
        autonomous_unit_minor=300,
        increment_minutes=10,
        grace_minutes=5,
        daily_cap_minor=2000,
        tax_basis_points=825,
    ).rate_for(autonomous=False)

    for minutes in (5, 6, 600, 1441):
        price = shared.price(timedelta(minutes=minutes))
        quoted = await caller.quote(minutes)
        assert (quoted["net_minor"], quoted["tax_minor"]) == (price.net_minor, price.tax_minor)


async def test_a_price_once_told_never_rises(caller: Caller, world: World) -> None:
    stay = await caller.book()
    await world.level()
    await world.parks(stay["id"])
    await world.pass_time(3600)
    ended = await caller.end(stay["id"])

    await world.pass_time(7200)
    await world.leaves(stay["id"])
    await world.level()

    left = await caller.session(stay["id"])
    assert left["amount_minor"] == ended["amount_minor"] == 350


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("expected_duration_minutes=0", "expected_duration_minutes"),
        ("expected_duration_minutes=43201", "expected_duration_minutes"),
        ("expected_duration_minutes=1.5", "expected_duration_minutes"),
        ("autonomous=perhaps", "autonomous"),
    ],
)
async def test_a_quote_for_what_cannot_be_names_its_field(
    wire: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await wire.get(f"{LOTS}/{LOT}/quote?{query}")

    assert answer.status_code == 400
    assert error_of(answer)["field"] == field


async def test_only_the_cloud_changes_rates_and_only_for_who_may(
    calling: Calling, side: str
) -> None:
    operator, fleet = calling("operator"), calling("waymo")
    by_fleet = await refused(fleet.change_rates(**NEW))
    assert (by_fleet.status, by_fleet.code) == (403, "FORBIDDEN")

    if side == "lot":
        refusal = await refused(operator.change_rates(**NEW))
        assert (refusal.status, refusal.code) == (503, "REQUIRES_CLOUD")
    else:
        assert (await operator.change_rates(**NEW))["rate_minor"] == 500


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rate_minor": -1}, "rate_minor"),
        ({"rate_minor": 3.5}, "rate_minor"),
        ({"rate_minor": None}, "rate_minor"),
        ({"rate_unit": "week"}, "rate_unit"),
        ({"increment_minutes": 7}, "increment_minutes"),
        ({"tax_basis_points": 10_001}, "tax_basis_points"),
    ],
)
async def test_rates_that_are_none_name_their_field(
    world: World, change: dict[str, object], field: str
) -> None:
    async with world.http("cloud", "operator") as operator:
        answer = await operator.put(f"{LOTS}/{LOT}/rates", json=NEW | change)

    assert answer.status_code == 400
    assert error_of(answer)["field"] == field
