"""Call a client's operations, in a process whose ``setle_api`` is that client."""

import asyncio
import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from pipeline.roundtrip.caller import Caller, Exchange
from pipeline.roundtrip.calls import Operation
from pipeline.roundtrip.compare import Difference

__all__ = ["begin", "described", "differences", "look_over", "modules"]

_task: list[Any] = []
_ROUTE = re.compile(r'"method": "(\w+)",\s+"url": "([^"]*)"')
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def modules(package: Path) -> dict[tuple[str, str], list[str]]:
    """Return the names of the endpoint modules in *package* by method and path."""
    found = dict[tuple[str, str], list[str]]()
    for module in sorted(package.glob("api/*/[!_]*.py")):
        if match := _ROUTE.search(module.read_text(encoding="utf-8")):
            name = f"setle_api.api.{module.parent.name}.{module.stem}"
            found.setdefault((match[1], _bare(match[2])), []).append(name)
    return found


def _bare(path: str) -> str:
    return re.sub("{[^}]*}", "{}", path.partition("?")[0])


def described(spec: Any) -> list[tuple[str, str]]:
    """Return method and path of the operations of *spec*."""
    return [
        (method, path)
        for path, item in spec["paths"].items()
        for method in _METHODS
        if isinstance(item, dict) and method in item
    ]


def begin(spec: Any, raised: Iterable[tuple[str, str]], paths: list[str]) -> None:
    """
    Make this process one whose ``setle`` and ``setle_api`` are those below *paths*.

    Args:
        spec: The description.
        raised: Operation and status of the answers that the rules leave to be raised.
        paths: The folders that hold the two.
    """
    for name in [name for name in os.environ if name.startswith("SETLE_")]:
        del os.environ[name]
    sys.dont_write_bytecode = True
    sys.path[:0] = paths
    _task[:] = spec, set(raised)


def look_over() -> list[tuple[str, list[Difference]]]:
    """Return what stands in the way of a module of the client, or of a token."""
    return list(_worker().look_over())


def differences(operation: tuple[str, str]) -> tuple[str, list[Difference]]:
    """Return *operation*, method and path, by its name, and where it is not as described."""
    method, path = operation
    return f"{method.upper()} {path}", _worker().differences(method, path)


@cache
def _worker() -> "Worker":
    return Worker(*_task)


class Worker:
    """
    Calls operations with the client that this process imports.

    Args:
        spec: The description.
        raised: Operation and status of the answers that the rules leave to be raised.
    """

    def __init__(self, spec: Any, raised: set[tuple[str, str]]) -> None:
        import setle
        import setle_api

        self.spec, self.raised, self.runner = spec, raised, asyncio.Runner()
        self.package = Path(setle_api.__file__).parent
        self.modules = modules(self.package)
        exchange = Exchange()
        clients, self.no_token = self.runner.run(_clients(setle, setle_api, exchange))
        self.caller = Caller(spec, exchange, clients)

    def differences(self, method: str, path: str) -> list[Difference]:
        """Return where calls of the operation *method* *path* differ from the description."""
        key = (method, _bare(path))
        names = self.modules.get(key, [])
        if not names:
            return [Difference("name", "an endpoint", "there is none")]
        alike = [one for one in described(self.spec) if (one[0], _bare(one[1])) == key]
        name = names[min(alike.index((method, path)), len(names) - 1)]
        item = self.spec["paths"][path]
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - of generated code
            return [Difference("import", name, f"{type(error).__name__}: {error}")]
        left = frozenset(one for told, one in self.raised if told == f"{method.upper()} {path}")
        this = Operation(method, path, item, item[method], module, left)
        try:
            return self.runner.run(self.caller.differences(this))
        except Exception as error:  # noqa: BLE001 - of a description that says what nobody foresaw
            return [Difference("the round trip", "values", f"{type(error).__name__}: {error}")]

    def look_over(self) -> Iterator[tuple[str, list[Difference]]]:
        """Import every module of the client; yield what stands in its way."""
        for module in pkgutil.walk_packages([str(self.package)], "setle_api."):
            try:
                importlib.import_module(module.name)
            except Exception as error:  # noqa: BLE001 - of generated code
                told = f"{type(error).__name__}: {error}"
                yield module.name, [Difference("import", "a module", told)]
        if self.no_token:
            told = f"setle gets no token with this client: {self.no_token}"
            yield "", [Difference("", "", told)]


async def _clients(setle: Any, setle_api: Any, exchange: Exchange) -> tuple[tuple[Any, Any], str]:
    """Return a client for calls and one for calls in asyncio, and why they get no token."""
    args = {"transport": httpx.MockTransport(exchange.handle)}
    own = setle.ClientCredentials("the-id", "the-secret")
    try:
        pair = setle.connect(own, httpx_args=args), setle.connect(own, httpx_args=args)
        pair[0].get_httpx_client().get("/")
        await pair[1].get_async_httpx_client().get("/")
    except setle.SetleError as error:
        # Whoever is to adapt the wrapper needs the new client.
        keywords = {"raise_on_unexpected_status": True, "httpx_args": args}
        url = "https://setle.example"
        client = setle_api.AuthenticatedClient
        return (client(url, token="", **keywords), client(url, token="", **keywords)), str(error)
    return pair, ""
