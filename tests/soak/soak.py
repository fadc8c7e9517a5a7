"""The real parts of a soak, and the lanes of faults that go on at the same time."""

import json
import os
import random
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from setle.testing import Sandbox
from tests.soak.crew import Crew
from tests.soak.faults import LANES
from tests.soak.ledger import Ledger
from tests.soak.relay import Relay
from tests.soak.samples import Samples
from tests.support.leaks import SECRET, TOKEN, made_up
from tests.support.valkey import Valkey

CALM = {"endpoint": 4.0, "tokens": 12.0, "stores": 2.0, "processes": 1.0}
"""Seconds between two faults of a lane, on average."""
CALLERS = ("main thread", "thread", "asyncio", "trio")
LONGEST_RECOVERY = 65.0  # the longest back-off, and some


class Soak:
    """
    Workers that call, and all that goes wrong around them.

    Args:
        folder: For the log and the stored files.
        seed: Decides which faults come one after the other, and how long they last.
        seconds: How long faults are injected.
        scale: How long faults and calm last, compared with the long form.
        lasting: How many workers of each store are never killed, by the store.
        mortal: How many are.

    Attributes:
        ledger: What the server knows, and what was done.
        samples: What the workers that are never killed take up.
        crew: The workers.
        silent: Callers that had no answer within a minute after the last fault.
        failures: What went wrong with the faults themselves.
        events: What the workers told, once all has ended.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        seconds: float,
        *,
        lifetime: float = 5.0,
        scale: float = 1.0,
        lasting: dict[str, int],
        mortal: dict[str, int],
    ) -> None:
        self.folder, self.seed, self.seconds = folder, seed, seconds
        self.secret, self.files = folder / "secret", folder / "tokens"
        self.ledger = Ledger(lifetime)
        self.sandbox = Sandbox(lifetime=lifetime, delay=0.1, on_answer=self.ledger.record)
        self.valkey = Valkey()
        self.samples = Samples(self)
        self.silent: list[str] = []
        self.events: list[Any] = []
        self.failures: list[Exception] = []
        self._lasting, self._mortal, self._scale = lasting, mortal, scale
        self._over = threading.Event()

    def run(self) -> None:
        """Live through all of it."""
        with ExitStack() as ends:
            ends.enter_context(
                patch("setle.testing._ledger.secrets.token_urlsafe", lambda _: made_up(TOKEN))
            )
            ends.enter_context(self.sandbox)
            ends.enter_context(self.valkey)
            self.relay = ends.enter_context(Relay(self.sandbox.base_url))
            self.rotate(made_up(SECRET))
            variables = {
                "SETLE_BASE_URL": self.sandbox.base_url,
                "SETLE_CLIENT_ID": self.sandbox.client_id,
                "SETLE_CLIENT_SECRET_FILE": str(self.secret),
            }
            stores = {"memory": "memory", "file": f"file:{self.files}", "Valkey": self.valkey.url}
            common = {"folder": str(self.folder), "relay": self.relay.port}
            settings = {name: {**common, "store": store} for name, store in stores.items()}
            stderr = ends.enter_context((self.folder / "stderr").open("ab"))
            self.crew = Crew(variables, settings, stderr, self.ledger, self._over, self.seed)
            told = None
            try:
                self._begin()
                self._suffer()
                self._recover()
                # One that has ended is silent, and told so.
                told = [pid for pid in self.crew.pids if Path("/proc", str(pid)).exists()]
            finally:
                self._over.set()  # an interrupt ends the lanes, too
                self.events = self.crew.end(told)

    def _begin(self) -> None:
        for mortal, counts in ((False, self._lasting), (True, self._mortal)):
            for store, count in counts.items():
                for _ in range(count):
                    self.crew.add(store, mortal=mortal)
        self.sandbox.wait_for(api_requests=3 * len(self.crew.pids), timeout=30)

    def _suffer(self) -> None:
        lanes = [threading.Thread(target=self._lane, args=(name,)) for name in LANES]
        lanes.append(threading.Thread(target=self.samples.take))
        for each in lanes:
            each.start()
        self._over.wait(self.seconds)
        self._over.set()
        for each in lanes:
            each.join(60)

    def _lane(self, name: str) -> None:
        chance, left = random.Random(f"{self.seed} {name}"), list[str]()
        try:
            while not self._over.is_set():
                # Each comes once before any comes again.
                left = left or chance.sample(list(LANES[name]), len(LANES[name]))
                fault = left.pop()
                with self.ledger.fault(name, fault):
                    LANES[name][fault](self, chance)
                self.rest(chance.uniform(0.5, 1.5) * CALM[name])
        except Exception as error:  # noqa: BLE001 - said at the end
            self.failures.append(error)
            self._over.set()

    def _recover(self) -> None:
        """Wait until every caller of every worker has an answer, as it must have soon."""
        self.rotate(made_up(SECRET))  # as somebody does whose secret was refused
        ended, deadline = time.monotonic(), time.monotonic() + LONGEST_RECOVERY
        with self.crew.results.open() as results:
            results.seek(0, os.SEEK_END)
            missing = {(pid, caller) for pid in self.crew.pids for caller in CALLERS}
            while missing and time.monotonic() < deadline:
                for line in results:
                    event, pid, _, began, text, *more = json.loads(line)
                    if event == "call" and text == "200" and began > ended:
                        missing.discard((pid, more[0]))
                time.sleep(0.1)
        self.silent = sorted(f"{caller} of {pid}" for pid, caller in missing)

    @property
    def is_over(self) -> bool:
        """Whether no more faults come."""
        return self._over.is_set()

    def wait(self, seconds: float) -> None:
        """Let time pass, or none if all is over."""
        self._over.wait(seconds)

    def rest(self, seconds: float) -> None:
        """Let as much time pass as a fault is to last."""
        self.wait(seconds * self._scale)

    def write_secret(self, text: str) -> None:
        """Put *text* into the secret's file, as a mounted one is: all of it at once."""
        aside = self.secret.with_name("secret.new")
        aside.write_text(text)
        aside.rename(self.secret)

    def rotate(self, secret: str) -> None:
        """Let the server take that *secret* only, and the file hold it."""
        self.write_secret(secret)
        self.sandbox.client_secret = secret

    def next_to_ask(self, seconds: float = 10.0, among: Iterable[int] | None = None) -> int:
        """Return which worker *among* some asks for a token next; 0 if none does in time."""
        among = self.crew.pids if among is None else list(among)
        return self.crew.next_to_ask(self._scale * seconds, among)

    def stop(self, pids: list[int], seconds: float) -> None:
        """Suspend workers for that long."""
        self.crew.stop(pids, self._scale * seconds)
