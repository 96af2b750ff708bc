"""Money: whole minor units of one currency, and how people write them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from parkgraph.runtime.errors import RefusedError

# ISO 4217 list one, as of January 2026; metals, test codes and codes without a minor unit left out.
_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP "
        "BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB "
        "EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
        "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
        "MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD "
        "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
        "TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

CURRENCY_EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {code: exponent for exponent, codes in _CODES.items() for code in codes.split()}
)
"""Active ISO 4217 codes, each with the number of decimals it has."""

_PLAIN: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,4})?")


class AmountError(RefusedError, ValueError):
    """What was given is no amount of that currency."""


def to_minor(text: str | Decimal, currency: str) -> int:
    """Return the amount `text` of `currency` in minor units: "3.50" of USD is 350.

    Raises:
        AmountError: no plain decimal number, too many decimals, or no such currency.
    """
    exponent = _exponent(currency)
    written = format(text, "f") if isinstance(text, Decimal) else text
    if not _PLAIN.fullmatch(written):
        raise AmountError(f"{written!r} is not a plain decimal number such as 3.50")
    whole, _, decimals = written.partition(".")
    if len(decimals) > exponent:
        raise AmountError(f"{written} has {len(decimals)} decimals, {currency} has {exponent}")
    return int(whole + decimals.ljust(exponent, "0"))


def from_minor(amount: int, currency: str) -> Decimal:
    """Return `amount` minor units of `currency` as a decimal with all its decimals.

    Raises:
        AmountError: no such currency.
    """
    return Decimal(amount).scaleb(-_exponent(currency))


def _exponent(currency: str) -> int:
    if currency not in CURRENCY_EXPONENTS:
        raise AmountError(f"{currency!r} is not an active ISO 4217 code")
    return CURRENCY_EXPONENTS[currency]
