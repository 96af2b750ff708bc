"""API keys: how they are made, kept and recognised. Source: the public API document."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from parkgraph.front.contract import LivePrincipal, Principal, RateClass, SandboxPrincipal
from parkgraph.front.limits import Budget, budgets_of_key
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import KeyTerms
from parkgraph.model.scopes import SCOPES_OF, Plan, Scope

ID_LENGTH: Final = 12
RANDOM_BYTES: Final = 40
_KEY: Final = re.compile(r"(pk_(?:live|test)_)([A-Za-z0-9_-]{12})([A-Za-z0-9_-]{4,116})")
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that this side knows, ready to be compared with one that is sent."""

    digest: bytes
    principal: Principal
    budgets: Mapping[RateClass, Budget]
    expires_at: datetime | None = None


class KeyRing(Protocol):
    """Where keys are found by their id, in memory."""

    def find(self, key_id: str) -> KnownKey | None:
        """Return the key with that id; None where there is none that works."""
        ...


@dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that are known from the start, such as the one that a program is configured with."""

    keys: Mapping[str, KnownKey]

    def find(self, key_id: str) -> KnownKey | None:
        """See `KeyRing.find`."""
        return self.keys.get(key_id)


# Compared with where there is no such key, so that an unknown id costs what a wrong secret does.
_NOBODY: Final = KnownKey(bytes(32), Principal("", None, frozenset()), {})


def new_key(random: bytes, *, is_test: bool) -> str:
    """Return a key made of `RANDOM_BYTES` of randomness: 12 characters of id, 52 of secret."""
    number = int.from_bytes(random[:RANDOM_BYTES], "big")
    text = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 320, 5))
    return f"pk_{'test' if is_test else 'live'}_{text}"


def id_of(key: str) -> str:
    """Return the part of a key that journals and logs may show."""
    return key[8 : 8 + ID_LENGTH]


def digest_of(key: str) -> bytes:
    """Return what is kept of a key: HMAC-SHA256 of all of it under its id.

    A key is random enough that nobody finds it by trying, so a slow hash would protect nothing.
    """
    return hmac.digest(id_of(key).encode(), key.encode(), hashlib.sha256)


def configured_key(
    key: str, *, fleet: str | None = None, requests_per_minute: int | None = None
) -> FixedKeys:
    """Return the ring of the one key that a program is configured with.

    It may do all that the operator may, or, where it belongs to a `fleet`, what a fleet may.
    `requests_per_minute` takes the place of the public limits.
    """
    is_test = key.startswith("pk_test_")
    scopes = SCOPES_OF[Plan.FLEET if fleet else Plan.OPERATOR]
    principal = _kind(is_test=is_test)(id_of(key), fleet, scopes)
    budgets = budgets_of_key(is_sandbox=is_test, requests_per_minute=requests_per_minute)
    return FixedKeys({id_of(key): KnownKey(digest_of(key), principal, budgets)})


def known_key(key_id: str, terms: KeyTerms) -> KnownKey:
    """Return an issued key, ready to be compared; scopes of a newer cloud mean nothing here."""
    scopes = frozenset(scope for scope in Scope if scope in terms.scopes)
    return KnownKey(
        bytes.fromhex(terms.digest),
        _kind(is_test=terms.is_test)(key_id, terms.fleet, scopes),
        budgets_of_key(is_sandbox=terms.is_test, requests_per_minute=terms.requests_per_minute),
        terms.expires_at,
    )


def recognise(ring: KeyRing, authorization: str | None, now: datetime) -> KnownKey:
    """Return whose the `Authorization` header is.

    Raises:
        CallRefusedError: there is none, or it holds no key that works.
    """
    scheme, _, text = (authorization or "").partition(" ")
    found = _KEY.fullmatch(text.strip()) if scheme.lower() == "bearer" else None
    key = text.strip() if found else ""
    known = (ring.find(id_of(key)) if key else None) or _NOBODY
    is_right = hmac.compare_digest(digest_of(key), known.digest)
    is_over = known.expires_at is not None and known.expires_at <= now
    if not is_right or known is _NOBODY or is_over:
        raise CallRefusedError(
            ErrorCode.UNAUTHORIZED, "send a valid key: `Authorization: Bearer pk_live_…`"
        )
    return known


def _kind(*, is_test: bool) -> type[LivePrincipal | SandboxPrincipal]:
    return SandboxPrincipal if is_test else LivePrincipal
