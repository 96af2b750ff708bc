"""Operations on lots."""

import math
from datetime import timedelta
from typing import Final

from parkgraph.front.bodies import parse, parse_query
from parkgraph.front.contract import Call, CloudPort, Port
from parkgraph.journal.answers import Told
from parkgraph.model.api import (
    Availability,
    LotAnswer,
    LotBody,
    LotFound,
    LotsAnswer,
    ObservationsAnswer,
    ObservationsRequest,
    Quote,
    QuoteQuery,
    RatesBody,
    RatesRequest,
    SearchQuery,
    show_rates,
)
from parkgraph.model.money import from_minor
from parkgraph.model.observations import COUNTS_FOR
from parkgraph.model.rates import RateCard

EARTH_RADIUS_M: Final = 6_371_009


async def search_lots(port: Port, call: Call) -> LotsAnswer:
    """Find lots near a place, the nearest first.

    Lots that vehicles without a driver cannot use are left out unless `av=false`. A lot finds
    itself only. To find is not to hold: book to be sure of a space.
    """
    query = parse_query(SearchQuery, call.query)
    near = sorted(
        (
            (round(distance_m(query, lot)), lot.lot_id, lot)
            for lot in await port.lots(call.principal)
            if lot.latitude is not None and (lot.autonomous or not query.av)
        ),
        key=lambda found: found[:2],
    )
    found = [
        LotFound(lot=lot, distance_m=metres, availability=await port.availability(lot.lot_id))
        for metres, _, lot in near[: query.limit]
        if metres <= query.radius
    ]
    return LotsAnswer(lots=tuple(found), scope=port.scope)


def distance_m(query: SearchQuery, lot: LotBody) -> float:
    """Return the great-circle distance from where was searched. Source: the haversine formula."""
    assert lot.latitude is not None
    assert lot.longitude is not None
    south, north = math.radians(query.lat), math.radians(lot.latitude)
    east = math.radians(lot.longitude - query.lng)
    half = (
        math.sin((north - south) / 2) ** 2
        + math.cos(south) * math.cos(north) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


async def get_lot(port: Port, call: Call) -> LotAnswer:
    """Read about a lot."""
    return LotAnswer(lot=await port.lot(call.principal, call.path["lot"]))


async def lot_availability(port: Port, call: Call) -> Availability:
    """Count the free spaces of a lot.

    To count is not to hold: book to be sure of a space.
    """
    lot = await port.lot(call.principal, call.path["lot"])
    return await port.availability(lot.lot_id)


async def lot_rates(port: Port, call: Call) -> RatesBody:
    """Read what a lot charges who books now."""
    lot = await port.lot(call.principal, call.path["lot"])
    return show_rates(lot.lot_id, await port.rates(lot.lot_id))


async def lot_quote(port: Port, call: Call) -> Quote:
    """Tell what a stay would cost that is booked now.

    It holds nothing and binds nobody; a booking freezes the rates of its time.
    """
    query = parse_query(QuoteQuery, call.query)
    lot = await port.lot(call.principal, call.path["lot"])
    card = await port.rates(lot.lot_id)
    minutes = query.expected_duration_minutes
    price = card.rate_for(autonomous=query.autonomous).price(timedelta(minutes=minutes))
    return Quote(
        lot_id=lot.lot_id,
        rate_version=card.version,
        currency=card.currency,
        expected_duration_minutes=minutes,
        net_minor=price.net_minor,
        tax_minor=price.tax_minor,
        amount=from_minor(price.total_minor, card.currency),
        amount_minor=price.total_minor,
    )


async def upload_observations(port: Port, call: Call) -> Told:
    """Upload what was seen in the spaces of a lot, many at once.

    For a while no space that was seen occupied is promised while another is free.
    """
    request = parse(ObservationsRequest, call.content_type, call.body)
    lot = await port.lot(call.principal, call.path["lot"])

    def show(accepted: int) -> ObservationsAnswer:
        seconds = int(COUNTS_FOR.total_seconds())
        return ObservationsAnswer(accepted=accepted, counts_for_seconds=seconds)

    seal = call.seal(show)
    return await port.observe(call.principal, lot.lot_id, request.observations, seal)


async def change_rates(port: CloudPort, call: Call) -> Told:
    """Change what a lot charges who books from now on.

    Stays that are booked keep their price. The lot books at the new rates when it has heard of
    them; what it has lent to be sold until then is sold at the old ones.
    """
    request = parse(RatesRequest, call.content_type, call.body)
    lot = await port.lot(call.principal, call.path["lot"])

    def show(card: RateCard) -> RatesBody:
        return show_rates(lot.lot_id, card)

    return await port.change_rates(call.principal, lot.lot_id, request, call.seal(show))
