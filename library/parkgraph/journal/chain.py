"""A row of the journal and the chain that ties it to the one before."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

# What a database takes; a number beyond it would end the program that was sent it.
Count = Annotated[int, Field(ge=0, lt=2**63)]

# What the first row of a journal is chained to.
GENESIS: Final = "0" * 64

# The stream of what the cloud decides for no lot in particular; no lot can have that name.
CLOUD: Final = "@cloud"


def text_of_time(at: datetime) -> str:
    """Return `at` as journals keep it: UTC, to a millisecond, so that texts sort as times do."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stream_of_cloud(lot: str) -> str:
    """Return the stream of what the cloud decides for `lot`. The lot's own is named as the lot."""
    return f"{lot}/cloud"


def lot_of(stream: str) -> str:
    """Return the lot that `stream` is of."""
    return stream.partition("/")[0]


class Row(BaseModel):
    """One record as it is kept and sent: the texts that were hashed, and their hash.

    `digest` is the salted SHA-256 of the personal part; `hash` covers it and not the part itself,
    so the part can be removed and the chain still verifies.
    """

    model_config = ConfigDict(frozen=True)

    seq: Count
    at: str
    actor: str
    subject: str
    type: str
    body: str
    personal: str | None
    salt: str
    digest: str
    hash: str

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> "Row":
        """Take the columns of the `journal` table."""
        return cls.model_validate({name: columns[name] for name in cls.model_fields}, strict=True)


class Head(BaseModel):
    """How far a journal, or a copy of it, has come."""

    model_config = ConfigDict(frozen=True)

    epoch: Count
    seq: Count
    hash: str


def digest_personal(salt: str, personal: str | None) -> str:
    """Return the salted digest of a personal part; of the empty text where there is none."""
    return hashlib.sha256(f"{salt}:{personal or ''}".encode()).hexdigest()


def hash_row(stream: str, epoch: int, row: Row, *, previous: str) -> str:
    """Return the hash that `row` must have after a row with the hash `previous`.

    What `row` has for a hash itself does not count.
    """
    told = [row.seq, row.at, row.actor, row.subject, row.type, row.body, row.digest]
    covered = [previous, stream, epoch, *told]
    return hashlib.sha256(json.dumps(covered, ensure_ascii=True).encode()).hexdigest()


def first_fault(stream: str, head: Head, rows: list[Row]) -> str | None:
    """Return why `rows` do not follow on `head`, or None when each of them does."""
    previous, seq = head.hash, head.seq
    for row in rows:
        seq += 1
        if row.seq != seq:
            return f"row {row.seq} stands where {seq} belongs"
        if row.personal is not None and digest_personal(row.salt, row.personal) != row.digest:
            return f"row {row.seq}: the personal part does not fit its digest"
        if hash_row(stream, head.epoch, row, previous=previous) != row.hash:
            return f"row {row.seq}: its hash does not follow from the row before"
        previous = row.hash
    return None
