"""Keys are the cloud's: made, exchanged and revoked there, and told to the lots."""

import functools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.front.key_facts import LedgerKeys
from parkgraph.front.keys import configured_key, digest_of, id_of
from parkgraph.journal.apply import apply
from parkgraph.journal.chain import CLOUD, stream_of_cloud
from parkgraph.journal.epochs import begin_recovery
from parkgraph.journal.messages import Batch, topic
from parkgraph.model.errors import ErrorCode
from parkgraph.model.records import (
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    parse_record,
)
from parkgraph.runtime.errors import CorruptError
from parkgraph.runtime.mqtt import Message
from parkgraph_cloud.lot_keys import TellKeys
from parkgraph_edge.store.bookings import Reserve
from tests.builders import KEY_TERMS, LOT, NOON, a_booking
from tests.cloud_doors import KEYS, OPERATOR, OPERATOR_ID, CloudDoor, open_door, refusal
from tests.fake_link import (
    DOWN,
    BrokerChannel,
    FakeBroker,
    OpenCloud,
    lent,
    level,
    linked,
    open_cloud,
    rows_in,
)
from tests.fakes import FakeClock, OpenLedger, Recording, facts_of, journal_of
from tests.ledgers import flip
from tests.lending import a_mixed_lot

pytestmark = pytest.mark.hurried


@pytest.fixture
async def door(cloud: OpenCloud) -> AsyncIterator[CloudDoor]:
    async with open_door(cloud) as door:
        yield door


async def knows(cloud: OpenCloud, *records: Any, lot: str = LOT) -> None:
    """Let the cloud have applied what a lot told."""
    at = cloud.clock.now().isoformat()
    for record in records:
        await cloud.writer.submit(functools.partial(apply, lot, at, record))


def told_to(cloud: OpenCloud, lot: str = LOT) -> list[Any]:
    """Return what the cloud told `lot` of keys."""
    rows = journal_of(cloud.path, stream_of_cloud(lot))
    records = [parse_record(row.body, row.personal) for row in rows]
    return [record for record in records if isinstance(record, KeyIssued | KeyRevoked)]


# In the cloud


async def test_a_key_that_was_made_works_at_once(door: CloudDoor) -> None:
    key = await door.makes_key(fleet_id="fleet-1")

    assert key.startswith("pk_live_")
    assert (await door.call("GET", "/api/v1/sessions", key=key)).status_code == 200


async def test_only_a_digest_of_a_key_is_kept(door: CloudDoor) -> None:
    key = await door.makes_key()

    kept = "".join(
        str(row) for table in facts_of(door.cloud.path).values() for row in table
    ) + "".join(str(row) for row in journal_of(door.cloud.path, CLOUD))

    assert digest_of(key).hex() in kept
    assert key not in kept
    assert key[20:] not in kept


async def test_a_request_that_is_sent_again_makes_one_key_and_does_not_tell_it_again(
    door: CloudDoor,
) -> None:
    first = await door.call("POST", KEYS, {"name": "a"}, request="r1")
    again = await door.call("POST", KEYS, {"name": "a"}, request="r1")

    assert again.json() == first.json() | {"key": None}
    assert len(await door.lists()) == 1


async def test_a_revoked_key_is_refused_at_once(door: CloudDoor) -> None:
    key = await door.makes_key(fleet_id="fleet-1")

    revoked = await door.call("DELETE", f"{KEYS}/{id_of(key)}")

    assert revoked.status_code == 200
    assert refusal(await door.call("GET", "/api/v1/sessions", key=key)) is ErrorCode.UNAUTHORIZED
    assert await door.lists() == []


async def test_a_key_is_revoked_once(door: CloudDoor) -> None:
    key = await door.makes_key()
    await door.call("DELETE", f"{KEYS}/{id_of(key)}")

    again = await door.call("DELETE", f"{KEYS}/{id_of(key)}")

    assert refusal(again) is ErrorCode.NOT_FOUND


async def test_a_key_may_revoke_itself(door: CloudDoor) -> None:
    key = await door.makes_key(fleet_id="fleet-1")

    await door.call("DELETE", f"{KEYS}/{id_of(key)}", key=key)

    assert refusal(await door.call("GET", KEYS, key=key)) is ErrorCode.UNAUTHORIZED


async def test_the_key_of_the_configuration_is_not_revoked_here(door: CloudDoor) -> None:
    answer = await door.call("DELETE", f"{KEYS}/{OPERATOR_ID}")

    assert refusal(answer) is ErrorCode.CONFLICT
    assert "cloud.toml" in answer.json()["error"]["message"]


async def test_a_restarted_cloud_knows_its_keys(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_cloud(tmp_path, clock) as cloud, open_door(cloud) as door:
        kept = await door.makes_key()
        gone = await door.makes_key()
        await door.call("DELETE", f"{KEYS}/{id_of(gone)}")

    async with open_cloud(tmp_path, clock) as cloud, open_door(cloud, seed=6) as door:
        assert (await door.call("GET", KEYS, key=kept)).status_code == 200
        assert refusal(await door.call("GET", KEYS, key=gone)) is ErrorCode.UNAUTHORIZED


# One takes the place of another


async def test_while_a_key_is_exchanged_both_work_and_then_the_new_one_alone(
    door: CloudDoor,
) -> None:
    old = await door.makes_key()
    new = await door.makes_key(replaces=id_of(old), overlap_minutes=60)

    door.cloud.clock.advance(3599)
    during = [(await door.call("GET", KEYS, key=key)).status_code for key in (old, new)]
    door.cloud.clock.advance(1)
    after = [(await door.call("GET", KEYS, key=key)).status_code for key in (old, new)]

    assert (during, after) == ([200, 200], [401, 200])
    assert await door.lists() == [id_of(new)]


async def test_a_key_that_ends_soon_is_not_prolonged_by_another_exchange(door: CloudDoor) -> None:
    old = await door.makes_key()
    await door.makes_key(replaces=id_of(old), overlap_minutes=1)

    await door.makes_key(replaces=id_of(old), overlap_minutes=60)
    door.cloud.clock.advance(60)

    assert (await door.call("GET", KEYS, key=old)).status_code == 401


async def test_what_is_not_there_is_not_replaced(door: CloudDoor) -> None:
    answer = await door.call("POST", KEYS, {"name": "a", "replaces": "nobody"})

    assert refusal(answer) is ErrorCode.NOT_FOUND
    assert answer.json()["error"]["field"] == "replaces"
    assert await door.lists() == []


# Of fleets


async def test_a_fleet_sees_and_revokes_no_key_of_another(door: CloudDoor) -> None:
    mine = await door.makes_key(fleet_id="fleet-1")
    theirs = await door.makes_key(fleet_id="fleet-2")

    listed = await door.lists(key=mine)
    revoked = await door.call("DELETE", f"{KEYS}/{id_of(theirs)}", key=mine)
    replaced = await door.call(
        "POST",
        KEYS,
        {"name": "a", "fleet_id": "fleet-1", "replaces": id_of(theirs)},
        key=mine,
    )

    assert listed == [id_of(mine)]
    assert refusal(revoked) is ErrorCode.NOT_FOUND
    assert refusal(replaced) is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("wish", [{}, {"fleet_id": "fleet-2"}], ids=["operator", "another fleet"])
async def test_a_fleet_makes_keys_of_its_own_only(door: CloudDoor, wish: dict[str, str]) -> None:
    mine = await door.makes_key(fleet_id="fleet-1")

    answer = await door.call("POST", KEYS, {"name": "a"} | wish, key=mine)

    assert refusal(answer) is ErrorCode.FORBIDDEN


async def test_a_test_key_revokes_no_live_one(door: CloudDoor) -> None:
    live = await door.makes_key(fleet_id="fleet-1")
    test = await door.makes_key(fleet_id="fleet-1", test=True)

    answer = await door.call("DELETE", f"{KEYS}/{id_of(live)}", key=test)

    assert refusal(answer) is ErrorCode.NOT_FOUND


async def test_a_fleet_does_not_make_keys_without_end(door: CloudDoor) -> None:
    terms = KEY_TERMS.model_copy(update={"fleet": "fleet-1"})
    issued = [KeyIssued(key=f"key{number}", terms=terms) for number in range(200)]
    await door.cloud.allotments.ledger(CLOUD).submit(Recording(issued))

    answer = await door.call("POST", KEYS, {"name": "a", "fleet_id": "fleet-1"})

    assert refusal(answer) is ErrorCode.CONFLICT


# At the lots


async def test_lots_hear_of_a_key_and_of_its_revocation(
    door: CloudDoor, ledger: OpenLedger, clock: FakeClock
) -> None:
    key = await door.makes_key()
    async with linked(ledger, door.cloud):
        await lent(ledger, door.cloud, clock)
        await door.core.lot_keys.tell()
        await level(ledger, door.cloud)
        issued = await at_the_lot(ledger, key)
        await door.call("DELETE", f"{KEYS}/{id_of(key)}")
        await door.core.lot_keys.tell()
        await level(ledger, door.cloud)

        assert issued
        assert not await at_the_lot(ledger, key)


async def at_the_lot(ledger: OpenLedger, key: str) -> bool:
    """Say whether a lot that starts now would let `key` in."""
    ring = LedgerKeys(configured_key(OPERATOR), LOT)
    await ring.refresh(ledger.reader)
    known = ring.find(id_of(key))
    return known is not None and known.digest == digest_of(key)


async def test_a_lot_that_was_cut_off_hears_later_and_shows_what_was_booked_meanwhile(
    door: CloudDoor, ledger: OpenLedger, clock: FakeClock
) -> None:
    key = await door.makes_key()
    async with linked(ledger, door.cloud):
        await lent(ledger, door.cloud, clock)
        await door.core.lot_keys.tell()
        before = await ledger.submit(booked_with(key, "CAR 1"))
        await level(ledger, door.cloud)
    await door.call("DELETE", f"{KEYS}/{id_of(key)}")
    await door.core.lot_keys.tell()
    late = await ledger.submit(booked_with(key, "CAR 2"))
    async with linked(ledger, door.cloud):
        await level(ledger, door.cloud)

    shown = [row[1:3] for row in ledger.facts()["conflicts"]]
    assert shown == [(late.session, "revoked_key")]
    assert before.session not in str(shown)


def booked_with(key: str, plate: str) -> Reserve:
    return replace(a_booking(plate), key=id_of(key))


async def test_a_new_lot_is_told_what_works_and_nothing_of_what_does_not(door: CloudDoor) -> None:
    works = await door.makes_key()
    gone = await door.makes_key()
    over = await door.makes_key()
    await door.call("DELETE", f"{KEYS}/{id_of(gone)}")
    await door.makes_key(replaces=id_of(over), overlap_minutes=0)
    await knows(door.cloud, a_mixed_lot())

    await door.core.lot_keys.tell()

    assert {record.key for record in told_to(door.cloud)} >= {id_of(works)}
    assert not {record.key for record in told_to(door.cloud)} & {id_of(gone), id_of(over)}


async def test_a_lot_hears_that_a_key_which_it_knows_ends(door: CloudDoor) -> None:
    await knows(door.cloud, a_mixed_lot())
    old = await door.makes_key()
    await door.core.lot_keys.tell()
    await door.makes_key(replaces=id_of(old), overlap_minutes=0)

    await door.core.lot_keys.tell()

    ends = [record.terms.expires_at for record in told_to(door.cloud) if record.key == id_of(old)]
    assert ends == [None, NOON]


@pytest.mark.parametrize(
    ("lot", "expected"),
    [
        ({"is_synthetic": False}, {"live"}),
        ({"is_synthetic": True}, {"live", "test"}),
        ({"is_synthetic": True, "takes_live_keys": False}, {"test"}),
    ],
    ids=["real", "synthetic", "synthetic only"],
)
async def test_each_lot_is_told_the_keys_that_reach_it(
    door: CloudDoor, lot: dict[str, bool], expected: set[str]
) -> None:
    names = {
        id_of(await door.makes_key()): "live",
        id_of(await door.makes_key(test=True)): "test",
    }
    await knows(door.cloud, a_mixed_lot().model_copy(update=lot))

    await door.core.lot_keys.tell()

    assert {names[record.key] for record in told_to(door.cloud)} == expected


async def test_what_a_lot_knows_it_is_not_told_again(door: CloudDoor) -> None:
    await door.makes_key()
    await knows(door.cloud, a_mixed_lot())
    await door.core.lot_keys.tell()
    (issued,) = told_to(door.cloud)
    # As an older lot keeps it, which does not know all of it.
    accepted = KeyAccepted(key=issued.key, terms=issued.terms.model_copy(update={"name": ""}))
    await knows(door.cloud, accepted)

    await door.cloud.submit(TellKeys(LOT))

    assert told_to(door.cloud) == [issued]


async def test_many_keys_are_told_in_portions(door: CloudDoor) -> None:
    issued = [KeyIssued(key=f"key{number:03}", terms=KEY_TERMS) for number in range(150)]
    await door.cloud.allotments.ledger(CLOUD).submit(Recording(issued))
    await knows(door.cloud, a_mixed_lot().model_copy(update={"is_synthetic": True}))

    portions = []
    for _ in range(4):
        await door.core.lot_keys.tell()
        portions.append(len(told_to(door.cloud)))

    assert portions == [64, 128, 150, 150]


async def test_nothing_is_told_while_the_cloud_waits_for_its_decisions(door: CloudDoor) -> None:
    await door.makes_key()
    await knows(door.cloud, a_mixed_lot())
    await door.cloud.writer.submit(lambda c: begin_recovery(c, DOWN))

    await door.core.lot_keys.tell()

    assert rows_in(door.cloud.path, DOWN) == []


async def test_a_cloud_that_was_restored_learns_from_lots_what_it_has_revoked(
    door: CloudDoor,
) -> None:
    key = await door.makes_key()
    await knows(door.cloud, a_mixed_lot(), KeyBarred(key=id_of(key)))

    await door.core.lot_keys.tell()
    await door.core.keys.refresh(door.cloud.reader)

    assert (await door.call("GET", KEYS, key=key)).status_code == 401


async def test_a_key_that_lots_know_to_end_is_not_prolonged_by_a_cloud_that_was_restored(
    door: CloudDoor,
) -> None:
    await door.makes_key()
    await knows(door.cloud, a_mixed_lot())
    await door.core.lot_keys.tell()
    (issued,) = told_to(door.cloud)
    ends = issued.terms.model_copy(update={"expires_at": NOON + timedelta(hours=1)})
    await knows(door.cloud, KeyAccepted(key=issued.key, terms=ends))

    await door.cloud.submit(TellKeys(LOT))

    assert told_to(door.cloud) == [issued]


async def test_a_key_of_which_only_lots_know_can_be_revoked(door: CloudDoor) -> None:
    await knows(door.cloud, a_mixed_lot(), KeyAccepted(key="lost", terms=KEY_TERMS))

    revoked = await door.call("DELETE", f"{KEYS}/lost")
    await door.core.lot_keys.tell()

    assert revoked.status_code == 200
    assert [type(record) for record in told_to(door.cloud)] == [KeyRevoked]


async def test_a_key_of_which_only_lots_know_opens_nothing_in_the_cloud(door: CloudDoor) -> None:
    key = "pk_live_lost00000000" + "x" * 40
    terms = KEY_TERMS.model_copy(update={"digest": digest_of(key).hex(), "is_test": False})
    await knows(door.cloud, a_mixed_lot(), KeyAccepted(key=id_of(key), terms=terms))

    await door.core.keys.refresh(door.cloud.reader)

    assert (await door.call("GET", KEYS, key=key)).status_code == 401


async def test_nobody_writes_into_the_stream_of_the_cloud_s_own_decisions(
    cloud: OpenCloud, ledger: OpenLedger
) -> None:
    broker = FakeBroker()
    async with linked(ledger, cloud, broker):
        await lent(ledger, cloud, cloud.clock)
        rows = tuple(journal_of(ledger.path))
        forged = Batch(stream=CLOUD, epoch=1, rows=rows)
        attacker = BrokerChannel(broker)
        await attacker.publish(Message(topic(CLOUD, "rows"), forged.model_dump_json().encode()))
        await level(ledger, cloud)

    assert rows_in(cloud.path, CLOUD) == []
    assert broker.said("@cloud/up/acknowledged") == 0


# The ring of keys


async def test_a_key_that_was_barred_does_not_work_though_it_stands_in_the_configuration(
    ledger: OpenLedger,
) -> None:
    await ledger.submit(Recording([KeyBarred(key=OPERATOR_ID)]))
    ring = LedgerKeys(configured_key(OPERATOR), LOT)

    await ring.refresh(ledger.reader)

    assert ring.find(OPERATOR_ID) is None


async def test_a_key_with_a_scope_of_the_future_keeps_those_that_are_known(
    ledger: OpenLedger,
) -> None:
    terms = KEY_TERMS.model_copy(update={"scopes": ("lots:read", "moon:write")})
    await ledger.submit(Recording([KeyAccepted(key="k", terms=terms)]))
    ring = LedgerKeys(configured_key(OPERATOR), LOT)

    await ring.refresh(ledger.reader)

    known = ring.find("k")
    assert known is not None
    assert known.principal.scopes == {"lots:read"}


async def test_a_ring_hears_of_a_change_while_nothing_else_is_read_anew(
    ledger: OpenLedger,
) -> None:
    ring = LedgerKeys(configured_key(OPERATOR), LOT)
    await ledger.submit(Recording([KeyAccepted(key="k", terms=KEY_TERMS)]))
    await ring.refresh(ledger.reader)
    known = ring.find("k")
    await ledger.submit(Recording([a_mixed_lot()]))
    await ring.refresh(ledger.reader)
    same = ring.find("k")
    ends = KEY_TERMS.model_copy(update={"expires_at": NOON + timedelta(hours=1)})
    await ledger.submit(Recording([KeyAccepted(key="k", terms=ends)]))

    await ring.refresh(ledger.reader)

    after = ring.find("k")
    assert same is known
    assert after is not None
    assert after.expires_at == NOON + timedelta(hours=1)


async def test_a_key_whose_row_was_changed_by_a_flipped_bit_lets_nobody_in(
    ledger: OpenLedger,
) -> None:
    await ledger.submit(Recording([KeyAccepted(key="k", terms=KEY_TERMS)]))
    flip(ledger.path, "UPDATE keys SET terms = replace(terms, 'fleet-1', 'fleet-3')")
    ring = LedgerKeys(configured_key(OPERATOR), LOT)

    with pytest.raises(CorruptError, match="does not fit its digest"):
        await ring.refresh(ledger.reader)

    assert ring.find("k") is None
