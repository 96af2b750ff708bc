"""The SDK: `/api/v1` for vehicles and fleets, typed and asynchronous, over httpx.

`pip install 'parkgraph[client]'` brings httpx and pydantic. What calls take and return is in
`parkgraph.model.api`. Source: the public API document; `/api/v1/openapi.json`.

A vehicle that books in the cloud, and at the lot while the cloud is away:

```python
from parkgraph.client import ParkGraph
from parkgraph.model.api import SessionRequest

async with ParkGraph(base_url, key, lot_url={lot_id: lot_url}) as park:
    stay = await park.create_session(SessionRequest(lot_id=lot_id, plate="AV-1234"))
    print(park.side, stay.id, stay.entry_instructions.assigned_space)
    stay = await park.extend_session(stay.id, 15)
    stay = await park.end_session(stay.id)
```

What is refused says why:

```python
from parkgraph.client import ApiError, ParkGraph

async with ParkGraph(base_url, key) as park:
    try:
        await park.session("sess_of_nobody")
    except ApiError as error:
        print(error.code, error.message, error.request_id)
```
"""

from parkgraph.client.errors import (
    ApiError,
    ParkGraphError,
    UnreachableError,
    UnreadableAnswerError,
)
from parkgraph.client.outside import Outside
from parkgraph.client.park import CLOUD_URL, ParkGraph
from parkgraph.client.transport import Side

__all__ = [
    "CLOUD_URL",
    "ApiError",
    "Outside",
    "ParkGraph",
    "ParkGraphError",
    "Side",
    "UnreachableError",
    "UnreadableAnswerError",
]
