"""Jobs as users write them, for Celery (``app``) and RQ, in workers that have called before."""

import asyncio
import os
import secrets

import setle

client = setle.connect()


def warm_up() -> None:
    """Call in the process that the workers are forked from, sync and async."""
    client.get_httpx_client().get("/v1/estate/list").raise_for_status()
    asyncio.run(_echo(0))


def job() -> str:
    """Call Setle once, as a short job does."""
    client.get_httpx_client().get("/v1/estate/list").raise_for_status()
    return f"{os.getpid()} ok"


def crossed(calls: int) -> str:
    """Call that many times, sync and async, and count whose answer is somebody else's."""
    wrong = 0
    for number in range(calls):
        said = f"{os.getpid()} {number} {secrets.token_hex(8)}"
        wrong += client.get_httpx_client().post("/sandbox/echo", content=said).text != said
    wrong += asyncio.run(_echo(calls))
    return f"{os.getpid()} {wrong}"


async def _echo(calls: int) -> int:
    http, wrong = client.get_async_httpx_client(), 0
    for number in range(calls):
        said = f"{os.getpid()} {number} {secrets.token_hex(8)}"
        wrong += (await http.post("/sandbox/echo", content=said)).text != said
    return wrong
