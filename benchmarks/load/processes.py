"""From one to thirty-two processes that share one store."""

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import setle
from tests.support.processes import cold_processes
from tests.support.valkey import Valkey

from .._measure import Effort
from ..sandbox import RemoteSandbox, remote_sandbox
from .chart import Chart, measured, requests_told

_PROCESSES = (1, 2, 4, 8, 16, 32)
_DELAY = 0.1
NewStore = Callable[[int], setle.TokenStore]
"""Makes a store; those of one number share, and nobody has used a new one."""


def measure(effort: Effort) -> Iterator[Chart]:
    """Yield the charts, where processes can be forked."""
    if not hasattr(os, "fork"):
        return
    logging.getLogger("setle").addHandler(logging.NullHandler())  # a busy store is no news
    with (
        TemporaryDirectory() as folder,
        Valkey() as valkey,
        remote_sandbox(delay=_DELAY) as sandbox,
    ):
        stores: dict[str, NewStore] = {
            "file": lambda number: setle.FileTokenStore(Path(folder, str(number))),
            "Valkey": lambda number: setle.RedisTokenStore.from_url(
                valkey.url, prefix=f"run-{number}"
            ),
            "no store": lambda _: setle.MemoryTokenStore(),
        }
        yield cold(sandbox, effort, stores)
        yield stored(sandbox, effort, stores)


def cold(sandbox: RemoteSandbox, effort: Effort, stores: Mapping[str, NewStore]) -> Chart:
    """Return how long processes wait that want the first token together."""
    requests = {name: defaultdict[int, list[int]](list) for name in stores}
    runs = {
        name: partial(_cost, sandbox, new, requests[name], stored=False)
        for name, new in stores.items()
    }
    return Chart(
        "processes-cold",
        "Processes that want the first token",
        "processes",
        "milliseconds until the last one has it",
        1e3,
        "Processes that were forked beforehand set off together, and no store holds a token; the "
        "token endpoint takes 100 ms. Without a store each asks for itself.",
        measured(effort, _PROCESSES, runs, rounds=3),
        requests_told(requests),
    )


def stored(sandbox: RemoteSandbox, effort: Effort, stores: Mapping[str, NewStore]) -> Chart:
    """Return how long they wait where a store holds a token."""
    requests = {name: defaultdict[int, list[int]](list) for name in stores}
    runs = {
        name: partial(_cost, sandbox, new, requests[name], stored=True)
        for name, new in stores.items()
    }
    return Chart(
        "processes-stored",
        "Processes that find a token in the store",
        "processes",
        "milliseconds until the last one has it",
        1e3,
        "The same, with a token in the store that somebody else left there.",
        measured(effort, _PROCESSES, runs, rounds=3),
        requests_told(requests),
    )


_numbers = count()


def _cost(
    sandbox: RemoteSandbox,
    new: NewStore,
    requests: dict[int, list[int]],
    processes: int,
    *,
    stored: bool,
) -> float:
    """Return the seconds until the last of so many *processes* has a token."""
    number = next(_numbers)
    if stored:
        sandbox.source(new(number)).get_token()
    before = sandbox.token_requests()

    def first_token() -> str:
        source = sandbox.source(new(number))
        began = time.perf_counter()
        source.get_token()
        return f"{began} {time.perf_counter()}"

    said = [each.split() for each in cold_processes(processes, first_token)]
    requests[processes].append(sandbox.token_requests() - before)
    return max(float(ended) for _, ended in said) - min(float(began) for began, _ in said)
