"""Keys and agents, as `/api/v1` makes and lists them."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from parkgraph.model.api.parts import Asked, Body, Identifier
from parkgraph.model.scopes import Plan, Scope

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class KeyRequest(Asked):
    """Ask for an API key."""

    name: Name = Field(description="what it is for, for people: 1 to 100 characters on one line")
    fleet_id: Identifier | None = Field(
        default=None,
        description="fleet that the key belongs to: all it books is that fleet's, and it sees no"
        " other's; leave it out for a key of the operator",
    )
    plan: Annotated[Plan, Field(strict=False)] = Field(
        default=Plan.FLEET, description="what was subscribed to; it bounds the scopes"
    )
    scopes: Annotated[tuple[Annotated[Scope, Field(strict=False)], ...], Field(strict=False)] = (
        Field(
            default=(), description="what the key may do; all that the plan includes when left out"
        )
    )
    test: bool = Field(
        default=False, description="true for a `pk_test_` key, which reaches synthetic lots only"
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="calls a minute of each class, in place of the public limits; only the"
        " operator may give it",
    )
    replaces: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="id of a key that this one takes the place of: that one goes on for"
        " `overlap_minutes`, then no more",
    )
    overlap_minutes: Annotated[int, Field(ge=0, le=1440)] = Field(
        default=1440, description="for how long both keys work, where `replaces` is given"
    )


class KeyBody(Body):
    """An API key, without its secret."""

    id: str = Field(description="id of the key: the part that journals and logs show")
    prefix: str = Field(description="how the key begins, to recognise it by")
    name: str = Field(description="what it is for")
    fleet_id: str | None = Field(description="fleet that it belongs to; null: the operator's")
    plan: Plan = Field(description="what was subscribed to")
    scopes: tuple[Scope, ...] = Field(description="what it may do")
    test: bool = Field(description="true for a `pk_test_` key")
    requests_per_minute: int | None = Field(description="in place of the public limits, else null")
    created_at: AwareDatetime = Field(description="when it was made")
    expires_at: AwareDatetime | None = Field(description="when it ends; null: it does not")


class KeyAnswer(Body):
    """One key."""

    api_key: KeyBody = Field(description="the key, without its secret")
    key: str | None = Field(
        description="the key itself, told this once: keep it; null when the same request is"
        " answered again, and when a key is deleted"
    )


class KeysQuery(Asked):
    """Which keys to list."""

    fleet_id: Identifier | None = Field(default=None, description="only those of this fleet")


class KeysAnswer(Body):
    """Keys that work."""

    api_keys: tuple[KeyBody, ...] = Field(description="the newest first, at most 200")


class AgentRequest(Asked):
    """Make an agent known: a program that calls for people."""

    name: Name = Field(description="its name, for people: 1 to 100 characters on one line")
    purpose: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="what it does for them"
    )


class AgentBody(Body):
    """An agent."""

    id: str = Field(description="id of the agent")
    name: str = Field(description="its name")
    purpose: str | None = Field(description="what it does")
    registered_at: AwareDatetime = Field(description="when it was registered")


class AgentAnswer(Body):
    """One agent."""

    agent: AgentBody = Field(description="the agent")
