"""What the contract of `/api/v1` is made of: operations, callers, and the port behind the door."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, Literal, Protocol, TypeVar, final

from pydantic import BaseModel

from parkgraph.journal.answers import Outcome, Seal, Told
from parkgraph.journal.chain import Row
from parkgraph.model.api import (
    ActivityItem,
    AgentBody,
    AgentRequest,
    Availability,
    KeyBody,
    KeyRequest,
    LotBody,
    Observation,
    RatesRequest,
    SessionRequest,
    SessionsQuery,
    StatusAnswer,
)
from parkgraph.model.errors import ErrorCode
from parkgraph.model.rates import RateCard
from parkgraph.model.scopes import Scope
from parkgraph.model.sessions import Session

LONGEST_BODY: Final = 1_048_576
LONGEST_IDEMPOTENCY_KEY: Final = 255
LONGEST_END_USER_ID: Final = 128


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose key it is, and what it may do. `fleet` is set where the key belongs to one fleet.

    A key makes its owner one of the two kinds below. Who has none is of neither kind.
    """

    key_id: str
    fleet: str | None
    scopes: frozenset[Scope]

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return f"key:{self.key_id}"

    @property
    def is_test(self) -> bool:
        """Whether the key is a `pk_test_` one."""
        return isinstance(self, SandboxPrincipal)


@final
@dataclass(frozen=True, slots=True)
class LivePrincipal(Principal):
    """The owner of a `pk_live_` key."""


@final
@dataclass(frozen=True, slots=True)
class SandboxPrincipal(Principal):
    """The owner of a `pk_test_` key. What he reaches is a `SyntheticSite`: see `views.reach`."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a stay; `place` names it to who wants those after it. The stay is as it is now.

    An event without a name says only that the stream still lives.
    """

    place: str
    name: str
    at: datetime
    session: Session


@dataclass(frozen=True, slots=True)
class Audited:
    """A row of the audit log, and where it stands."""

    stream: str
    epoch: int
    row: Row


class Port(Protocol):
    """What lot and cloud each implement behind the front door.

    What is written is answered with what `seal` shows of it. Raises of all: `CallRefusedError`
    where what is asked may not be, `UnavailableError` where it cannot be now.
    """

    scope: Literal["lot", "cloud"]

    async def lot(self, principal: Principal, lot: str) -> LotBody:
        """Return a lot that `principal` may reach: `pk_test_` keys synthetic ones only."""
        ...

    async def lots(self, principal: Principal) -> Sequence[LotBody]:
        """Return all lots that `principal` may reach."""
        ...

    async def availability(self, lot: str) -> Availability:
        """Count the free spaces of a lot that was found by `lot`."""
        ...

    async def rates(self, lot: str) -> RateCard:
        """Return what such a lot charges who books now."""
        ...

    async def session(self, session: str) -> Session | None:
        """Return one stay, or None."""
        ...

    async def sessions(self, fleet: str, query: SessionsQuery) -> Sequence[Session]:
        """Return stays of a fleet that fit `query`, newest first, at most `query.limit`."""
        ...

    async def reserve(
        self, principal: Principal, request: SessionRequest, seal: Seal[Session]
    ) -> Told:
        """Promise a space: of a lot its own, of the cloud one that a lot lent it."""
        ...

    async def end(self, principal: Principal, session: Session, seal: Seal[Session]) -> Told:
        """Cancel a stay that is awaited; price one that is inside and let it out."""
        ...

    async def cancel(self, principal: Principal, session: Session, seal: Seal[Session]) -> Told:
        """Cancel a stay that is awaited."""
        ...

    async def extend(
        self, principal: Principal, session: Session, minutes: int, seal: Seal[Session]
    ) -> Told:
        """Hold the space for longer, or expect a longer stay."""
        ...

    def events(self, session: Session, after: str | None) -> AsyncGenerator[Happened, None]:
        """Tell what happens to a stay, from the place `after` on, until it is over."""
        ...

    async def observe(
        self,
        principal: Principal,
        lot: str,
        observations: Sequence[Observation],
        seal: Seal[int],
    ) -> Told:
        """Take what was seen in spaces of such a lot; the outcome is in how many."""
        ...

    async def audit(
        self, lot: str, *, after: str | None, limit: int
    ) -> tuple[Sequence[Audited], str | None]:
        """Return rows of such a lot's journal from the place `after` on, and where more are."""
        ...

    async def activity(
        self, lots: Sequence[str], *, limit: int, before: str | None
    ) -> Sequence[ActivityItem]:
        """Return what happened last at such lots, the newest first."""
        ...

    async def status(self, lots: Sequence[str]) -> StatusAnswer:
        """Say how this side and such lots are now."""
        ...


class CloudPort(Port, Protocol):
    """What the cloud alone owns."""

    async def change_rates(
        self, principal: Principal, lot: str, request: RatesRequest, seal: Seal[RateCard]
    ) -> Told:
        """Change what a lot charges who books from now on."""
        ...

    async def create_key(
        self, principal: Principal, request: KeyRequest, seal: Seal[tuple[KeyBody, str]]
    ) -> Told:
        """Make a key; the outcome has the key itself."""
        ...

    async def keys(self, fleet: str | None) -> Sequence[KeyBody]:
        """Return the keys that work, of one fleet or all, the newest first, at most 200."""
        ...

    async def delete_key(self, principal: Principal, key: str, seal: Seal[KeyBody]) -> Told:
        """Revoke a key: here at once, at the lots when they hear of it."""
        ...

    async def register_agent(
        self, principal: Principal, request: AgentRequest, seal: Seal[AgentBody]
    ) -> Told:
        """Note an agent."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as far as an operation needs it. `idempotency` is a digest."""

    principal: Principal
    method: str
    target: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str | None
    body: bytes
    idempotency: str | None = None
    last_event: str | None = None

    def seal(
        self,
        show: Callable[[Outcome], BaseModel],
        *,
        show_again: Callable[[Outcome], BaseModel] | None = None,
    ) -> Seal[Outcome]:
        """Return how this call is answered, and known when it is sent again."""
        asked = f"{self.method} {self.target}\n".encode() + self.body
        return Seal(
            self.idempotency,
            hashlib.sha256(asked).hexdigest(),
            lambda outcome: show(outcome).model_dump_json(),
            (lambda outcome: show_again(outcome).model_dump_json()) if show_again else None,
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is sent as it comes."""

    media_type: str
    chunks: AsyncGenerator[bytes, None]
    headers: Mapping[str, str]


class RateClass(StrEnum):
    """Which budget of requests a minute a call counts against."""

    CREATE = "create"
    READ = "read"  # search, availability, rates
    OTHER = "other"


P_contra = TypeVar("P_contra", bound=Port, contravariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[P_contra]):
    """One row of the contract. What callers read of it is the docstring of `handle`.

    `errors` are the codes that only some operations answer with; see `ERRORS_OF_ALL`. Who has no
    key may call what `is_public`. `media` is what a stream is of.
    """

    method: str
    path: str
    status: int
    handle: Callable[[P_contra, Call], Awaitable[BaseModel | Told | Stream]]
    scope: Scope
    answer: type[BaseModel]
    request: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    errors: tuple[ErrorCode, ...] = ()
    rate_class: RateClass = RateClass.OTHER
    is_public: bool = False
    media: str = "application/json"
