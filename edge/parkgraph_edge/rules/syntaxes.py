"""How the plates of a country are made up.

Source: the registration rules in force, as the countries' own pages and Wikipedia's "Vehicle
registration plates of ..." give them. A is a letter, 9 a digit, as most national texts write them.
"""

from collections.abc import Mapping
from typing import Final

SYNTAXES: Final[Mapping[str, tuple[str, ...]]] = {
    "AR": ("AA999AA", "AAA999"),
    "BR": ("AAA9A99", "AAA9999"),
    "CL": ("AAAA99", "AA9999"),
    "CO": ("AAA999",),
    "ES": ("9999AAA",),
    "FR": ("AA999AA",),
    "GB": ("AA99AAA", "A999AAA"),
    "HU": ("AAAA999", "AAA999"),
    "IE": ("99A9999", "999A9999", "999A99999", "99A99999"),
    "IT": ("AA999AA",),
    "MX": ("AAA999A", "AAA9999"),
    "NL": ("99AAA9", "9AAA99", "AA999A", "A999AA", "99AAAA", "AAAA99", "AAA99A", "AA99AA"),
    "NO": ("AA99999",),
    "PT": ("AA99AA", "99AA99", "9999AA", "AA9999"),
    "RO": ("AA99AAA", "A99AAA", "A999AAA"),
    "SE": ("AAA999", "AAA99A"),
    "TR": ("99A9999", "99AA999", "99AA9999", "99AAA99", "99AAA999"),
    "ZA": ("AA99AAAA", "AAA999AA"),
}
"""By ISO 3166 country. Those that allow nearly anything, as the states of the US do, have none."""
