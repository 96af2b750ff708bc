"""What lots charge, and the command that changes it."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from parkgraph.front.contract import Principal
from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.epochs import is_recovering
from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.api import RatesRequest
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.rates import RateCard
from parkgraph.model.records import RatesChanged
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

SQL: Final = load_queries("parkgraph_cloud", "rates.sql")


@dataclass(frozen=True, slots=True)
class ChangeRates:
    """Let a lot charge something else from whoever books from now on."""

    lot: str
    principal: Principal
    request: RatesRequest

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return self.principal.actor

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[RateCard]:
        """Return what the lot charges then.

        Raises:
            CallRefusedError: there is no such lot, the amounts make no rate card, or the cloud was
                restored and waits for the lot.
        """
        row = connection.execute(SQL["currency"], {"lot": self.lot}).fetchone()
        if row is None:
            raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such lot", field="lot")
        if is_recovering(connection, stream_of_cloud(self.lot)):
            raise CallRefusedError(
                ErrorCode.LOT_OFFLINE, "the cloud was restored and waits for the lot"
            )
        asked = self.request
        try:
            card = RateCard(
                version=f"r{moment.at:%Y%m%d-%H%M%S}-{moment.random(2).hex()}",
                currency=row["currency"],
                unit=asked.rate_unit,
                unit_minor=asked.rate_minor,
                autonomous_unit_minor=asked.autonomous_rate_minor,
                increment_minutes=asked.increment_minutes,
                grace_minutes=asked.grace_minutes,
                daily_cap_minor=asked.daily_cap_minor,
                tax_basis_points=asked.tax_basis_points,
            )
        except ValidationError as error:
            fault = error.errors()[0]
            raise CallRefusedError(
                ErrorCode.BAD_REQUEST,
                fault["msg"].removeprefix("Value error, "),
                field=".".join(map(str, fault["loc"])),
            ) from error
        return Decision(card, [RatesChanged(card=card)])


async def rates_of(reader: Reader, lot: str) -> RateCard:
    """Return what `lot` charges who books now: what the cloud has set, else as it is configured.

    A card in other money than the lot's is not used there, and so neither here.

    Raises:
        CallRefusedError: there is no such lot, or it has not told yet what it charges.
    """
    row = await reader.one(SQL["cards"], {"lot": lot})
    if row is None:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such lot", field="lot")
    for text in (row["card"], row["configured"]):
        card = RateCard.model_validate_json(text) if text else None
        if card and card.currency == row["currency"]:
            return card
    raise CallRefusedError(
        ErrorCode.UNAVAILABLE, "the lot has not told yet what it charges; ask the lot itself"
    )
