"""
Call a share of a client's operations, in a process whose ``setle_api`` is that client.

Reads the task from its standard input and writes a line of JSON for each
operation: how many are through, and what differs.
"""

import asyncio
import importlib
import json
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

import httpx

from pipeline.roundtrip.caller import Caller, Exchange
from pipeline.roundtrip.calls import Operation

_ROUTE = re.compile(r'"method": "(\w+)",\s+"url": "([^"]*)"')
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


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
        for method in METHODS
        if isinstance(item, dict) and method in item
    ]


async def main() -> None:
    """Do the task."""
    task = json.load(sys.stdin)
    spec, share, shares = task["spec"], task["share"], task["shares"]
    raised = {tuple(one) for one in task["raised"]}
    import setle
    import setle_api

    package = Path(setle_api.__file__).parent
    if share == 0:
        _import_all(package)
    known = modules(package)
    exchange = Exchange()
    clients = await _clients(setle, setle_api, exchange, tells=share == 0)
    caller = Caller(spec, exchange, clients)
    for method, path in described(spec)[share::shares]:
        operation = f"{method.upper()} {path}"
        names = known.get((method, _bare(path)), [])
        if not names:
            _tell(operation, [("name", "an endpoint", "there is none")])
            continue
        alike = [one for one in described(spec) if (one[0], _bare(one[1])) == (method, _bare(path))]
        name = names[min(alike.index((method, path)), len(names) - 1)]
        item = spec["paths"][path]
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - of generated code
            _tell(operation, [("import", name, f"{type(error).__name__}: {error}")])
            continue
        left = frozenset(status for told, status in raised if told == operation)
        this = Operation(method, path, item, item[method], module, left)
        try:
            _tell(operation, await caller.differences(this))
        except Exception as error:  # noqa: BLE001 - of a description that says what nobody foresaw
            _tell(operation, [("the round trip", "values", f"{type(error).__name__}: {error}")])


async def _clients(
    setle: Any, setle_api: Any, exchange: Exchange, *, tells: bool
) -> tuple[Any, Any]:
    """Return a client for calls and one for calls in asyncio, both with a token at hand."""
    args = {"transport": httpx.MockTransport(exchange.handle)}
    own = setle.ClientCredentials("the-id", "the-secret")
    try:
        pair = setle.connect(own, httpx_args=args), setle.connect(own, httpx_args=args)
        pair[0].get_httpx_client().get("/")
        await pair[1].get_async_httpx_client().get("/")
    except setle.SetleError as error:
        # Whoever is to adapt the wrapper needs the new client.
        if tells:
            _tell("", [("", "", f"setle gets no token with this client: {error}")])
        keywords = {"raise_on_unexpected_status": True, "httpx_args": args}
        url = "https://setle.example"
        client = setle_api.AuthenticatedClient
        pair = client(url, token="", **keywords), client(url, token="", **keywords)
    return pair


def _import_all(package: Path) -> None:
    for module in pkgutil.walk_packages([str(package)], "setle_api."):
        try:
            importlib.import_module(module.name)
        except Exception as error:  # noqa: BLE001 - of generated code
            _tell(module.name, [("import", "a module", f"{type(error).__name__}: {error}")])


def _tell(operation: str, found: list[Any]) -> None:
    print(json.dumps([operation, found]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
