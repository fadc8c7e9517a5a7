"""From one to a thousand tenants, each with credentials of its own, in one process."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import count
from time import monotonic
from time import time as wall
from unittest.mock import patch

import httpx

import setle

from .._counting import counted
from .._measure import Effort
from .chart import Chart, measured

_TENANTS = (1, 10, 100, 1_000)
_CALLS = 10_000
_MORE = 20
_URL = "http://127.0.0.1:9"  # nothing goes there
Make = Callable[[int], "_Sources | _Dictionary"]
_numbers = count()
_answer = httpx.MockTransport(
    lambda _: httpx.Response(
        200, json={"access_token": "x" * 64, "expires_in": 3600, "token_type": "Bearer"}
    )
)


def measure(effort: Effort) -> Iterator[Chart]:
    """Yield the charts; a function in the process takes the token endpoint's place."""
    yield Chart(
        "tenants-first",
        "The first token of one more tenant",
        "tenants there",
        "milliseconds",
        1e3,
        "With so many tenants there, 20 more come one after another: for each a source is made, "
        "and gets its first token. All share one memory store. The answer comes from a function, "
        "so this is our part alone. The baseline makes an httpx client for each, and a POST by it.",
        measured(
            effort,
            _TENANTS,
            {"setle": partial(_more, _Sources), "plain httpx": partial(_more, _Dictionary)},
            rounds=5,
        ),
        _profile(_TENANTS[:2] if effort.quick else _TENANTS),
    )
    yield Chart(
        "tenants-warm",
        "Calls that find the token of their tenant",
        "tenants",
        "nanoseconds per call",
        1e9,
        "10,000 calls, of one tenant after another. The baseline is a dictionary of tokens and "
        "their ends, by tenant, and a look at both clocks.",
        measured(
            effort,
            _TENANTS,
            {"setle": partial(_warm, _Sources), "dictionary": partial(_warm, _Dictionary)},
            rounds=9,
        ),
    )
    yield Chart(
        "tenants-memory",
        "Memory of each tenant",
        "tenants",
        "KiB per tenant",
        1 / 1024,
        "What Python has allocated for a source, its state and its token. The baseline is the "
        "entry of that dictionary.",
        measured(
            effort,
            _TENANTS,
            {"setle": partial(_memory, _Sources), "dictionary": partial(_memory, _Dictionary)},
            rounds=2,
        ),
    )


class _Sources:
    """As many tenants with a source each, and one memory store for all."""

    def __init__(self, tenants: int) -> None:
        self._store, self._sources = setle.MemoryTokenStore(), list[setle.TokenSource]()
        self.add(tenants)

    def add(self, tenants: int) -> None:
        for _ in range(tenants):
            source = setle.TokenSource(
                setle.ClientCredentials(_name(), "a-secret"),
                base_url=_URL,
                store=self._store,
                httpx_args={"transport": _answer, "trust_env": False},
            )
            source.get_token()
            self._sources.append(source)

    def call_each(self) -> None:
        for source in self._sources:
            source.get_token()


class _Dictionary:
    """As many with an entry each: the token, and its end on both clocks."""

    def __init__(self, tenants: int) -> None:
        self._tokens: dict[str, tuple[str, float, float]] = {}
        self.add(tenants)

    def add(self, tenants: int) -> None:
        for _ in range(tenants):
            tenant = _name()
            headers = {"x-setle-client-id": tenant, "x-setle-client-secret": "a-secret"}
            with httpx.Client(base_url=_URL, transport=_answer, trust_env=False) as http:
                answer = http.post("/v1/oauth/token", headers=headers).raise_for_status().json()
            lifetime = answer["expires_in"]
            ends = monotonic() + lifetime, wall() + lifetime
            self._tokens[tenant] = (str(answer["access_token"]), *ends)

    def call_each(self) -> None:
        for tenant in self._tokens:
            self._get(tenant)

    def _get(self, tenant: str) -> str | None:
        token, ends, ends_wall = self._tokens[tenant]
        if monotonic() < ends and wall() < ends_wall:
            return token
        return None


def _name() -> str:
    return f"tenant-{next(_numbers)}"


def _more(make: Make, tenants: int) -> float:
    held = make(tenants)
    gc.collect()
    began = time.perf_counter()
    held.add(_MORE)
    return (time.perf_counter() - began) / _MORE


def _profile(loads: Sequence[int]) -> list[str]:
    """Return what setle does for one more at each of *loads*, counted in bytecodes."""
    counts = {}
    # Counted is what one thread does, and without another one the caller refreshes.
    with patch("setle._refresh.state.start_new_thread", _no_thread):
        for tenants in loads:
            held = _Sources(tenants)
            counts[tenants] = counted(partial(held.add, 1))
    told = ", ".join(f"{each.bytecodes['setle']:,} at {n:,}" for n, each in counts.items())
    most = counts[loads[-1]].of_setle.most_common(5)
    names = ", ".join(f"`{name}` {count:,}" for name, count in most)
    return [f"Bytecodes of setle for one more: {told}; the most at {loads[-1]:,}: {names}."]


def _no_thread(*_: object) -> int:
    raise RuntimeError("there is no thread to be had")


@lru_cache(maxsize=2)
def _kept(make: Make, tenants: int) -> "_Sources | _Dictionary":
    return make(tenants)


def _warm(make: Make, tenants: int) -> float:
    call_each = _kept(make, tenants).call_each
    began = time.perf_counter()
    for _ in range(_CALLS // tenants):
        call_each()
    return (time.perf_counter() - began) / _CALLS


def _memory(make: Make, tenants: int) -> float:
    make(1)  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        held = make(tenants)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del held
    return (after - before) / tenants
