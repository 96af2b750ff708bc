"""The vectors by which programs in other languages test themselves say what this one does."""

import hashlib
import json
from datetime import datetime
from typing import Any, Final

import pytest

from parkgraph.journal.chain import GENESIS, Head, Row, digest_personal, first_fault
from parkgraph.model.codes import check_digit, is_well_formed
from parkgraph.model.money import from_minor
from parkgraph.model.rates import Price, RateCard
from tests.vectors import FOLDER, documents


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


RATES: Final = read("rates")
CODES: Final = read("codes")
CHAIN: Final = read("chain")


@pytest.mark.parametrize("name", documents())
def test_a_file_is_as_it_was_generated(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == documents()[name]
    assert len(json.loads(documents()[name])["about"]) > 100


@pytest.mark.parametrize("stay", RATES["stays"], ids=lambda stay: stay["name"])
def test_a_stay_costs_what_was_worked_out_by_hand(stay: dict[str, Any]) -> None:
    card = RateCard.model_validate(RATES["cards"][stay["card"]])
    entered, ended = (datetime.fromisoformat(stay[name]) for name in ("entered_at", "ended_at"))

    price = card.rate_for(autonomous=stay["autonomous"]).price(ended - entered)

    assert price == Price(stay["net_minor"], stay["tax_minor"])
    assert str(from_minor(price.total_minor, card.currency)) == stay["total"]


@pytest.mark.parametrize(("digits", "check"), CODES["check_digits"].items())
def test_a_check_digit_is_that_of_damm(digits: str, check: str) -> None:
    assert check_digit(digits) == check


@pytest.mark.parametrize(("code", "is_code"), CODES["well_formed"].items())
def test_a_gate_code_is_told_from_a_slip(code: str, *, is_code: bool) -> None:
    assert is_well_formed(code) is is_code


def test_the_hashes_of_rows_follow_one_on_another() -> None:
    rows = [Row.of(row) for row in CHAIN["rows"]]
    before = Head(epoch=CHAIN["epoch"], seq=0, hash=GENESIS)

    assert first_fault(CHAIN["stream"], before, rows) is None


@pytest.mark.parametrize("row", CHAIN["rows"], ids=lambda row: row["type"])
def test_a_hash_is_that_of_what_it_is_said_to_cover(row: dict[str, Any]) -> None:
    assert hashlib.sha256(row["covered"].encode()).hexdigest() == row["hash"]


def test_a_personal_part_that_was_erased_leaves_its_digest() -> None:
    *_, kept, erased = CHAIN["rows"]

    assert digest_personal(kept["salt"], kept["personal"]) == kept["digest"]
    assert erased["personal"] is None
    assert digest_personal(erased["salt"], None) != erased["digest"]
