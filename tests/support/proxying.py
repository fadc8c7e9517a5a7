"""A real proxy, proxy.py, that asks for a password and takes every name for this machine."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
from proxy.http.parser import HttpParser
from proxy.http.proxy import HttpProxyBasePlugin

from tests.support import eventually
from tests.support.examples import ROOT
from tests.support.processes import plain_environment

USER, PASSWORD = "ada", "p4ssw0rd"
_LOG = "SETLE_TESTS_PROXY_LOG"


class EveryNameIsHere(HttpProxyBasePlugin):
    """In the proxy's process: resolves names, and notes who was to be reached."""

    def resolve_dns(self, host: str, port: int) -> tuple[str, None]:
        return "127.0.0.1", None

    def before_upstream_connection(self, request: HttpParser) -> HttpParser:
        with Path(os.environ[_LOG]).open("ab") as log:
            log.write(b"%b %b\n" % (request.method or b"", request.host or b""))
        return request


@attrs.frozen
class Proxy:
    """A running proxy."""

    port: int
    _log: Path

    def url(self, user: str = USER, password: str = PASSWORD) -> str:
        """Return how settings name it."""
        return f"http://{user}:{password}@127.0.0.1:{self.port}"

    def take_tunnels(self) -> list[str]:
        """Return what was asked of it since the last time."""
        asked = self._log.read_text().splitlines()
        self._log.write_text("")
        return asked


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """Run a proxy."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        port, log = Path(folder, "port"), Path(folder, "log")
        port.touch()
        log.touch()
        options = ("--port", "0", "--port-file", str(port), "--basic-auth", f"{USER}:{PASSWORD}")
        small = ("--num-acceptors", "1", "--num-workers", "1", "--threaded")
        plugin = ("--plugins", f"{__name__}.{EveryNameIsHere.__name__}")
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *options, *small, *plugin, "--log-level", "ERROR"],
            cwd=ROOT,
            env=plain_environment() | {_LOG: str(log)},
            stdin=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: port.read_text().strip() or process.poll() is not None)
            yield Proxy(int(port.read_text()), log)
        finally:
            process.terminate()
            process.wait(30)
