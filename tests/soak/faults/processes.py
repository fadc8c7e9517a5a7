"""What happens to the workers, their clocks among it."""

import os
import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.soak.faults import LANES, lane

if TYPE_CHECKING:
    from tests.soak.soak import Soak


def _stopped(least: float, most: float, soak: "Soak", chance: random.Random) -> None:
    stopped = chance.sample(soak.crew.pids, 2)
    soak.stop(stopped, chance.uniform(least, most))


LANES["processes"]["Two processes suspended for a moment"] = partial(_stopped, 0.05, 1.0)
LANES["processes"]["Two processes suspended for longer than a token lives"] = partial(
    _stopped, 5.0, 8.0
)


@lane("processes")
def _stop_who_asks(soak: "Soak", chance: random.Random) -> None:
    """Process suspended in mid-refresh."""
    with soak.sandbox.hold():
        asking = soak.next_to_ask()
        if asking:
            os.kill(asking, signal.SIGSTOP)
    if asking:
        soak.stop([asking], chance.uniform(0.5, 6.0))


@lane("processes")
def _kill(soak: "Soak", chance: random.Random) -> None:
    """Process killed (kill -9) at any moment."""
    soak.crew.replace(chance.choice(list(soak.crew.mortal)))


@lane("processes")
def _kill_who_asks(soak: "Soak", chance: random.Random) -> None:
    """Process killed (kill -9) in mid-refresh, with the lock in hand."""
    with soak.sandbox.hold():
        asking = soak.next_to_ask(among=soak.crew.mortal)
        soak.crew.replace(asking or chance.choice(list(soak.crew.mortal)))


def _tell_who_asks(soak: "Soak", chance: random.Random, number: signal.Signals) -> None:
    with soak.sandbox.hold():
        os.kill(soak.next_to_ask() or chance.choice(soak.crew.pids), number)
        soak.rest(0.2)


@lane("processes")
def _fork(soak: "Soak", chance: random.Random) -> None:
    """Process forked at any moment."""
    os.kill(chance.choice(soak.crew.pids), signal.SIGUSR2)


@lane("processes")
def _fork_who_asks(soak: "Soak", chance: random.Random) -> None:
    """Process forked in mid-refresh."""
    _tell_who_asks(soak, chance, signal.SIGUSR2)


@lane("processes")
def _signals(soak: "Soak", chance: random.Random) -> None:
    """Burst of signals whose handler asks for a token."""
    pid = chance.choice(soak.crew.pids)
    for _ in range(10):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(chance.uniform(0.0, 0.02))


@lane("processes")
def _signal_who_asks(soak: "Soak", chance: random.Random) -> None:
    """Signal in mid-refresh whose handler asks for a token."""
    _tell_who_asks(soak, chance, signal.SIGUSR1)


@lane("processes")
def _set_clock(soak: "Soak", chance: random.Random) -> None:
    """Wall clock of a process set hours ahead or back, and right again."""
    pid = chance.choice(soak.crew.pids)
    for _ in range(2):
        os.kill(pid, signal.SIGHUP)
        soak.rest(chance.uniform(0.5, 3.0))
