"""Run an ASGI application in a thread of its own."""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
import weakref
from typing import Any, TypeAlias

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

File: TypeAlias = str | os.PathLike[str] | None

# Room for 10,000 tasks that connect at once, as far as the kernel allows it.
BACKLOG = 16_384

# Belongs to no hierarchy, so that uvicorn neither reaches the user's handlers nor
# makes us touch them (its own `access_log=False` empties a logger the user may have set up).
_SILENT = logging.Logger("setle.testing", logging.CRITICAL + 1)  # noqa: LOG001  see above


class _Protocol(H11Protocol):
    """uvicorn's protocol, silent; the application gets at the transport to cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        self.logger = self.access_logger = _SILENT
        self.access_log = False
        self.app_state = {"transport": transport}
        super().connection_made(transport)


class _Listener(socket.socket):
    """A listening socket that remembers what came of it."""

    def __init__(self, port: int) -> None:
        # The protocol is named because asyncio sets TCP_NODELAY on such sockets only.
        super().__init__(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.accepted: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        # What a sandbox before this one left in TIME_WAIT is no obstacle. Elsewhere two that
        # set this would share a port.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        try:
            self.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            self.close()
            raise OSError(f"no sandbox at port {port}: {error}; 0 is any free port") from error

    def accept(self) -> tuple[socket.socket, Any]:
        connection, peer = super().accept()
        self.accepted.add(connection)
        return connection, peer

    def still_open(self) -> bool:
        return any(connection.fileno() >= 0 for connection in self.accepted)


class _Loop(asyncio.SelectorEventLoop):
    # As it was before a test froze time, in which no delay would end.
    time = staticmethod(time.monotonic)


class Server:
    """An ASGI application on 127.0.0.1; at *port* 0, at one that the kernel chooses."""

    def __init__(self, app: ASGIApp, port: int, certfile: File, keyfile: File) -> None:
        config = Config(
            app,
            http=_Protocol,
            ws="none",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than httpx keeps a connection: no race to close it
            ssl_certfile=certfile,
            ssl_keyfile=keyfile,
        )
        config.load()
        self._state = ServerState()
        self._socket = _Listener(port)
        # Named, because another loop the user prefers would not call accept().
        self.loop = _Loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="setle-sandbox", daemon=True
        )
        scheme = "http" if config.ssl is None else "https"
        self.base_url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread.start()
        listening = self.loop.create_server(
            lambda: _Protocol(config, self._state, {}),
            sock=self._socket,
            ssl=config.ssl,
            backlog=BACKLOG,
        )
        self._server = asyncio.run_coroutine_threadsafe(listening, self.loop).result()
        _RUNNING.add(self)

    def stop(self) -> None:
        """Cut all connections and end the thread; in a forked child, do nothing."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    async def _close(self) -> None:
        # asyncio leaks a connection that it accepted in the turn of the loop before
        # the server is closed, so accept no more and let a turn pass.
        self.loop.remove_reader(self._socket)
        await asyncio.sleep(0)
        self._server.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        # A TLS handshake is no connection yet, and cannot be cancelled without a leak.
        for accepted in self._socket.accepted:
            with contextlib.suppress(OSError):  # closed already
                accepted.shutdown(socket.SHUT_RDWR)
        # All that takes effect a few turns of the loop later.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while len(asyncio.all_tasks()) > 1 or self._socket.still_open():  # noqa: ASYNC110  nothing tells
                    await asyncio.sleep(0)

    def let_go(self) -> None:
        """Give up a forked child's copies of the sockets, without touching the parent's."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for inherited in (self._socket, *self._socket.accepted):
            with contextlib.suppress(OSError):  # closed already
                os.dup2(nothing, inherited.fileno(), inheritable=False)
        os.close(nothing)


_RUNNING: weakref.WeakSet[Server] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    # A child that kept them would hold connections open which the parent closes.
    for server in _RUNNING:
        server.let_go()


with contextlib.suppress(AttributeError):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
