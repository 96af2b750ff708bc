"""What the gateway is measured beside: FastAPI and aiosqlite, one commit for each request.

The same body, the same validation, the same answer, the same pragmas, the same server underneath.
It does less than the gateway does: no journal, no chain of hashes, no record of who asked.

`python -m tests.bench.naive FOLDER PORT KEY SPACES`
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Final

import aiosqlite
import uvicorn
from fastapi import FastAPI, Header, HTTPException

from parkgraph.model.api import SessionAnswer, SessionRequest, show_session
from parkgraph.model.codes import issue_code
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.rates import Rate
from parkgraph.model.sessions import Session, SessionState
from tests.bench.load import LOT

DATABASE: Final = "naive.db"
RATE: Final = Rate(version="naive", currency="USD", unit_minor=350)
_SCHEMA: Final = """
PRAGMA journal_mode = wal;
PRAGMA synchronous = full;
CREATE TABLE spaces (space TEXT PRIMARY KEY, session TEXT);
CREATE INDEX free_spaces ON spaces (space) WHERE session IS NULL;
CREATE TABLE sessions (
    session TEXT PRIMARY KEY, state TEXT NOT NULL, fleet TEXT, autonomous INTEGER NOT NULL,
    vin TEXT, plate TEXT, gate_code TEXT NOT NULL, space TEXT NOT NULL, entry_lane TEXT NOT NULL,
    currency TEXT NOT NULL, rate_minor INTEGER NOT NULL, estimated_minor INTEGER NOT NULL,
    reserved_at TEXT NOT NULL, hold_until TEXT NOT NULL
);
CREATE UNIQUE INDEX one_open_session_a_plate ON sessions (plate) WHERE state = 'reserved';
CREATE UNIQUE INDEX one_open_session_a_vin ON sessions (vin) WHERE state = 'reserved';
CREATE UNIQUE INDEX one_open_session_a_code ON sessions (gate_code) WHERE state = 'reserved';
"""
_TAKE_SPACE: Final = """
UPDATE spaces SET session = ?
 WHERE space = (SELECT space FROM spaces WHERE session IS NULL ORDER BY space LIMIT 1)
RETURNING space
"""
_PUT_SESSION: Final = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Bookings:
    """The lot's spaces, through one shared connection and a lock."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        """Book in `database`."""
        self._database = database
        self._lock = asyncio.Lock()
        self._code_key = os.urandom(32)
        self.commits = 0

    async def book(self, request: SessionRequest) -> Session:
        """Promise a space and commit.

        Raises:
            HTTPException: no space is free, or the vehicle has one.
        """
        async with self._lock:
            while True:
                try:
                    return await self._try(request)
                except sqlite3.IntegrityError as error:
                    await self._database.rollback()
                    # Two sessions with one code are rare, and another session has another code.
                    if "gate_code" not in str(error):
                        raise HTTPException(409, "this vehicle has an open session") from None

    async def _try(self, request: SessionRequest) -> Session:
        now = datetime.now(UTC)
        session = new_id("sess", at=now, random=os.urandom(RANDOM_BYTES))
        taken = list(await self._database.execute_fetchall(_TAKE_SPACE, (session,)))
        if not taken:
            raise HTTPException(409, "no space is free")
        booked = self._session(session, request, taken[0][0], now)
        await self._database.execute(_PUT_SESSION, _columns(booked))
        await self._database.commit()
        self.commits += 1
        return booked

    def _session(self, session: str, request: SessionRequest, space: str, now: datetime) -> Session:
        stay = timedelta(minutes=request.expected_duration_minutes or 120)
        return Session(
            lot=LOT,
            session=session,
            state=SessionState.RESERVED,
            fleet=request.vehicle.fleet_id,
            autonomous=request.vehicle.autonomous,
            vin=request.vehicle.vin,
            plate=request.plate,
            plate_letters=None,
            plate_folded=None,
            gate_code=issue_code(self._code_key, session, live=()),
            space=space,
            entry_lane="north-in",
            rate=RATE,
            expected_minutes=stay // timedelta(minutes=1),
            estimated_minor=RATE.price(stay).total_minor,
            reserved_at=now,
            hold_until=now + timedelta(minutes=30),
            entered_at=None,
            ended_at=None,
            amount_minor=None,
        )


def application(database: Path, key: str, spaces: int) -> FastAPI:
    """Return the application over a new `database` with so many free spaces."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(database) as connection:
            await connection.executescript(_SCHEMA)
            names = [(f"S-{number:05}",) for number in range(spaces)]
            await connection.executemany("INSERT INTO spaces (space) VALUES (?)", names)
            await connection.commit()
            bookings = app.state.bookings = Bookings(connection)
            yield
            # As the gateway logs it, so that both are counted alike.
            closed = {"event": "ledger_closed", "commits": bookings.commits}
            sys.stderr.write(json.dumps(closed) + "\n")

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/v1/sessions", status_code=201)
    async def create_session(
        request: SessionRequest, authorization: Annotated[str, Header()] = ""
    ) -> SessionAnswer:
        if not compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise HTTPException(401, "send a valid key")
        if request.lot_id != LOT:
            raise HTTPException(404, f"this is the lot {LOT}")
        if request.plate is None and request.vehicle.vin is None:
            raise HTTPException(400, "give the vehicle's plate, its VIN, or both")
        bookings: Bookings = app.state.bookings
        return SessionAnswer(session=show_session(await bookings.book(request)))

    return app


def _columns(session: Session) -> tuple[str | int | None, ...]:
    return (
        session.session, session.state, session.fleet, session.autonomous, session.vin,
        session.plate, session.gate_code, session.space, session.entry_lane, session.currency,
        session.rate.unit_minor, session.estimated_minor, session.reserved_at.isoformat(),
        session.hold_until.isoformat(),
    )  # fmt: skip


def main() -> None:
    """Serve until a signal comes."""
    folder, port, key, spaces = sys.argv[1:]
    uvicorn.run(
        application(Path(folder) / DATABASE, key, int(spaces)),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
