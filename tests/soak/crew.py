"""The workers of a soak, and what is done to them."""

import os
import random
import select
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import IO, Any

from tests.chaos.workers import Workers
from tests.soak.ledger import Ledger


class Crew(Workers):
    """
    Workers, some of which may be killed.

    Args:
        variables: Their environment.
        settings: What each is told, by the name of its store.
        stderr: Where their standard error goes.
        ledger: Where it is taken down who was suspended.
        over: Set when all is over, which ends every waiting.
        seed: Of their own chances.

    Attributes:
        lasting: Those who are never killed, and the names of their stores.
        mortal: The others.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        settings: Mapping[str, Mapping[str, Any]],
        stderr: IO[bytes],
        ledger: Ledger,
        over: threading.Event,
        seed: int,
    ) -> None:
        super().__init__("tests.soak.worker", variables, stderr)
        self.lasting: dict[int, str] = {}
        self.mortal: dict[int, str] = {}
        self._settings, self._ledger, self._over = settings, ledger, over
        self._chance, self._waiting = random.Random(seed), threading.Lock()

    @property
    def pids(self) -> list[int]:
        """All of them."""
        return [*self.lasting, *self.mortal]

    def add(self, store: str, *, mortal: bool) -> None:
        """Start one more."""
        pid = self.fork({"seed": self._chance.random(), **self._settings[store]})
        (self.mortal if mortal else self.lasting)[pid] = store

    def replace(self, pid: int) -> None:
        """Kill a mortal worker, and start another one in its place."""
        os.kill(pid, signal.SIGKILL)
        self.add(self.mortal.pop(pid), mortal=True)

    def stop(self, pids: list[int], seconds: float) -> None:
        """Suspend workers for that long."""
        with ExitStack() as ends:
            for pid in pids:
                ends.enter_context(self._ledger.fault("stop", "", pid))
                os.kill(pid, signal.SIGSTOP)
            self._over.wait(seconds)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def next_to_ask(self, seconds: float, among: Iterable[int]) -> int:
        """Return which *among* them asks for a token next; 0 if none does in time."""
        deadline = time.monotonic() + seconds
        with self._waiting:
            while select.select([self.asking], [], [], 0)[0]:  # told before now
                os.read(self.asking, 1 << 16)
            while (left := deadline - time.monotonic()) > 0 and not self._over.is_set():
                if select.select([self.asking], [], [], min(left, 0.2))[0]:
                    asking = int.from_bytes(os.read(self.asking, 4), "big")
                    if asking in among:
                        return asking
        return 0
