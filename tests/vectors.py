"""Test vectors for programs in any language: `python -m tests.vectors` writes `config/vectors`.

Amounts and check digits were worked out by hand, so that they are no echo of our own code; hashes
were made by it, and frozen.
"""

import json
from pathlib import Path
from typing import Any, Final

from parkgraph.journal.chain import GENESIS, Row, digest_personal, hash_row

FOLDER: Final = Path(__file__).parents[1] / "config" / "vectors"

STREET: Final[dict[str, Any]] = {
    "version": "street",
    "currency": "USD",
    "unit": "hour",
    "unit_minor": 350,
    "increment_minutes": 15,
    "grace_minutes": 10,
    "daily_cap_minor": 2400,
    "tax_basis_points": 950,
    "autonomous_unit_minor": 250,
}
PLAIN: Final = STREET | {
    "version": "plain",
    "increment_minutes": 1,
    "grace_minutes": 0,
    "daily_cap_minor": None,
    "tax_basis_points": 0,
    "autonomous_unit_minor": None,
}
BY_DAY: Final = PLAIN | {
    "version": "by day",
    "unit": "day",
    "unit_minor": 1800,
    "increment_minutes": 60,
}
YEN: Final = PLAIN | {
    "version": "yen",
    "currency": "JPY",
    "unit_minor": 400,
    "increment_minutes": 30,
    "daily_cap_minor": 1800,
    "tax_basis_points": 1000,
}
DINAR: Final = PLAIN | {
    "version": "dinar",
    "currency": "KWD",
    "unit_minor": 250,
    "tax_basis_points": 500,
}
CARDS: Final = {card["version"]: card for card in (STREET, PLAIN, BY_DAY, YEN, DINAR)}

_IN: Final = "2026-06-01T12:00:00Z"
# Card, who drives, in, out, net, tax, and what is paid, in the currency's own decimals.
STAYS: Final = (
    ("at the end of the grace", "street", False, _IN, "2026-06-01T12:10:00Z", 0, 0, "0.00"),
    ("after the grace", "street", False, _IN, "2026-06-01T12:10:01Z", 87, 8, "0.95"),
    ("one increment", "street", False, _IN, "2026-06-01T12:15:00Z", 87, 8, "0.95"),
    ("a second one started", "street", False, _IN, "2026-06-01T12:15:01Z", 175, 16, "1.91"),
    ("one hour", "street", False, _IN, "2026-06-01T13:00:00Z", 350, 33, "3.83"),
    ("just below the cap", "street", False, _IN, "2026-06-01T18:45:00Z", 2362, 224, "25.86"),
    ("just above the cap", "street", False, _IN, "2026-06-01T18:45:01Z", 2400, 228, "26.28"),
    ("24 hours", "street", False, _IN, "2026-06-02T12:00:00Z", 2400, 228, "26.28"),
    ("a second day started", "street", False, _IN, "2026-06-02T12:00:01Z", 2487, 236, "27.23"),
    ("30 days", "street", False, _IN, "2026-07-01T12:00:00Z", 72000, 6840, "788.40"),
    ("nobody drives", "street", True, _IN, "2026-06-01T14:00:00Z", 500, 47, "5.47"),
    (
        "nobody drives, one price for all",
        "plain",
        True,
        _IN,
        "2026-06-01T14:00:00Z",
        700,
        0,
        "7.00",
    ),
    ("a clock that was set back", "street", False, _IN, "2026-06-01T11:59:55Z", 0, 0, "0.00"),
    ("a started minute", "plain", False, _IN, "2026-06-01T12:00:01Z", 5, 0, "0.05"),
    (
        "noon to noon over a night of 25 hours",
        "street",
        False,
        "2026-10-31T12:00:00-07:00",
        "2026-11-01T12:00:00-08:00",
        2750,
        261,
        "30.11",
    ),
    (
        "noon to noon over a night of 23 hours",
        "plain",
        False,
        "2026-03-07T12:00:00-08:00",
        "2026-03-08T12:00:00-07:00",
        8050,
        0,
        "80.50",
    ),
    ("by the day, a started hour", "by day", False, _IN, "2026-06-01T12:00:01Z", 75, 0, "0.75"),
    ("a day and a half", "by day", False, _IN, "2026-06-03T00:00:00Z", 2700, 0, "27.00"),
    ("no decimals", "yen", False, _IN, "2026-06-01T12:20:00Z", 200, 20, "220"),
    ("no decimals, three increments", "yen", False, _IN, "2026-06-01T13:01:00Z", 600, 60, "660"),
    ("no decimals, the cap", "yen", False, _IN, "2026-06-01T16:31:00Z", 1800, 180, "1980"),
    ("no decimals, a third day", "yen", False, _IN, "2026-06-03T12:10:00Z", 3800, 380, "4180"),
    ("three decimals, one minute", "dinar", False, _IN, "2026-06-01T12:01:00Z", 4, 0, "0.004"),
    ("three decimals, 47 minutes", "dinar", False, _IN, "2026-06-01T12:47:00Z", 195, 9, "0.204"),
    ("three decimals, 90 minutes", "dinar", False, _IN, "2026-06-01T13:30:00Z", 375, 18, "0.393"),
)
_STAY: Final = (
    "name", "card", "autonomous", "entered_at", "ended_at", "net_minor", "tax_minor", "total",
)  # fmt: skip

# The first is the example of the literature; gate codes have eight digits before the check digit.
CHECK_DIGITS: Final = {
    "572": "4",
    "00000000": "0",
    "10000000": "6",
    "12345678": "6",
}
CODES: Final = {
    "123456786": True,
    "123456787": False,
    "213456786": False,
    "12345678": False,
    "1234567866": False,
    "12345678x": False,
}

_ROWS: Final = (
    ("system", "lot", "lot_described", '{"type":"lot_described"}', None, "00" * 16),
    (
        "key:1",
        "sess_1",
        "session_reserved",
        '{"type":"session_reserved","session":"sess_1","note":"Köln \\"A\\""}',
        '{"plate":"K-ÖL 123","gate_code":"123456786"}',
        "a1" * 16,
    ),
    (
        "lane:north-in",
        "sess_1",
        "admission_granted",
        '{"type":"admission_granted","session":"sess_1"}',
        '{"plate":"K-ÖL 123"}',
        "b2" * 16,
    ),
)


def rates() -> dict[str, Any]:
    """Return what stays cost, on several cards."""
    return {
        "about": (
            "What a stay costs. Money is in minor units; `total` is net and tax together, in the"
            " currency's own decimals. Time that passed between entered_at and ended_at is charged:"
            " nothing up to grace_minutes, else all of it by started increments, at most"
            " daily_cap_minor for each started 24 hours. The increments of a part of a day cost"
            " unit_minor * minutes / 60 (unit hour) or / 1440 (unit day), rounded down once; the"
            " tax is net * tax_basis_points / 10000, rounded down, and added. Who is autonomous"
            " pays autonomous_unit_minor where that is not null."
        ),
        "cards": CARDS,
        "stays": [dict(zip(_STAY, stay, strict=True)) for stay in STAYS],
    }


def codes() -> dict[str, Any]:
    """Return check digits, and gate codes that are and are not well formed."""
    return {
        "about": (
            "Gate codes: eight digits and a check digit by the algorithm of Damm, with the"
            " quasigroup of order 10 of his dissertation (Marburg 2004). A keypad tells a slip of"
            " the finger from a wrong code by it."
        ),
        "check_digits": CHECK_DIGITS,
        "well_formed": CODES,
    }


def chain() -> dict[str, Any]:
    """Return rows of a journal and what their hashes cover; the last has lost its personal part."""
    stream, epoch, previous = "elm-street", 7, GENESIS
    rows: list[dict[str, Any]] = []
    for seq, (actor, subject, kind, body, personal, salt) in enumerate(_ROWS, 1):
        row = Row(
            seq=seq,
            at=f"2026-06-01T12:00:0{seq}.000Z",
            actor=actor,
            subject=subject,
            type=kind,
            body=body,
            personal=personal,
            salt=salt,
            digest=digest_personal(salt, personal),
            hash="",
        )
        told = [seq, row.at, actor, subject, kind, body, row.digest]
        covered = json.dumps([previous, stream, epoch, *told], ensure_ascii=True)
        previous = hash_row(stream, epoch, row, previous=previous)
        rows.append(row.model_dump() | {"hash": previous, "covered": covered})
    rows[-1]["personal"] = None
    return {
        "about": (
            "Rows of a journal. hash is the SHA-256 of `covered` in UTF-8: a JSON array of the hash"
            " of the row before (of the first: 64 zeros), stream, epoch, seq, at, actor, subject,"
            " type, body and digest; with one blank after each comma, and all but ASCII as \\uXXXX."
            " digest is the SHA-256 of salt, a colon and personal (nothing where there is none) in"
            " UTF-8. The personal part of the last row was erased: its digest stays, so the chain"
            " still verifies."
        ),
        "stream": stream,
        "epoch": epoch,
        "rows": rows,
    }


def documents() -> dict[str, str]:
    """Return the text of each file."""
    made = {"rates": rates(), "codes": codes(), "chain": chain()}
    return {
        f"{name}.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        for name, document in made.items()
    }


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
