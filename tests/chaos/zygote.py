"""
Forks the workers of a fleet, and ends with them.

A program of its own, because a worker takes 0.4 s of a processor to start from nothing and a
few milliseconds to fork off here: the tests kill some each second. It has imported what the
workers need, has no thread, and has never seen a token. `serve` is for programs with other
workers.

It takes one line on stdin for each worker, its settings as JSON, and answers with the process
id. At the end of its input it lets all workers finish the call they are in.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

# What a first call imports; a worker would, too, each time.
import anyio._backends._asyncio  # noqa: F401 - imported before it forks
import filelock  # noqa: F401 - imported before it forks
import httpx
import redis.lock  # noqa: F401 - imported before it forks
import time_machine

import setle

_HOUR = 3600.0


class Telling(httpx.HTTPTransport):
    """The usual transport; tells who asks for a token, who has an answer, and who gets a 401."""

    def __init__(self, results: int, asking: int) -> None:
        super().__init__(verify=False)
        self._results, self._asking = results, asking

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1/oauth/token":
            sent_at = time.monotonic()
            response = super().handle_request(request)
            tell_rejection(self._results, sent_at, request, response)
            return response
        tell(self._results, "asks")
        os.write(self._asking, os.getpid().to_bytes(4, "big"))
        response = super().handle_request(request)
        tell(self._results, "answered")
        return response


def tell(results: int, event: str, number: float = 0.0, text: str = "", *more: object) -> None:
    """Write down what happens now in this process, for whoever has started the zygote."""
    # One write of less than a page, to a file opened for appending: whole, and there to stay
    # when this process is killed right after it.
    record = [event, os.getpid(), time.monotonic(), number, text[:500], *more]
    os.write(results, json.dumps(record).encode() + b"\n")


def _store(lease: float | None) -> setle.TokenStore | None:
    name = os.environ["SETLE_TOKEN_STORE"]
    if lease is None or not name.startswith("redis"):
        return None
    return setle.RedisTokenStore.from_url(name, lease=lease)


def _work(results: int, asking: int, settings: dict[str, Any]) -> None:
    """Call the API until SIGTERM, and write down what came of each call."""
    going_on = True

    def stop(*_: object) -> None:
        nonlocal going_on
        going_on = False

    signal.signal(signal.SIGTERM, stop)
    chance = random.Random(settings["seed"])
    steps = list(settings["steps"])
    stepped: time_machine.travel | None = None
    client = setle.connect(
        store=_store(settings["lease"]),
        verify_ssl=False,  # there is none; loading certificates takes longer than 100 calls
        httpx_args={"transport": Telling(results, asking)},
    )
    http = client.get_httpx_client()
    calls = 0
    while going_on:
        if steps and calls == steps[0][0]:
            if stepped is not None:
                stepped.stop()
            stepped = time_machine.travel(time.time() + steps.pop(0)[1] * _HOUR, tick=True)
            stepped.start()
        began, failure = time.monotonic(), ""
        try:
            status = http.get("/v1/estate/list").status_code
            if status != 200:
                failure = f"status {status}"
        except Exception as error:  # noqa: BLE001 - each is a failed call, whatever it is
            failure = f"{type(error).__name__}: {error}"
        calls += 1
        tell(results, "call", time.monotonic() - began, failure)
        time.sleep(chance.uniform(0.5, 1.5) * settings["pace"])


def tell_rejection(
    results: int, sent_at: float, request: httpx.Request, response: httpx.Response
) -> None:
    """Tell which token *request* carried, and when, if *response* is a 401."""
    if response.status_code == 401:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        fingerprint = hashlib.sha256(token.encode()).hexdigest()[:8]
        tell(results, "rejected", sent_at, fingerprint)


def serve(work: Callable[[int, int, dict[str, Any]], None]) -> None:
    """Do *work* in a child for each line of settings, until there are no more lines."""
    results, asking = int(sys.argv[1]), int(sys.argv[2])
    workers = set[int]()
    for line in sys.stdin:
        settings = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                work(results, asking, settings)
            except BaseException:  # noqa: BLE001 - the child must not go on as a zygote
                tell(results, "call", 0.0, traceback.format_exc()[-400:])
            os._exit(0)
        workers.add(pid)
        print(pid, flush=True)
        for worker in list(workers):
            if os.waitpid(worker, os.WNOHANG)[0]:
                workers.remove(worker)
    for worker in workers:
        os.kill(worker, signal.SIGTERM)  # those killed are still there to be waited for
    for worker in workers:
        os.waitpid(worker, 0)


if __name__ == "__main__":
    serve(_work)
