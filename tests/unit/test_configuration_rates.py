"""What a stay costs as `edge.toml` says, until the cloud sets other rates."""

from pathlib import Path

import pytest

from parkgraph.model.rates import RateCard
from parkgraph_edge.settings import EdgeSettings, load_settings
from tests.builders import an_api_key, the_documented_configuration

RATES = """
[rates]
increment_minutes = 15
grace_minutes = 10
daily_cap = "24"
tax_percent = "9.5"
autonomous_rate_per_hour = "2.50"
"""


def settings_of(folder: Path, more: str = "") -> EdgeSettings:
    an_api_key(folder)
    file = folder / "edge.toml"
    file.write_text(the_documented_configuration() + more)
    return load_settings(file).settings


def test_without_the_table_each_started_minute_counts(tmp_path: Path) -> None:
    card = settings_of(tmp_path).rate_card

    expected = RateCard(version=card.version, currency="USD", unit_minor=350)
    assert card == expected


def test_what_the_table_says_is_on_the_card(tmp_path: Path) -> None:
    card = settings_of(tmp_path, RATES).rate_card

    assert card == RateCard(
        version=card.version,
        currency="USD",
        unit_minor=350,
        increment_minutes=15,
        grace_minutes=10,
        daily_cap_minor=2400,
        tax_basis_points=950,
        autonomous_unit_minor=250,
    )


@pytest.mark.parametrize(
    ("percent", "basis_points"), [("0", 0), ("8.25", 825), ("19", 1900), ("100.00", 10_000)]
)
def test_a_percentage_becomes_basis_points(tmp_path: Path, percent: str, basis_points: int) -> None:
    card = settings_of(tmp_path, RATES.replace("9.5", percent)).rate_card

    assert card.tax_basis_points == basis_points


def test_the_version_names_what_is_on_the_card(tmp_path: Path) -> None:
    card, again = (settings_of(tmp_path, RATES).rate_card for _ in range(2))
    other = settings_of(tmp_path, RATES.replace("15", "30")).rate_card

    assert card.version.startswith("configured-")
    assert card.version == again.version
    assert card.version != other.version


def test_a_lot_is_real_and_nowhere_unless_it_says_so(tmp_path: Path) -> None:
    lot = settings_of(tmp_path).lot

    assert (lot.latitude, lot.longitude, lot.synthetic) == (None, None, False)


def test_a_lot_says_where_it_is_and_that_it_is_simulated(tmp_path: Path) -> None:
    an_api_key(tmp_path)
    file = tmp_path / "edge.toml"
    place = 'id = "elm-street"\nlatitude = 34.0522\nlongitude = -118.2437\nsynthetic = true\n'
    file.write_text(the_documented_configuration().replace('id = "elm-street"\n', place))

    lot = load_settings(file).settings.lot

    assert (lot.latitude, lot.longitude, lot.synthetic) == (34.0522, -118.2437, True)
