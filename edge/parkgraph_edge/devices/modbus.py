"""A Modbus TCP connection that is aborted, never left to deliver something late."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.loops import heed_cancellation

DEVICE_ID: Final = 1
CONNECT_SECONDS: Final = 2.0

Greet = Callable[[AsyncModbusTcpClient], Awaitable[None]]


class ModbusLink:
    """One device at one address, connected when it is needed."""

    def __init__(self, host: str, port: int, *, greet: Greet | None = None) -> None:
        """Speak with the device at `host` and `port`.

        Nothing is asked on a connection before `greet` is done with it; what it raises `ask` does.
        """
        self._host = host
        self._port = port
        self._greet = greet
        self._client: AsyncModbusTcpClient | None = None

    async def ask(
        self, request: Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]], *, seconds: float
    ) -> ModbusPDU:
        """Send one request and return its answer, which may be an exception response.

        Raises:
            UnavailableError: no connection, or no answer within `seconds`. A request that was not
                answered is dropped with its connection: a closed socket would still deliver it.
        """
        try:
            async with asyncio.timeout(seconds):
                answer = await request(await self._connected())
            heed_cancellation()
        except (TimeoutError, ModbusException, OSError) as error:
            self.abort()
            why = str(error) or "no answer"
            raise UnavailableError(
                f"{self._host}:{self._port}: {why}; check power, cable and address"
            ) from error
        except (asyncio.CancelledError, UnavailableError):
            self.abort()
            raise
        return answer

    def abort(self) -> None:
        """Drop the connection and whatever has not left it yet."""
        client, self._client = self._client, None
        transport: Any = client.ctx.transport if client else None
        if transport is not None:
            transport.abort()
        if client:
            client.close()

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is None or not self._client.connected:
            self.abort()
            self._client = AsyncModbusTcpClient(
                self._host,
                port=self._port,
                timeout=CONNECT_SECONDS,
                retries=0,  # a repeated order is a new order: only a lane may decide on one
                reconnect_delay=0,
            )
            if not await self._client.connect():
                raise OSError("connection refused")
            if self._greet:
                await self._greet(self._client)
        return self._client
