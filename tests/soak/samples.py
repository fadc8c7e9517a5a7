"""What long-lived workers take up, and what the stores hold, looked at now and then."""

import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import redis

from tests.support.leaks import TOKEN, leaks

if TYPE_CHECKING:
    from tests.soak.soak import Soak

_PAGE = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
COUNT = 300


@attrs.frozen
class Resource:
    """
    What is to stay as it is.

    Args:
        name: As the page says it.
        unit: Of the plot's axis.
        allowance: What the last fifth may have more than the second, in units.
        share: The same as a share of the second fifth; the larger of both counts.
    """

    name: str
    unit: str
    allowance: float
    share: float = 0.0

    def growth(self, values: list[float]) -> tuple[float, float]:
        """Return the medians of the second fifth of *values* and of the last one."""
        fifth = len(values) // 5
        return statistics.median(values[fifth : 2 * fifth]), statistics.median(values[-fifth:])

    def is_flat(self, values: list[float]) -> bool:
        """Tell whether the last fifth is no higher than the second, but for the allowance."""
        before, after = self.growth(values)
        return after <= before + max(self.allowance, self.share * before)


RESOURCES = (
    Resource("memory", "MiB of resident memory", 2.0, 0.05),
    Resource("threads", "threads", 2.0),
    Resource("descriptors", "open descriptors", 4.0),
)


def taken_by(pid: int) -> tuple[float, float, float]:
    """Return resident memory (MiB), threads and open descriptors of a process."""
    process = Path("/proc", str(pid))
    pages = int((process / "statm").read_text().split()[1])
    threads, descriptors = (len(list((process / name).iterdir())) for name in ("task", "fd"))
    return pages * _PAGE, float(threads), float(descriptors)


class Samples:
    """
    Looks at workers and stores until the soak is over.

    Attributes:
        times: Seconds from the start, one for each sample.
        taken: What each worker took then, in the order of RESOURCES.
        leaks: Where a store held a secret, or a token elsewhere than in its entry.
        looks: How many entries of stores were looked at.
    """

    def __init__(self, soak: "Soak") -> None:
        self._soak = soak
        self.times: list[float] = []
        self.taken: dict[int, list[tuple[float, float, float]]] = {}
        self.leaks: list[str] = []
        self.looks = 0

    def take(self) -> None:
        """Take samples until the soak is over."""
        began = time.monotonic()
        while not self._soak.is_over:
            self.times.append(time.monotonic() - began)
            for pid in self._soak.crew.lasting:
                self.taken.setdefault(pid, []).append(taken_by(pid))
            self._look_into_stores()
            self._soak.wait(self._soak.seconds / COUNT)

    def _look_into_stores(self) -> None:
        with suppress(OSError):  # a fault is at work
            for path in self._soak.files.iterdir():
                self._look_into(path.name, path.read_bytes())
        with suppress(redis.RedisError), self._soak.valkey.client(socket_timeout=0.2) as client:
            for name in client.scan_iter():
                self._look_into(name.decode(), client.get(name) or b"")

    def _look_into(self, name: str, content: bytes) -> None:
        self.looks += 1
        self.leaks += leaks("name in a store", name.encode())
        # The entry of a token holds that, also where a fault has cut it short.
        entry = name.endswith((".json", ".new", ":token"))
        self.leaks += leaks(f"{name} in a store", content, but=TOKEN if entry else ())
