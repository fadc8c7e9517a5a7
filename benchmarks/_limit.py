"""Where the rest goes: what a warm call does, counted, and what it costs, layer by layer."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from time import time as wall
from typing import Any

import attrs
import httpx

import setle
from setle_api.api.general import create_access_token

from ._counting import Counts, counted, counted_async
from ._layers import Layers, asked_for_token, split
from ._measure import Effort
from ._message import PATH
from .hot_path import StaticHeader
from .sandbox import Address, remote_sandbox

_WARM = 3
_OF = 5  # an answer that comes in two pieces is read twice


@attrs.frozen
class Limit:
    """
    The profile of a warm call.

    Attributes:
        sync: Seconds by layer, a figure a round, of a call by what connect() returns.
        taken: The same of an async one.
        counts: Of the sync call.
        async_counts: Of the async call.
        generated: Of a sync call of a generated function, the one that is described.
        plain: Of the sync call by plain httpx with a fixed header.
        least: Of what needs no network, by name.
    """

    sync: Layers
    taken: Layers
    counts: Counts
    async_counts: Counts
    generated: Counts
    plain: Counts
    least: dict[str, Counts]

    @classmethod
    def measure(cls, effort: Effort) -> "Limit":
        """Measure it against a sandbox in another process."""
        with remote_sandbox() as sandbox:
            sync, taken = split(sandbox, effort)
            source = sandbox.source()
            token = source.get_token()
            client, asked = sandbox.connect(), asked_for_token(sandbox)
            with client.get_httpx_client() as ours:
                counts = _warm(lambda: ours.get(PATH))
                generated = _warm(lambda: create_access_token.sync_detailed(client=client, **asked))
            with sandbox.client(token=token.value) as plain:
                of_plain = _warm(lambda: plain.get(PATH))
            async_counts = asyncio.run(_warm_async(sandbox))
        return cls(sync, taken, counts, async_counts, generated, of_plain, _least(source, token))


def _warm(call: Callable[[], Any]) -> Counts:
    """Return what one *call* does that is not the first, and the least of a few."""
    for _ in range(_WARM):
        call()
    return min((counted(call) for _ in range(_OF)), key=lambda counts: counts.total)


async def _warm_async(sandbox: Address) -> Counts:
    async with sandbox.connect().get_async_httpx_client() as http:
        for _ in range(_WARM):
            await http.get(PATH)
        few = [await counted_async(partial(http.get, PATH)) for _ in range(_OF)]
    return min(few, key=lambda counts: counts.total)


def _least(source: setle.TokenSource, token: setle.AccessToken) -> dict[str, Counts]:
    ends, ends_wall = monotonic() + 3600, wall() + 3600

    def one_clock() -> bool:
        return monotonic() < ends

    def both_clocks() -> setle.AccessToken | None:
        if monotonic() < ends and wall() < ends_wall:
            return token
        return None

    def awaited() -> None:
        try:
            source.aget_token().send(None)
        except StopIteration:
            return

    fixed = StaticHeader(f"Bearer {token.value}")
    request = httpx.Request("GET", source.base_url + PATH)
    response = httpx.Response(200, request=request)

    def flow_of(auth: httpx.Auth) -> Callable[[], None]:
        def flow() -> None:
            steps = auth.sync_auth_flow(request)
            next(steps)
            try:
                steps.send(response)
            except StopIteration:
                return

        return flow

    return {
        "a function of `time.monotonic() < x`": counted(one_clock, inside=False),
        "a function that compares both clocks": counted(both_clocks, inside=False),
        "`get_token()`": _warm(source.get_token),
        "`await aget_token()`": _warm(awaited),
        "flow with a fixed header": counted(flow_of(fixed), inside=False),
        "flow of `BearerAuth`": counted(flow_of(setle.BearerAuth(source)), inside=False),
    }
