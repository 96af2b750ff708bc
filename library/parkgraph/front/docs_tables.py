"""The tables of `/docs`: states, plans, errors and limits, each from where it is decided."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from html import escape
from typing import Final

from parkgraph.front.bodies import DEEPEST, MOST_VALUES
from parkgraph.front.contract import (
    LONGEST_BODY,
    LONGEST_END_USER_ID,
    LONGEST_IDEMPOTENCY_KEY,
    RateClass,
)
from parkgraph.front.docs_html import field, prose, table
from parkgraph.front.limits import END_USER, STRANGER, budgets_of_key
from parkgraph.front.meanings import MEANINGS
from parkgraph.front.openapi import OPERATIONS, about
from parkgraph.front.parameters import HEADERS
from parkgraph.journal.answers import KEPT_FOR
from parkgraph.model.api import LONGEST_EXTENSION, LONGEST_STAY, MOST_LISTED, MOST_OBSERVATIONS
from parkgraph.model.api.sessions import STATUS
from parkgraph.model.errors import HTTP_STATUS
from parkgraph.model.loans import HOLD
from parkgraph.model.observations import COUNTS_FOR
from parkgraph.model.scopes import SCOPES_OF, Scope
from parkgraph.model.sessions import SessionState

_STATES: Final[Mapping[SessionState, str]] = {
    SessionState.RESERVED: "The space is held; the vehicle is awaited.",
    SessionState.ARRIVING: "The entry is open for the vehicle; it is not through yet.",
    SessionState.PARKED: "The vehicle is inside.",
    SessionState.LEAVING: "The stay was ended or the exit is open; the vehicle is not through yet.",
    SessionState.COMPLETED: "The vehicle has left.",
    SessionState.NO_SHOW: "Nobody came while the space was held.",
    SessionState.CANCELLED: "It was cancelled before the vehicle came. It costs nothing.",
    SessionState.VOID: "Another booking of the vehicle counts, or the space was taken back.",
    SessionState.ALLOTTED: "The space is lent to the cloud and not sold: nobody's to read.",
}
_MEANING_OF: Final[Mapping[Scope, str]] = {
    Scope.SESSIONS_READ: "read and follow stays",
    Scope.SESSIONS_WRITE: "book, extend, cancel and end stays",
    Scope.LOTS_READ: "find lots; spaces, rates, status",
    Scope.OBSERVATIONS_WRITE: "upload what was seen in spaces",
    Scope.AGENTS_WRITE: "register agents",
    Scope.INTELLIGENCE_READ: "read the activity feed",
    Scope.KEYS: "make, list and revoke keys",
    Scope.RATES_WRITE: "change rates",
    Scope.AUDIT_READ: "read and export the audit log",
}


def lasting(span: timedelta) -> str:
    """Return a span in words, in the largest unit of which it is a number."""
    for unit, name in (
        (timedelta(days=1), "days"),
        (timedelta(hours=1), "hours"),
        (timedelta(minutes=1), "minutes"),
    ):
        if span >= unit * 2 and not span % unit:
            return f"{span // unit} {name}"
    return f"{span // timedelta(seconds=1)} seconds"


def states() -> str:
    """Return each state and the status that it is shown as."""
    return table(
        ("State", "Status", "Meaning"),
        (
            (f"<code>{state}</code>", f"<code>{status}</code>", prose(_STATES[state]))
            for state, status in STATUS.items()
        ),
    )


def plans() -> str:
    """Return each scope and the plans that include it."""
    return table(
        ("Scope", *(plan.value for plan in SCOPES_OF)),
        (
            (
                _scope(scope),
                *("yes" if scope in included else "no" for included in SCOPES_OF.values()),
            )
            for scope in Scope
        ),
    )


def errors() -> str:
    """Return each error, what it says and what to do about it."""
    return table(
        ("Code", "Status", "Meaning", "What to do"),
        (
            (
                f"<code>{code}</code>",
                str(status),
                prose(MEANINGS[code].what),
                prose(MEANINGS[code].remedy),
            )
            for code, status in HTTP_STATUS.items()
        ),
        marks=(f"error-{code}" for code in HTTP_STATUS),
    )


def budgets() -> str:
    """Return how often one may call."""
    return table(("Calls a minute", "Of whom"), _budgets())


def sizes() -> str:
    """Return how much there may be of everything else."""
    return table(("At most", "Of what"), ((amount, prose(what)) for amount, what in _SIZES))


def headers() -> str:
    """Return the headers of answers."""
    rows = (field(name, "", f"{header['description']}.") for name, header in HEADERS.items())
    return f'<dl class="fields">{"".join(rows)}</dl>'


def _scope(scope: Scope) -> str:
    name = scope.replace(":", ":<wbr>")
    return f"<code>{name}</code> <span>{prose(_MEANING_OF[scope])}</span>"


def _budgets() -> Iterator[tuple[str, str]]:
    calls: dict[str, list[str]] = {}
    for operation in OPERATIONS:
        link = f'<a href="#{operation.handle.__name__}">{escape(about(operation)[0])}</a>'
        calls.setdefault(operation.rate_class, []).append(link)
    public = budgets_of_key(is_sandbox=False, requests_per_minute=None)
    for rate_class, budget in public.items():
        of_what = "all other calls together"
        if rate_class is not RateClass.OTHER:
            of_what = f"together: {', '.join(calls[rate_class])}"
        yield str(budget.per_minute), f"each key, {of_what}"
    sandbox = budgets_of_key(is_sandbox=True, requests_per_minute=None)
    yield str(sandbox[RateClass.OTHER].per_minute), prose("each `pk_test_` key, all calls together")
    yield (
        str(END_USER.per_minute),
        prose("each end user that `X-End-User-Id` tells of, all calls together"),
    )
    yield str(STRANGER.per_minute), "each address without a key that works"


_SIZES: Final = (
    (f"{LONGEST_BODY:,} bytes", "in a body"),
    (f"{DEEPEST} levels", "of nesting in a body"),
    (f"{MOST_VALUES:,} values", "in a body"),
    (f"{MOST_LISTED}", "stays, rows, items or keys in one answer"),
    (f"{MOST_OBSERVATIONS:,}", "observations in one upload"),
    (f"{LONGEST_IDEMPOTENCY_KEY} characters", "in an `Idempotency-Key`"),
    (f"{LONGEST_END_USER_ID} characters", "in an `X-End-User-Id`"),
    (lasting(HOLD), "for which a space is held for a vehicle on its way, unless it is extended"),
    (lasting(LONGEST_STAY), "of expected duration"),
    (lasting(LONGEST_EXTENSION), "in one extension"),
    (lasting(KEPT_FOR), "for which an answer is kept under its `Idempotency-Key`"),
    (lasting(COUNTS_FOR), "for which an observation counts"),
)
