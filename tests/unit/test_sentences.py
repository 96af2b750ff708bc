"""Every record is told to an operator as a sentence of who did what."""

from datetime import UTC, datetime
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AgentRegistered,
    AllotmentGranted,
    AllotmentReclaimed,
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    AllotmentsRenewed,
    AnyRecord,
    BookingTaken,
    BootTold,
    CancelAsked,
    ClockAnchored,
    ConflictFound,
    Crossed,
    CrossedUnadmitted,
    Direction,
    EndAsked,
    EpochBegan,
    ExtensionAsked,
    HoldExtended,
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    KeyTerms,
    LaneDescription,
    LotDescribed,
    Means,
    NoShowDeclared,
    Personal,
    PresentationRefused,
    RatesChanged,
    RatesSet,
    Reason,
    SessionCancelled,
    SessionEnded,
    SessionExtended,
    SessionReserved,
    SessionTold,
    SessionVoided,
    SpaceClass,
    SpaceDescription,
    SpaceReassigned,
    VendFinished,
    VendOrdered,
    VendOutcome,
)
from parkgraph.model.sentences import Stay, sentence, wants_attention

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)
CARD = RateCard(version="summer", currency="USD", unit_minor=350)
TERMS = KeyTerms(
    name="AV",
    digest="0",
    is_test=True,
    plan="fleet",
    scopes=("sessions:write",),
    fleet="fleet-1",
    created_at=NOON,
)
STAY = Stay(plate="AV-1234", vin=None, space="S-03", currency="USD")

A_SALE: dict[str, Any] = {
    "session": "ses_1",
    "fleet": None,
    "autonomous": True,
    "space": "S-03",
    "entry_lane": "north-in",
    "rate": CARD.rate_for(autonomous=True),
    "expected_minutes": 120,
    "estimated_minor": 700,
    "hold_until": NOON,
}
A_STAY = A_SALE | {"state": "parked"}

SENTENCES: list[tuple[AnyRecord, str]] = [
    (
        LotDescribed(
            name="Elm Street",
            time_zone="America/Los_Angeles",
            currency="USD",
            spaces=(SpaceDescription(space="S-01", space_class=SpaceClass.STANDARD),) * 2,
            lanes=(LaneDescription(lane="north-in", direction=Direction.ENTRY),) * 3,
        ),
        "lot described: 2 spaces, 3 lanes",
    ),
    (
        SessionReserved(
            session="ses_1",
            fleet=None,
            autonomous=True,
            space="S-03",
            entry_lane="north-in",
            rate=CARD.rate_for(autonomous=True),
            expected_minutes=120,
            estimated_minor=700,
            hold_until=NOON,
        ),
        "S-03 reserved for AV-1234 until 12:00:00",
    ),
    (
        AdmissionGranted(
            admission="adm_1",
            session="ses_1",
            lane="north-in",
            direction=Direction.ENTRY,
            presence="p",
            means=Means.PLATE,
            passages_before=0,
            confidence=0.971,
        ),
        "AV-1234 admitted at north-in by plate (0.97)",
    ),
    (
        VendOrdered(
            order=12, token=1, admission="adm_1", lane="north-in", open_seconds=8, before=NOON
        ),
        "order 12: north-in to open for 8 s",
    ),
    (
        VendFinished(
            order=12, lane="north-in", outcome=VendOutcome.OPENED, decision_to_boom_ms=210
        ),
        "order 12: boom moved after 210 ms",
    ),
    (
        VendFinished(order=12, lane="north-in", outcome=VendOutcome.TOO_LATE),
        "order 12: too late, not carried out",
    ),
    (
        Crossed(admission="adm_1", session="ses_1", lane="north-in", direction=Direction.ENTRY),
        "AV-1234 crossed north-in → parked in S-03",
    ),
    (
        Crossed(
            admission="adm_1",
            session="ses_1",
            lane="south-out",
            direction=Direction.EXIT,
            amount_minor=350,
        ),
        "AV-1234 crossed south-out → left, 3.50 USD",
    ),
    (
        AdmissionLapsed(admission="adm_1", session="ses_1", lane="north-in", why="backed_out"),
        "AV-1234 backed out of north-in",
    ),
    (
        CrossedUnadmitted(lane="south-out", direction=Direction.EXIT, vehicles=2),
        "2 vehicles crossed south-out without an admission",
    ),
    (
        PresentationRefused(
            lane="north-in",
            presence="p",
            means=Means.CODE,
            reason=Reason.WRONG_CODE,
            locked_until=NOON,
        ),
        "refused at north-in by code: wrong code; keypad locked until 12:00:00",
    ),
    (SessionEnded(session="ses_1", amount_minor=350), "stay of AV-1234 ended: 3.50 USD"),
    (NoShowDeclared(session="ses_1"), "AV-1234 did not come; S-03 is free again"),
    (
        EpochBegan(why="fork", predecessor=None),
        "the journal goes on under a new epoch (fork)",
    ),
    (
        SessionTold(**A_STAY, reserved_at=NOON, entered_at=None, ended_at=None, amount_minor=None),
        "told again: AV-1234 in S-03, parked",
    ),
    (
        AllotmentGranted(
            session="ses_1",
            space="S-03",
            entry_lane="north-in",
            rates=CARD,
            asked_at=NOON,
            lasts_seconds=86400,
        ),
        "S-03 lent to the cloud for 24 h",
    ),
    (
        AllotmentsRenewed(sessions=("ses_1", "ses_2"), asked_at=NOON, lasts_seconds=3600),
        "2 lent spaces lent for 1 h more",
    ),
    (
        AllotmentReclaimed(session="ses_1", why="expired"),
        "S-03 is the lot's again: the loan is over",
    ),
    (
        BookingTaken(
            session="ses_1",
            fleet=None,
            autonomous=True,
            rate=CARD.rate_for(autonomous=True),
            expected_minutes=120,
            estimated_minor=700,
            hold_until=NOON,
        ),
        "booking of AV-1234 for S-03 came from the cloud",
    ),
    (SessionCancelled(session="ses_1"), "booking of AV-1234 cancelled"),
    (
        SessionVoided(session="ses_1", kept="ses_2"),
        "booking of AV-1234 is void: it came under ses_2",
    ),
    (HoldExtended(session="ses_1", hold_until=NOON), "space of AV-1234 held until 12:00:00"),
    (
        SpaceReassigned(session="ses_1", space="S-04", before="S-03"),
        "AV-1234 gets S-04 for S-03, which is lost",
    ),
    (
        ConflictFound(session="ses_1", kind="space_lost", what="refund"),
        "please look, session ses_1: refund",
    ),
    (
        ClockAnchored(boot="b1", boot_ms=5_400_000, is_trusted=True),
        "the clock is right, 1.5 h after a boot",
    ),
    (
        ClockAnchored(boot="b1", boot_ms=0, is_trusted=False),
        "the clock may be wrong, 0 h after a boot",
    ),
    (
        BootTold(
            boot="b1",
            number=1,
            last_ms=5_400_000,
            last_at=NOON,
            is_trusted=False,
            right_ms=None,
            right_at=None,
        ),
        "told again: a boot that lasted 1.5 h, until 12:00:00",
    ),
    (
        Crossed(
            admission="adm_1",
            session="ses_1",
            lane="south-out",
            direction=Direction.EXIT,
            amount_minor=350,
            elapsed_seconds=9000,
            is_in_doubt=True,
            over_seconds=5400,
        ),
        (
            "AV-1234 crossed south-out → left, 1.5 h after its end, 3.50 USD for the 2.5 h that are"
            " proven"
        ),
    ),
    (
        SessionEnded(session="ses_1", amount_minor=350, elapsed_seconds=3600, is_in_doubt=True),
        "stay of AV-1234 ended: 3.50 USD for the 1 h that are proven",
    ),
    (KeyBarred(key="abc"), "key abc books here no more"),
    (AllotmentsAsked(asked_at=NOON), "the cloud asks for spaces to sell"),
    (
        AllotmentSold(**A_SALE, arrive_within_seconds=1800),
        "S-03 sold to AV-1234 in the cloud",
    ),
    (AllotmentReturned(session="ses_1"), "the cloud returns S-03"),
    (CancelAsked(session="ses_1"), "AV-1234 cancelled in the cloud"),
    (ExtensionAsked(session="ses_1", minutes=30), "AV-1234 asks for 0.5 h more"),
    (KeyRevoked(key="abc", known=None), "key abc revoked"),
    (KeyIssued(key="abc", terms=TERMS), "key abc issued to fleet-1"),
    (KeyAccepted(key="abc", terms=TERMS), "key abc is known here"),
    (RatesChanged(card=CARD), "rates to be 3.50 USD per hour (summer)"),
    (RatesSet(card=CARD), "rates are 3.50 USD per hour (summer) now"),
    (AgentRegistered(agent="ag_1", name="Concierge", purpose=None), "agent Concierge registered"),
    (EndAsked(session="ses_1"), "AV-1234 ends the stay in the cloud"),
    (
        SessionExtended(
            session="ses_1", hold_until=None, expected_minutes=180, estimated_minor=1050
        ),
        "stay of AV-1234 extended, 10.50 USD expected",
    ),
]


@pytest.mark.parametrize(("record", "expected"), SENTENCES)
def test_a_record_is_told_as_a_sentence(record: AnyRecord, expected: str) -> None:
    told = sentence(record, STAY, LOS_ANGELES)

    assert told == expected


def test_no_type_of_record_is_without_a_sentence() -> None:
    told = {type(record) for record, _ in SENTENCES}

    assert told == set(get_args(AnyRecord))


def test_an_exit_that_opens_for_whoever_stands_there_names_nobody() -> None:
    record = AdmissionGranted(
        admission="adm_1",
        session=None,
        lane="south-out",
        direction=Direction.EXIT,
        presence="p",
        means=Means.PRESENCE,
        passages_before=0,
    )

    told = sentence(record, Stay(), LOS_ANGELES)

    assert told == "an unknown vehicle let out at south-out by presence"


@pytest.mark.parametrize(
    ("read", "tail"),
    [("AV 1234", "(0.97)"), ("av-1234", "(0.97)"), ("AV-I234", "(0.97), read as AV-I234")],
)
def test_what_a_camera_read_is_told_where_it_is_not_the_plate_of_the_stay(
    read: str, tail: str
) -> None:
    admitted = SENTENCES[2][0].model_copy(update={"personal": Personal(plate=read)})

    assert sentence(admitted, STAY, LOS_ANGELES) == f"AV-1234 admitted at north-in by plate {tail}"


def test_a_gate_code_is_never_told() -> None:
    reserved = SENTENCES[1][0].model_copy(
        update={"personal": Personal(plate="AV-1234", gate_code="135792468")}
    )

    told = sentence(reserved, Stay(), LOS_ANGELES)

    assert "AV-1234" in told
    assert "135792468" not in told


def test_an_amount_without_a_known_currency_is_told_in_minor_units() -> None:
    told = sentence(SessionEnded(session="ses_1", amount_minor=350), Stay(), LOS_ANGELES)

    assert told == "stay of session ses_1 ended: 350 minor units"


@pytest.mark.parametrize("outcome", [VendOutcome.REFUSED, VendOutcome.FAILED, VendOutcome.TOO_LATE])
def test_an_order_that_did_not_move_the_boom_wants_attention(outcome: VendOutcome) -> None:
    assert wants_attention(VendFinished(order=1, lane="north-in", outcome=outcome))


def test_an_order_that_moved_the_boom_wants_none() -> None:
    opened = VendFinished(order=1, lane="north-in", outcome=VendOutcome.OPENED)

    assert not wants_attention(opened)
