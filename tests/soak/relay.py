"""A network that fails: what stands between the workers and the token endpoint."""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from typing import Self

import httpx

from tests.support.valkey import free_port

_RESET = struct.pack("ii", 1, 0)  # close at once, and tell the other side so


class Relay:
    """
    Passes bytes on to the server at *base_url*, running between ``with`` and the end of its block.

    Args:
        base_url: Of the server.

    Attributes:
        port: Where it listens, on loopback.
        mode: What happens to connections: ``pass``, ``reset`` in mid-answer, or ``silence``.
    """

    def __init__(self, base_url: str) -> None:
        self.port, self.mode = free_port(), "pass"
        self._target = httpx.URL(base_url).port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def listen(self) -> None:
        """Take connections."""
        listening = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)

    def refuse(self) -> None:
        """Refuse connections, and cut those that there are."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def cut(self) -> None:
        """Cut the connections that there are."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _close(self) -> None:
        self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        cut = self._open.copy()  # whoever is cut off may connect anew at once
        for writer in cut:
            writer.transport.abort()
        while cut & self._open:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(OSError):  # either side has gone
                request = await reader.read(65536)
                if self.mode == "silence":
                    await reader.read()  # until the client gives up
                    return
                await self._pass_on(request, reader, writer)
        finally:
            writer.close()
            self._open.discard(writer)

    async def _pass_on(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answers, asking = await asyncio.open_connection("127.0.0.1", self._target)
        asking.write(request)
        # A client that gives up is to be noticed by the server.
        gone = asyncio.ensure_future(reader.read())
        gone.add_done_callback(lambda _: asking.transport.abort())
        try:
            while answer := await answers.read(65536):
                if self.mode == "reset":
                    writer.write(answer[:40])
                    await writer.drain()
                    end: socket.socket = writer.get_extra_info("socket")
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            gone.cancel()
            asking.transport.abort()
