"""What is told about the past and the present: audit log, activity, status."""

from typing import Literal

from pydantic import AwareDatetime, ConfigDict, Field

from parkgraph.model.api.parts import Body, Identifier, Page


class AuditRow(Body):
    """A row of the audit log, chained to the one before. Personal data stands apart from it.

    `digest` is the salted SHA-256 of the personal part; `hash` covers all but that part itself.
    """

    stream: str = Field(description="the lot's own decisions, or `…/cloud`: the cloud's for it")
    epoch: str = Field(description="which run of the chain it is in")
    seq: int = Field(description="its place in it, from 1, without gaps")
    at: str = Field(description="when, in UTC: for people; order is by `seq`")
    actor_type: str = Field(description="who: `key`, `lane`, `cloud` or `system`")
    actor_id: str = Field(description="which one")
    subject: str = Field(description="what it is about")
    type: str = Field(description="what happened")
    diff: str = Field(description="what was decided: the JSON text that was hashed")
    digest: str = Field(description="of the personal part")
    hash: str = Field(description="of this row and the one before")


class AuditAnswer(Body):
    """Rows of the audit log of a lot, in their order."""

    rows: tuple[AuditRow, ...] = Field(description="in the order in which they were written")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")


class ActivityQuery(Page):
    """Which activity to list."""

    lot_id: Identifier | None = Field(default=None, description="only what happened at this lot")


class ActivityItem(Body):
    """Something that happened."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, validate_by_name=True)

    id: str = Field(description="id of the event")
    date_published: str = Field(description="when, in UTC")
    content_text: str = Field(description="who did what, for people; no plate and no gate code")
    tags: tuple[str, ...] = Field(description="type of the event, and `attention` where one is due")
    lot_id: str = Field(alias="_lot_id", description="lot where it happened")


class ActivityFeed(Body):
    """The newest events as a feed. Source: JSON Feed 1.1."""

    version: Literal["https://jsonfeed.org/version/1.1"] = Field(
        default="https://jsonfeed.org/version/1.1", description="of the format"
    )
    title: str = Field(description="what this is")
    items: tuple[ActivityItem, ...] = Field(description="the newest first")


class LotStatus(Body):
    """How a lot is."""

    lot_id: str = Field(description="the lot")
    link: Literal["up", "down", "unknown"] = Field(description="whether it is linked to the cloud")
    as_of: AwareDatetime | None = Field(description="when it was last heard, in UTC")
    away: dict[str, str] = Field(description="parts that do not work now, and why")


class StatusAnswer(Body):
    """How this side, and the lots that it knows, are now."""

    status: Literal["ok", "degraded"] = Field(description="`degraded` where something is away")
    version: str = Field(description="version of the program")
    as_of: AwareDatetime = Field(description="when this was told, in UTC")
    lots: tuple[LotStatus, ...] = Field(description="the lots that it knows, by id")
