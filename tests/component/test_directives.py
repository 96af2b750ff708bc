"""What the cloud decides and what the lot makes of it; the lot's own facts have the last word."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.model.errors import CallRefusedError
from parkgraph.model.records import (
    AllotmentGranted,
    AllotmentReclaimed,
    AllotmentReturned,
    AllotmentsRenewed,
    CancelAsked,
    ConflictFound,
    EndAsked,
    EpochBegan,
    ExtensionAsked,
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    Place,
    Reason,
    SessionCancelled,
    SessionEnded,
    SessionExtended,
    SpaceReassigned,
)
from parkgraph.model.sessions import SessionState
from parkgraph_edge.store.directives import NoDirectiveError, ReclaimAllotments, ReplaceLostSpaces
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import Refused
from tests.builders import KEY_TERMS, LOT, NOON, RATES, a_booking, a_reservation, typed
from tests.fakes import FakeClock, open_ledger
from tests.lending import (
    LENDING,
    SPACES,
    STANDARD,
    Lender,
    a_lender,
    a_mixed_lot,
    a_sale,
    an_asking,
    assert_facts_follow,
)


@pytest.fixture
async def lot(tmp_path: Path) -> AsyncIterator[Lender]:
    """Give a lot; whatever a test did, its facts follow from its journal."""
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        yield await a_lender(ledger, clock)
        assert_facts_follow(ledger, tmp_path)


def kinds(records: list[Any]) -> list[type]:
    return [type(record) for record in records]


# Lending


async def test_of_each_class_the_most_is_lent_and_each_space_is_of_its_class(lot: Lender) -> None:
    lent = await lot.lend()

    assert [stay.space for stay in lent] == ["A-1", "H-1", "S-1", "S-2"]


async def test_a_lent_space_has_an_id_a_code_and_a_price_before_it_has_a_buyer(lot: Lender) -> None:
    (stay, *_) = await lot.lend()

    assert stay.session.startswith("sess_")
    assert len(stay.gate_code) == 9
    assert (stay.rate, stay.plate, stay.fleet) == (RATES, None, None)


async def test_the_codes_of_one_decision_differ(lot: Lender) -> None:
    codes = [stay.gate_code for stay in await lot.lend()]

    assert len(set(codes)) == len(codes)


async def test_a_space_where_somebody_stands_is_not_lent(lot: Lender) -> None:
    lent = await lot.lend(occupied=frozenset({"S-1", "A-1"}))

    assert [stay.space for stay in lent] == ["A-2", "H-1", "S-2", "S-3"]


async def test_a_lot_that_lends_nothing_answers_nothing(lot: Lender) -> None:
    terms = replace(LENDING, allotments={})

    assert await lot.take(an_asking(), terms=terms) == []


async def test_what_is_lent_is_not_booked_at_the_lot(lot: Lender) -> None:
    await lot.lend()

    session = await lot.ledger.submit(a_booking())

    assert session.space == "S-3"


async def test_who_asks_again_gets_more_time_and_no_more_spaces(lot: Lender) -> None:
    before = await lot.lend()
    later = NOON + timedelta(hours=6)

    records = await lot.take(an_asking(later))

    ids = {stay.session for stay in before}
    (renewed,) = records
    assert isinstance(renewed, AllotmentsRenewed)
    assert set(renewed.sessions) == ids
    assert {stay.lent_asked_at for stay in lot.lent()} == {later}


async def test_what_was_sold_is_made_up_for_at_the_next_asking(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    records = await lot.take(an_asking(NOON + timedelta(hours=1)))

    granted = [r for r in records if isinstance(r, AllotmentGranted)]
    assert [grant.space for grant in granted] == ["S-3"]


async def test_what_the_cloud_does_not_name_gets_no_more_time(lot: Lender) -> None:
    first, *others = await lot.lend()
    known = tuple(stay.session for stay in others)

    await lot.take(an_asking(NOON + timedelta(hours=1), unsold=known))

    assert lot.now_of(first).lent_asked_at == NOON
    assert lot.now_of(others[0]).lent_asked_at == NOON + timedelta(hours=1)


async def test_a_lot_that_lends_less_than_before_lets_the_rest_run_out(lot: Lender) -> None:
    await lot.lend()
    less = replace(LENDING, allotments={STANDARD: 1})

    (renewed,) = await lot.take(an_asking(NOON + timedelta(hours=1)), terms=less)

    assert isinstance(renewed, AllotmentsRenewed)
    assert len(renewed.sessions) == 1


# Reclaiming


async def test_a_loan_that_is_over_is_taken_back_and_can_be_booked(lot: Lender) -> None:
    lent = await lot.lend()
    due = {stay.session: "2026-06-01T12:00:00Z" for stay in lent}

    assert await lot.ledger.submit(ReclaimAllotments(LOT, due)) == 4

    assert lot.lent() == []
    assert (await lot.ledger.submit(a_booking())).space == "S-1"


async def test_a_loan_that_was_renewed_is_not_taken_back(lot: Lender) -> None:
    lent = await lot.lend()
    due = {stay.session: "2026-06-01T12:00:00Z" for stay in lent}
    await lot.take(an_asking(NOON + timedelta(hours=1)))

    assert await lot.ledger.submit(ReclaimAllotments(LOT, due)) == 0


async def test_what_was_sold_is_not_taken_back(lot: Lender) -> None:
    lent = await lot.lend()
    await lot.take(a_sale(lent[2]))
    due = {lent[2].session: "2026-06-01T12:00:00Z"}

    assert await lot.ledger.submit(ReclaimAllotments(LOT, due)) == 0


# Returns, cancellations, extensions


async def test_what_the_cloud_returns_is_the_lot_s_again(lot: Lender) -> None:
    standard = (await lot.lend())[2]

    records = await lot.take(AllotmentReturned(session=standard.session))

    assert records == [AllotmentReclaimed(session=standard.session, why="returned")]
    assert (await lot.ledger.submit(a_booking())).space == "S-1"


@pytest.mark.parametrize("state", ["arriving", "parked", "leaving", "completed"])
async def test_a_return_of_what_somebody_came_for_changes_nothing(lot: Lender, state: str) -> None:
    standard = (await lot.lend())[2]
    await lot.bring_to(standard, state)

    assert await lot.take(AllotmentReturned(session=standard.session)) == []


async def test_a_return_of_what_was_sold_changes_nothing(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    assert await lot.take(AllotmentReturned(session=standard.session)) == []


async def test_who_cancels_before_he_comes_frees_the_space(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    records = await lot.take(CancelAsked(session=standard.session))

    assert records == [SessionCancelled(session=standard.session)]
    assert await lot.present(typed(standard.gate_code)) == Refused(Reason.WRONG_CODE)


@pytest.mark.parametrize("state", ["arriving", "parked", "leaving", "completed"])
async def test_who_cancels_when_he_has_come_has_not_cancelled(lot: Lender, state: str) -> None:
    standard = (await lot.lend())[2]
    await lot.bring_to(standard, state)
    await lot.take(a_sale(standard))

    assert await lot.take(CancelAsked(session=standard.session)) == []
    assert lot.now_of(standard).state == state


async def test_an_extension_holds_the_space_for_longer(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    records = await lot.take(ExtensionAsked(session=standard.session, minutes=60))

    until = NOON + timedelta(minutes=90)
    extended = SessionExtended(
        session=standard.session, hold_until=until, expected_minutes=180, estimated_minor=1050
    )
    assert records == [extended]
    assert lot.now_of(standard).hold_until == until


async def test_an_extension_of_who_is_inside_makes_a_new_estimate(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))
    await lot.passes(standard)

    await lot.take(ExtensionAsked(session=standard.session, minutes=60))

    parked = lot.now_of(standard)
    assert (parked.expected_minutes, parked.estimated_minor) == (180, 1050)
    assert parked.hold_until == NOON + timedelta(minutes=30)


@pytest.mark.parametrize("state", ["leaving", "completed"])
async def test_an_extension_of_what_needs_none_is_for_a_refund(lot: Lender, state: str) -> None:
    standard = (await lot.lend())[2]
    await lot.bring_to(standard, state)

    records = await lot.take(ExtensionAsked(session=standard.session, minutes=10))

    assert kinds(records) == [ConflictFound]
    assert lot.now_of(standard).state == state


async def test_an_extension_of_a_stay_that_the_lot_does_not_know_is_for_a_refund(
    lot: Lender,
) -> None:
    records = await lot.take(ExtensionAsked(session="sess_lost", minutes=10))

    assert kinds(records) == [ConflictFound]


async def test_an_end_asked_in_the_cloud_prices_the_stay_here(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))
    await lot.passes(standard)
    lot.clock.advance(3600)

    records = await lot.take(EndAsked(session=standard.session, request="r1"))

    (ended,) = records
    assert isinstance(ended, SessionEnded)
    assert (ended.session, ended.amount_minor, ended.request) == (standard.session, 350, "r1")
    assert (ended.elapsed_seconds, ended.is_in_doubt) == (3600, False)
    assert lot.now_of(standard).state is SessionState.LEAVING


async def test_an_end_asked_for_who_has_not_come_cancels(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.take(a_sale(standard))

    records = await lot.take(EndAsked(session=standard.session))

    assert records == [SessionCancelled(session=standard.session)]


@pytest.mark.parametrize("state", ["leaving", "completed"])
async def test_an_end_asked_for_what_has_ended_by_itself_changes_nothing(
    lot: Lender, state: str
) -> None:
    standard = (await lot.lend())[2]
    await lot.bring_to(standard, state)

    assert await lot.take(EndAsked(session=standard.session)) == []


async def test_an_end_asked_for_who_is_in_the_entry_is_for_a_person(lot: Lender) -> None:
    standard = (await lot.lend())[2]
    await lot.bring_to(standard, "arriving")

    await lot.take(EndAsked(session=standard.session))

    assert lot.conflicts() == [(standard.session, "directive_refused")]


# Keys


async def test_a_key_that_was_issued_is_known_at_the_lot(lot: Lender) -> None:
    records = await lot.take(KeyIssued(key="k1", terms=KEY_TERMS))

    assert records == [KeyAccepted(key="k1", terms=KEY_TERMS)]
    assert lot.ledger.facts()["keys"] == [(LOT, "k1", KEY_TERMS.model_dump_json())]


async def test_a_key_that_is_issued_again_has_its_new_terms(lot: Lender) -> None:
    replaced = KEY_TERMS.model_copy(update={"expires_at": NOON})
    await lot.take(KeyIssued(key="k1", terms=KEY_TERMS))

    await lot.take(KeyIssued(key="k1", terms=replaced))

    assert lot.ledger.facts()["keys"] == [(LOT, "k1", replaced.model_dump_json())]


async def test_a_revoked_key_books_nothing_more(lot: Lender) -> None:
    await lot.take(KeyRevoked(key="1", known=None))

    with pytest.raises(CallRefusedError, match="revoked"):
        await lot.ledger.submit(a_booking())


async def test_what_a_key_booked_after_it_was_revoked_stands_and_is_shown(lot: Lender) -> None:
    await lot.ledger.submit(a_booking("CAR 1"))
    head = lot.ledger.rows()[-1]
    epoch = lot.ledger.one("SELECT epoch FROM cursors WHERE name = 'head'")
    late = await lot.ledger.submit(a_booking("CAR 2"))

    records = await lot.take(
        KeyRevoked(key="1", known=Place(epoch=epoch, seq=head.seq, hash=head.hash))
    )

    assert kinds(records) == [KeyBarred, ConflictFound]
    assert lot.conflicts() == [(late.session, "revoked_key")]
    assert lot.now_of(late).state is SessionState.RESERVED


# Spaces that are lost


async def test_who_waits_for_a_space_where_somebody_else_stands_keeps_it_and_a_person_is_told_once(
    lot: Lender,
) -> None:
    lent = await lot.lend()
    (held,) = [stay for stay in lent if stay.space == "S-1"]

    for _ in range(2):
        await lot.ledger.submit(ReplaceLostSpaces(LOT, frozenset({"S-1"})))

    assert lot.now_of(held).space == "S-1"
    assert lot.conflicts() == [(held.session, "space_blocked")]
    assert [r.type for r in lot.records()].count("conflict_found") == 1


async def test_two_lost_spaces_are_not_replaced_by_one(lot: Lender) -> None:
    await lot.lend()
    rest = {space: kind for space, kind in SPACES.items() if space not in {"S-1", "S-2"}}
    await lot.ledger.submit(OpenLot(LOT, a_mixed_lot(rest)))

    await lot.ledger.submit(ReplaceLostSpaces(LOT, frozenset()))

    moved = [r.space for r in lot.records() if isinstance(r, SpaceReassigned)]
    assert moved == ["S-3", "S-4"]


async def test_nobody_is_moved_to_where_somebody_stands(lot: Lender) -> None:
    await lot.lend()
    rest = {space: kind for space, kind in SPACES.items() if space != "S-1"}
    await lot.ledger.submit(OpenLot(LOT, a_mixed_lot(rest)))

    await lot.ledger.submit(ReplaceLostSpaces(LOT, frozenset({"S-3"})))

    moved = [r.space for r in lot.records() if isinstance(r, SpaceReassigned)]
    assert moved == ["S-4"]


async def test_who_waits_for_a_space_that_is_gone_when_no_other_is_free_is_told(
    lot: Lender,
) -> None:
    accessible = (await lot.lend())[1]
    rest = {space: kind for space, kind in SPACES.items() if space != "H-1"}
    await lot.ledger.submit(OpenLot(LOT, a_mixed_lot(rest)))

    await lot.ledger.submit(ReplaceLostSpaces(LOT, frozenset()))

    assert lot.now_of(accessible).state is SessionState.VOID
    assert lot.conflicts() == [(accessible.session, "space_lost")]


async def test_a_sale_after_its_space_was_lost_is_too_late(lot: Lender) -> None:
    accessible = (await lot.lend())[1]
    rest = {space: kind for space, kind in SPACES.items() if space != "H-1"}
    await lot.ledger.submit(OpenLot(LOT, a_mixed_lot(rest)))
    await lot.ledger.submit(ReplaceLostSpaces(LOT, frozenset()))

    assert await lot.take(a_sale(accessible)) == []


# What is no directive


async def test_that_the_cloud_s_journal_goes_on_elsewhere_changes_nothing(lot: Lender) -> None:
    began = EpochBegan(why="fork", predecessor=None, is_of_cloud=True)

    assert await lot.take(began) == []


async def test_a_record_of_the_lot_s_own_kind_is_no_directive(lot: Lender) -> None:
    with pytest.raises(NoDirectiveError):
        await lot.take(a_reservation())
