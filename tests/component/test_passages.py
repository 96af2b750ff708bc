"""Cars at a lane, over a real ledger."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parkgraph.journal.facts import find_session
from parkgraph.model.plates import parse_plate
from parkgraph.model.records import (
    AdmissionGranted,
    Direction,
    Means,
    Personal,
    PresentationRefused,
    Reason,
    VendOrdered,
    VendOutcome,
    parse_record,
)
from parkgraph.model.sessions import Session, SessionState
from parkgraph_edge.rules.lanes import Effect, Finding
from parkgraph_edge.store.bookings import End
from parkgraph_edge.store.opening import FindOpenAdmission, OpenLot
from parkgraph_edge.store.passages import (
    VEND_DEADLINE,
    Admitted,
    CodeTyped,
    FinishVend,
    OrderVend,
    Present,
    Presented,
    RecordFindings,
    Refused,
    StandsThere,
)
from tests.builders import (
    ENTRY,
    EXIT,
    LOT,
    NOON,
    a_booking,
    a_crossing,
    a_gate,
    a_grant,
    a_lot,
    a_plate,
    an_admission,
    another_code,
    typed,
)
from tests.fakes import FakeClock, OpenLedger, Recording, open_ledger


async def a_booked_lot(ledger: OpenLedger, **booking: Any) -> Session:
    """Describe the lot and book one stay."""
    await ledger.submit(OpenLot(LOT, a_lot()))
    return await ledger.submit(a_booking(**booking))


async def present(
    ledger: OpenLedger, presented: Presented, direction: Direction = ENTRY, **command: Any
) -> Admitted | Refused:
    wish = Present(a_gate(direction), "pres_1", presented)
    return await ledger.submit(replace(wish, **command), urgent=True)


async def finish(
    ledger: OpenLedger,
    admitted: Admitted | Refused,
    direction: Direction = ENTRY,
    effect: Effect = Effect.CROSSED,
) -> None:
    assert isinstance(admitted, Admitted)
    admission = an_admission(admitted.admission, session=admitted.session)
    await ledger.submit(RecordFindings(a_gate(direction), [Finding(effect, admission)]))


async def now_of(ledger: OpenLedger, session: Session) -> Session:
    found = await find_session(ledger.reader, session.session)
    assert found
    return found


async def a_parked_car(ledger: OpenLedger) -> Session:
    session = await a_booked_lot(ledger)
    await finish(ledger, await present(ledger, a_plate()))
    return session


def records_of(ledger: OpenLedger, kind: type[Any]) -> list[Any]:
    found = [parse_record(row.body, row.personal) for row in ledger.rows()]
    return [record for record in found if isinstance(record, kind)]


async def test_a_car_enters_by_its_plate(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger)

        admitted = await present(ledger, a_plate("abc-1234"))

        assert isinstance(admitted, Admitted)
        assert admitted.session == session.session
        assert (await now_of(ledger, session)).state is SessionState.ARRIVING
        await finish(ledger, admitted)
        parked = await now_of(ledger, session)
        assert (parked.state, parked.entered_at) == (SessionState.PARKED, NOON)


async def test_a_car_enters_by_its_code_and_the_crossing_spends_it(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger)

        admitted = await present(ledger, typed(session.gate_code))
        await finish(ledger, admitted)

        assert await present(ledger, typed(session.gate_code)) == Refused(Reason.WRONG_CODE)


async def test_a_code_is_not_spent_by_who_backs_out(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger)
        first = await present(ledger, typed(session.gate_code))
        await finish(ledger, first, effect=Effect.BACKED_OUT)

        again = await present(ledger, typed(session.gate_code))

        assert isinstance(again, Admitted)
        assert isinstance(first, Admitted)
        assert again.admission != first.admission


async def test_one_stay_is_not_let_in_at_two_lanes(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger)
        await present(ledger, a_plate())

        second = await present(
            ledger, typed(session.gate_code), gate=replace(a_gate(), lane="north-in-2")
        )

        assert second == Refused(Reason.WRONG_CODE)


async def test_a_car_leaves_by_its_plate_and_pays_for_started_minutes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        session = await a_parked_car(ledger)
        clock.advance(90 * 60)

        await finish(ledger, await present(ledger, a_plate(), EXIT), EXIT)

        left = await now_of(ledger, session)
        assert left.state is SessionState.COMPLETED
        assert left.ended_at == NOON + timedelta(minutes=90)
        assert left.amount_minor == 525
        assert ledger.one("SELECT COUNT(*) FROM spaces WHERE holder IS NOT NULL") == 0


async def test_a_car_leaves_by_its_code(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_parked_car(ledger)

        admitted = await present(ledger, typed(session.gate_code), EXIT)

        assert isinstance(admitted, Admitted)
        assert admitted.session == session.session


async def test_who_stands_at_an_exit_is_let_out_unknown(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_parked_car(ledger)

        admitted = await present(ledger, StandsThere(), EXIT)
        await finish(ledger, admitted, EXIT)

        assert isinstance(admitted, Admitted)
        assert admitted.session is None
        assert (await now_of(ledger, session)).state is SessionState.PARKED


async def test_two_exits_that_let_the_same_stay_out_record_both_cars(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_parked_car(ledger)
        by_plate = await present(ledger, a_plate(), EXIT)
        elsewhere = replace(a_gate(EXIT), lane="east-out")
        by_code = await present(ledger, typed(session.gate_code), EXIT, gate=elsewhere)
        await finish(ledger, by_plate, EXIT)

        await finish(ledger, by_code, EXIT)

        assert (await now_of(ledger, session)).state is SessionState.COMPLETED
        assert ledger.one("SELECT COUNT(*) FROM admissions WHERE outcome IS NULL") == 0


async def test_ending_a_stay_prices_it_and_leaving_later_costs_no_more(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        session = await a_parked_car(ledger)
        clock.advance(60 * 60)
        ended = await ledger.submit(End(LOT, "key:1", session.session))
        clock.advance(60 * 60)

        await finish(ledger, await present(ledger, a_plate(), EXIT), EXIT)

        left = await now_of(ledger, session)
        assert (ended.amount_minor, ended.state) == (350, SessionState.LEAVING)
        assert (left.amount_minor, left.ended_at) == (350, ended.ended_at)


async def test_a_price_once_told_never_rises_also_when_the_car_stays(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        session = await a_parked_car(ledger)
        clock.advance(60 * 60)
        await ledger.submit(End(LOT, "key:1", session.session))
        admitted = await present(ledger, a_plate(), EXIT)
        await finish(ledger, admitted, EXIT, Effect.BACKED_OUT)
        clock.advance(60 * 60)

        again = await ledger.submit(End(LOT, "key:1", session.session))

        assert again.amount_minor == 350
        assert again == await now_of(ledger, session)


@pytest.mark.parametrize(
    ("presented", "reason"),
    [
        (a_plate("OTHER 1"), Reason.NOT_EXPECTED),
        (typed("123456789"), Reason.MISTYPED_CODE),
    ],
)
async def test_a_refusal_is_recorded_once_for_a_presence(
    tmp_path: Path, presented: Presented, reason: Reason
) -> None:
    async with open_ledger(tmp_path) as ledger:
        await a_booked_lot(ledger)

        first = await present(ledger, presented)
        again = await present(ledger, presented, already=frozenset({reason}))

        assert first == again == Refused(reason)
        refusals = records_of(ledger, PresentationRefused)
        assert [record.reason for record in refusals] == [reason]


async def test_twins_are_refused_by_plate_and_let_in_by_code(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger, plate="ABCO")
        await ledger.submit(a_booking("ABC0"))

        by_plate = await present(ledger, a_plate("ABCD"))
        by_code = await present(ledger, typed(session.gate_code))

        assert by_plate == Refused(Reason.TWIN_PLATE)
        assert isinstance(by_code, Admitted)
        assert by_code.session == session.session


async def test_twins_that_are_parked_keep_no_booked_one_out(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03", "S-04")))
        for plate in ("ABCO", "ABC0", "ABCQ"):
            await ledger.submit(a_booking(plate))
            await finish(ledger, await present(ledger, a_plate(plate)))
        last = await ledger.submit(a_booking("ABCD"))

        admitted = await present(ledger, a_plate("ABCD"))

        assert isinstance(admitted, Admitted)
        assert admitted.session == last.session


async def test_a_misread_car_enters_by_what_its_plate_may_say_and_both_are_recorded(
    tmp_path: Path,
) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger, plate="A8C1234")

        admitted = await present(ledger, a_plate("ABC1234", A8C1234=-2.5))

        assert isinstance(admitted, Admitted)
        assert admitted.session == session.session
        (grant,) = records_of(ledger, AdmissionGranted)
        assert grant.personal == Personal(plate="ABC1234")
        await finish(ledger, admitted)
        left = await present(ledger, a_plate("ABC1234", A8C1234=-2.5), EXIT)
        assert isinstance(left, Admitted)
        assert left.session == session.session


async def test_one_frame_lets_in_by_what_it_reads_alone(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await a_booked_lot(ledger, plate="A8C1234")

        misread = await present(ledger, a_plate("ABC1234", frames=1, A8C1234=-0.5))
        read = await present(ledger, a_plate("A8C1234", frames=1))

        assert misread == Refused(Reason.NOT_EXPECTED)
        assert isinstance(read, Admitted)


async def test_a_stranger_is_nobody_however_many_look_alike(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03")))
        for plate in ("A8C1234", "ABC1235", "ABC123"):
            await ledger.submit(a_booking(plate))

        seen = a_plate("ABC1234", A8C1234=-6.5, ABC1235=-7.0)

        assert await present(ledger, seen) == Refused(Reason.NOT_EXPECTED)


async def test_two_that_a_plate_may_say_are_let_in_by_code(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger, plate="A8C1234")
        await ledger.submit(a_booking("A3C1234"))

        by_plate = await present(ledger, a_plate("ABC1234", A8C1234=-1.0, A3C1234=-2.0))
        by_code = await present(ledger, CodeTyped(session.gate_code, parse_plate("ABC1234")))

        assert by_plate == Refused(Reason.TWIN_PLATE)
        assert isinstance(by_code, Admitted)
        (grant,) = records_of(ledger, AdmissionGranted)
        assert (grant.means, grant.personal) == (Means.CODE, Personal(plate="ABC1234"))


async def let_in_by_codes(ledger: OpenLedger, *misread: tuple[str, str]) -> None:
    """Let vehicles in by code, whose plate is the first, and was read as the second."""
    for plate, reading in misread:
        session = await ledger.submit(a_booking(plate))
        by_code = CodeTyped(session.gate_code, parse_plate(reading))
        await finish(ledger, await present(ledger, by_code))


THRICE = (("BX1", "8X1"), ("BX2", "8X2"), ("BX3", "8X3"))


async def test_a_lane_learns_what_its_camera_misreads(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03", "S-04")))
        session = await ledger.submit(a_booking("ABC1234"))
        seen = a_plate("A8C1234", ABC1234=-6.0)

        before = await present(ledger, seen)
        await let_in_by_codes(ledger, *THRICE)
        after = await present(ledger, seen)

        assert before == Refused(Reason.NOT_EXPECTED)
        assert isinstance(after, Admitted)
        assert after.session == session.session


async def test_a_damaged_reading_is_passed_over(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03", "S-04")))
        await ledger.submit(a_booking("ABC1234"))
        await let_in_by_codes(ledger, *THRICE)
        with closing(sqlite3.connect(ledger.path)) as connection, connection:
            connection.execute(
                "UPDATE journal SET personal = substr(personal, 2) WHERE type = 'admission_granted'"
            )

        seen = await present(ledger, a_plate("A8C1234", ABC1234=-6.0))

        assert seen == Refused(Reason.NOT_EXPECTED)


async def test_a_lane_learns_nothing_from_another_camera(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03", "S-04")))
        await ledger.submit(a_booking("ABC1234"))
        await let_in_by_codes(ledger, *THRICE)

        gate = replace(a_gate(), lane="south-in")

        assert await present(ledger, a_plate("A8C1234", ABC1234=-6.0), gate=gate) == Refused(
            Reason.NOT_EXPECTED
        )


async def test_who_backed_out_has_confirmed_nothing(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03", "S-04")))
        await ledger.submit(a_booking("ABC1234"))
        await let_in_by_codes(ledger, *THRICE[:2])
        session = await ledger.submit(a_booking("BX3"))
        by_code = await present(ledger, CodeTyped(session.gate_code, parse_plate("8X3")))
        await finish(ledger, by_code, effect=Effect.BACKED_OUT)

        seen = await present(ledger, a_plate("A8C1234", ABC1234=-6.0))

        assert seen == Refused(Reason.NOT_EXPECTED)


async def test_who_is_not_expected_here_is_not_what_a_plate_may_say(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await a_booked_lot(ledger, plate="A8C1234")

        leaving = await present(ledger, a_plate("ABC1234", A8C1234=-1.0), EXIT)

        assert leaving == Refused(Reason.NOT_EXPECTED)


async def test_all_that_a_plate_may_say_is_looked_up_at_once(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger, plate="Z31")
        others: dict[str, Any] = {f"Z{number}": -3.0 for number in range(32)}

        admitted = await present(ledger, a_plate("ABC1234", **others))

        assert isinstance(admitted, Admitted)
        assert admitted.session == session.session


async def test_wrong_guesses_lock_the_keypad_also_over_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        session = await a_booked_lot(ledger)
        wrong = typed(another_code(session.gate_code))
        already = frozenset({Reason.WRONG_CODE})
        for _ in range(3):
            assert await present(ledger, wrong, already=already) == Refused(Reason.WRONG_CODE)
    async with open_ledger(tmp_path, clock=clock) as ledger:
        right = typed(session.gate_code)
        locked = await present(ledger, right)
        clock.advance(20)

        opened = await present(ledger, right)

        assert locked == Refused(Reason.KEYPAD_LOCKED)
        assert isinstance(opened, Admitted)
        assert ledger.one("SELECT COUNT(*) FROM keypads") == 0


async def test_a_locked_keypad_locks_no_other_lane_and_no_plate(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger)
        for _ in range(3):
            await present(ledger, typed(another_code(session.gate_code)))

        assert isinstance(await present(ledger, a_plate()), Admitted)


async def test_the_order_is_recorded_with_the_admission_and_a_deadline(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await a_booked_lot(ledger)

        admitted = await present(ledger, a_plate(), gate=a_gate(last_order=41, passages=7))

        assert isinstance(admitted, Admitted)
        (order,) = records_of(ledger, VendOrdered)
        assert (order.order, order.admission) == (42, admitted.admission)
        assert order.before == NOON + VEND_DEADLINE
        (grant,) = records_of(ledger, AdmissionGranted)
        assert (grant.means, grant.passages_before) == (Means.PLATE, 7)


async def test_no_order_number_is_used_twice_under_one_token(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await a_booked_lot(ledger)
        admitted = await present(ledger, a_plate(), gate=a_gate(last_order=41))
        assert isinstance(admitted, Admitted)

        more = [
            await ledger.submit(OrderVend(a_gate(last_order=last), admitted.admission))
            for last in (0, 41, 60)
        ]

        assert [admitted.order, *more] == [42, 43, 44, 61]


async def test_the_first_end_of_an_order_counts(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await a_booked_lot(ledger)
        admitted = await present(ledger, a_plate())
        assert isinstance(admitted, Admitted)

        for outcome in (VendOutcome.FAILED, VendOutcome.OPENED):
            await ledger.submit(FinishVend("lane:north-in", admitted.order, "north-in", outcome))

        assert ledger.one("SELECT outcome FROM orders") == "failed"


async def test_an_admission_that_was_left_open_is_found_again(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        session = await a_booked_lot(ledger)
        admitted = await present(ledger, a_plate(), gate=a_gate(passages=7))
    async with open_ledger(tmp_path) as ledger:
        found = await ledger.submit(FindOpenAdmission(LOT, "north-in", 50.0))
        elsewhere = await ledger.submit(FindOpenAdmission(LOT, "south-out", 50.0))

        assert isinstance(admitted, Admitted)
        assert found == (an_admission(admitted.admission, at=50.0, session=session.session), 7)
        assert elsewhere is None


async def test_a_stay_that_is_told_to_have_crossed_twice_at_once_crosses_once(
    tmp_path: Path,
) -> None:
    async with open_ledger(tmp_path) as ledger:
        stay = await a_booked_lot(ledger)
        leaving = a_grant(stay.session).model_copy(update={"admission": "adm_2"})
        await ledger.submit(Recording([a_grant(stay.session), a_crossing(stay.session), leaving]))
        crossed = Finding(Effect.CROSSED, an_admission(session=stay.session))

        await ledger.submit(RecordFindings(a_gate(EXIT), [crossed, crossed]))

        rows = [row for row in ledger.rows() if row.type == "crossed"]
        sessions = [parse_record(row.body, None).session for row in rows]  # type: ignore[union-attr]
        assert sessions == [stay.session, stay.session, None]
