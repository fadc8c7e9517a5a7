"""
What one warm call costs this process, layer by layer, in seconds of its processor.

The same request is sent at each level: by a bare socket, by httpcore, by httpx with a fixed
header, by what connect() returns. A layer costs what its level costs more than the one
below. The server is another process, and waiting for it takes no processor time.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from statistics import quantiles
from time import process_time
from typing import Any

import anyio
import h11
import httpcore
import httpx

from setle_api.api.general import create_access_token

from ._counting import SOCKETS
from ._measure import Effort
from ._message import PATH, Message, connected
from .sandbox import Address

ORDER = ("generated client", "setle", "httpx", "httpcore", "h11", SOCKETS)
_ROUNDS, _TURNS, _HANDFUL = 9, 8, 8
Call = Callable[[], Awaitable[object]]
Layers = dict[str, list[float]]
"""A figure a round of each layer."""


def split(sandbox: Address, effort: Effort) -> tuple[Layers, Layers]:
    """Return what each layer costs a sync and an async call."""
    rounds, turns = range(effort.rounds(_ROUNDS)), effort.rounds(_TURNS)
    token = sandbox.source().get_token().value
    with sandbox.client(token=token) as plain:
        message = Message.of(sandbox, plain)
        with _levels(sandbox, message, plain) as levels:
            asyncio.run(_costs(levels, turns))
            sync = [asyncio.run(_costs(levels, turns)) for _ in rounds]

    async def taken() -> list[list[float]]:
        async with _async_levels(sandbox, message, token) as levels:
            await _costs(levels, turns)
            return [await _costs(levels, turns) for _ in rounds]

    return _by_layer(sync), _by_layer(asyncio.run(taken()))


def _by_layer(rounds: Sequence[Sequence[float]]) -> Layers:
    """Return the differences between the levels, round by round."""
    layers: Layers = {name: [] for name in ORDER}
    for wire, parsed, core, plain, ours, by_hand, generated in rounds:
        costs = (
            generated - by_hand,
            ours - plain,
            plain - core,
            core - parsed - wire,
            parsed,
            wire,
        )
        for name, seconds in zip(ORDER, costs, strict=True):
            layers[name].append(seconds)
    return layers


@contextmanager
def _levels(sandbox: Address, message: Message, plain: httpx.Client) -> Iterator[list[Call]]:
    asked, client = asked_for_token(sandbox), sandbox.connect()
    by_hand = create_access_token._get_kwargs(**asked)
    parser = h11.Connection(h11.CLIENT)
    with (
        connected(sandbox) as connection,
        httpcore.ConnectionPool() as pool,
        client.get_httpx_client() as ours,
    ):

        def by_socket() -> None:
            connection.sendall(message.sent)
            left = len(message.answer)
            while left > 0:
                left -= len(connection.recv(1 << 16))

        calls: list[Callable[[], object]] = [
            by_socket,
            lambda: message.go_through(parser),
            lambda: pool.request("GET", sandbox.base_url + PATH, headers=message.headers),
            lambda: plain.get(PATH),
            lambda: ours.get(PATH),
            lambda: json.loads(ours.request(**by_hand).content),
            lambda: create_access_token.sync_detailed(client=client, **asked),
        ]
        yield [partial(_as_async, call) for call in calls]


@asynccontextmanager
async def _async_levels(
    sandbox: Address, message: Message, token: str
) -> AsyncIterator[list[Call]]:
    asked, client = asked_for_token(sandbox), sandbox.connect()
    by_hand = create_access_token._get_kwargs(**asked)
    parser, url = h11.Connection(h11.CLIENT), httpx.URL(sandbox.base_url)
    async with (
        await anyio.connect_tcp(url.host, url.port or 80) as connection,
        httpcore.AsyncConnectionPool() as pool,
        sandbox.async_client(token) as plain,
        client.get_async_httpx_client() as ours,
    ):

        async def by_socket() -> None:
            await connection.send(message.sent)
            left = len(message.answer)
            while left > 0:
                left -= len(await connection.receive())

        async def parsed() -> None:
            message.go_through(parser)

        async def loaded() -> None:
            json.loads((await ours.request(**by_hand)).content)

        yield [
            by_socket,
            parsed,
            lambda: pool.request("GET", sandbox.base_url + PATH, headers=message.headers),
            lambda: plain.get(PATH),
            lambda: ours.get(PATH),
            loaded,
            lambda: create_access_token.asyncio_detailed(client=client, **asked),
        ]


async def _as_async(call: Callable[[], object]) -> None:
    call()


async def _costs(calls: Sequence[Call], turns: int) -> list[float]:
    """
    Return the processor time of each of *calls*, which have their turns by handfuls.

    A tenth of them took less: what disturbs a short one can only add to it.
    """
    times: list[list[float]] = [[] for _ in calls]
    order = list(range(len(calls)))
    for _ in range(turns):
        for number in order:
            call = calls[number]
            await call()  # after another one the caches are cold, and not equally so for each
            for _ in range(_HANDFUL):
                began = process_time()
                await call()
                times[number].append(process_time() - began)
        order.reverse()
    return [quantiles(each, n=10)[0] for each in times]


def asked_for_token(sandbox: Address) -> dict[str, Any]:
    """Return the arguments of the one operation that is described: it asks for a token."""
    credentials = sandbox.credentials
    return {
        "x_setle_client_id": credentials.client_id,
        "x_setle_client_secret": credentials.client_secret,
    }
