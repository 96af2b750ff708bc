"""Commands about API keys, which the cloud owns."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from parkgraph.front.contract import Principal
from parkgraph.front.keys import RANDOM_BYTES, digest_of, id_of, new_key
from parkgraph.journal.chain import CLOUD
from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.api import MOST_LISTED, KeyBody, KeyRequest
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import KeyIssued, KeyRevoked, KeyTerms
from parkgraph.model.scopes import SCOPES_OF, Plan, Scope
from parkgraph.runtime.queries import load_queries

SQL: Final = load_queries("parkgraph_cloud", "keys.sql")

# Says whether that is the id of the key that this program is configured with.
IsConfigured = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class IssueKey:
    """Make a key; the one that it replaces goes on for a while."""

    principal: Principal
    request: KeyRequest
    is_configured: IsConfigured

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.principal.actor

    def decide(
        self, connection: sqlite3.Connection, moment: Moment
    ) -> Decision[tuple[KeyBody, str]]:
        """Return what the key may do, and the key itself, of which only a digest is recorded.

        Raises:
            CallRefusedError: the caller may not manage the key that it replaces, or the fleet has
                as many keys as can be listed.
        """
        request = self.request
        working = connection.execute(
            SQL["working_keys"], working_at(moment.at, request.fleet_id)
        ).fetchall()
        if len(working) >= MOST_LISTED:
            raise CallRefusedError(
                ErrorCode.CONFLICT, f"there are {MOST_LISTED} keys; delete one that is not used"
            )
        key = new_key(moment.random(RANDOM_BYTES), is_test=request.test)
        terms = KeyTerms(
            name=request.name,
            digest=digest_of(key).hex(),
            is_test=request.test,
            plan=request.plan,
            scopes=tuple(sorted(frozenset(request.scopes) or SCOPES_OF[request.plan])),
            fleet=request.fleet_id,
            requests_per_minute=request.requests_per_minute,
            created_at=moment.at,
        )
        records = [KeyIssued(key=id_of(key), terms=terms)]
        if request.replaces:
            old = self._replaced(connection, request.replaces, moment.at)
            records.append(KeyIssued(key=request.replaces, terms=old))
        return Decision((show_key(id_of(key), terms), key), records)

    def _replaced(self, connection: sqlite3.Connection, key: str, now: datetime) -> KeyTerms:
        old = _managed(connection, key, self.principal, self.is_configured, field="replaces")
        ends = now + timedelta(minutes=self.request.overlap_minutes)
        return old.model_copy(update={"expires_at": min(old.expires_at or ends, ends)})


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Let a key work no more."""

    principal: Principal
    key: str
    is_configured: IsConfigured

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.principal.actor

    def decide(self, connection: sqlite3.Connection, _: Moment) -> Decision[KeyBody]:
        """Return what the key was.

        Raises:
            CallRefusedError: there is none that the caller may manage.
        """
        terms = _managed(connection, self.key, self.principal, self.is_configured, field="key")
        return Decision(show_key(self.key, terms), [KeyRevoked(key=self.key, known=None)])


@dataclass(frozen=True, slots=True)
class HeedRevocations:
    """Revoke what lots know to be revoked: a cloud that was restored has forgotten that."""

    actor: str = "cloud"

    def decide(self, connection: sqlite3.Connection, _: Moment) -> Decision[tuple[str, ...]]:
        """Return the keys."""
        rows = connection.execute(SQL["revoked_at_lots"], {"cloud": CLOUD, "limit": MOST_LISTED})
        keys = tuple(row["key"] for row in rows)
        return Decision(keys, [KeyRevoked(key=key, known=None) for key in keys])


def show_key(key: str, terms: KeyTerms) -> KeyBody:
    """Return an issued key as `/api/v1` shows it."""
    return KeyBody(
        id=key,
        prefix=f"pk_{'test' if terms.is_test else 'live'}_{key}",
        name=terms.name,
        fleet_id=terms.fleet,
        plan=Plan(terms.plan),
        scopes=tuple(Scope(scope) for scope in terms.scopes),
        test=terms.is_test,
        requests_per_minute=terms.requests_per_minute,
        created_at=terms.created_at,
        expires_at=terms.expires_at,
    )


def working_at(now: datetime, fleet: str | None) -> Mapping[str, Any]:
    """Return the parameters that find the keys which work at `now`, of one fleet or all."""
    at = in_json(now)
    return {"cloud": CLOUD, "fleet": fleet, "now": at, "limit": MOST_LISTED}


def in_json(at: datetime) -> str:
    """Return a time as records write it."""
    return at.isoformat().replace("+00:00", "Z")


def _managed(
    connection: sqlite3.Connection,
    key: str,
    principal: Principal,
    is_configured: IsConfigured,
    *,
    field: str,
) -> KeyTerms:
    """Return the terms of a key that `principal` may manage.

    Raises:
        CallRefusedError: there is none; it stands in the configuration.
    """
    if is_configured(key) and (principal.fleet is None or principal.key_id == key):
        raise CallRefusedError(
            ErrorCode.CONFLICT,
            "this key stands in the cloud's configuration: put another into the file that"
            " [api] key_file of cloud.toml names, and start the cloud again",
            field=field,
        )
    row = connection.execute(SQL["key"], {"cloud": CLOUD, "key": key}).fetchone()
    terms = KeyTerms.model_validate_json(row["terms"]) if row else None
    is_own = terms is not None and principal.fleet in {None, terms.fleet}
    if terms is None or not is_own or (principal.is_test and not terms.is_test):
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such key", field=field)
    return terms
