"""What a key may do: scopes, and the plans that include them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """What one kind of call needs."""

    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    LOTS_READ = "lots:read"
    OBSERVATIONS_WRITE = "observations:write"
    AGENTS_WRITE = "agents:write"
    INTELLIGENCE_READ = "intelligence:read"
    KEYS = "keys"
    RATES_WRITE = "rates:write"
    AUDIT_READ = "audit:read"


class Plan(StrEnum):
    """What was subscribed to."""

    STARTER = "starter"
    FLEET = "fleet"
    OPERATOR = "operator"


_STARTER: Final = frozenset({Scope.SESSIONS_READ, Scope.SESSIONS_WRITE, Scope.LOTS_READ})
_FLEET: Final = _STARTER | {
    Scope.OBSERVATIONS_WRITE,
    Scope.AGENTS_WRITE,
    Scope.INTELLIGENCE_READ,
    Scope.KEYS,
}
SCOPES_OF: Final[Mapping[Plan, frozenset[Scope]]] = {
    Plan.STARTER: _STARTER,
    Plan.FLEET: _FLEET,
    Plan.OPERATOR: frozenset(Scope),
}
