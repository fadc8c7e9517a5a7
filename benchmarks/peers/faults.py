"""What goes wrong: answers, redirects, forks and clocks; each library in a process of its own."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from ..sandbox import RemoteSandbox, remote_sandbox
from .alone import Alone
from .answers import NAMES, REDIRECT
from .libraries import Peer

T = TypeVar("T")

_AGES = 10 * 365 * 86_400.0
LIFETIME = 1_000.0
PARTS = 20
_SLOW = 1.0
KINDS = REFUSED, CRASHED, ACCEPTED, FOR_EVER = "refused", "crashed", "accepted", "for ever"


class Fleet(ExitStack):
    """A process for each of *peers*, and a sandbox, until the `with` statement ends."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        super().__init__()
        self.sandbox = self.enter_context(remote_sandbox())
        # All are started before the first is waited for.
        alone = [Alone(peer.distribution, self.sandbox.where) for peer in peers]
        self._processes = [self.enter_context(one) for one in alone]

    def each(self, measure: Callable[[RemoteSandbox, Alone], T], **settings: float) -> list[T]:
        """Return what *measure* returns of each, which holds no token, with these *settings*."""
        self.sandbox.set(script="", **({"lifetime": 3600.0} | settings))
        results = []
        for alone in self._processes:
            alone.renew()
            results.append(measure(self.sandbox, alone))
        return results


def answers(fleet: Fleet) -> list[list[str]]:
    """Return what each library does with each of the bad answers: a kind, and what it raises."""
    return fleet.each(lambda sandbox, alone: [_answer(sandbox, alone, name) for name in NAMES])


def _answer(sandbox: RemoteSandbox, alone: Alone, name: str) -> str:
    alone.renew()
    sandbox.set(script=name)
    outcome = alone.use()
    sandbox.set(script="")
    if outcome.error:
        return f"{REFUSED if outcome.is_typed else CRASHED}: {outcome.error}"
    # Taken; for how long?
    alone.shift(wall=_AGES, monotonic=_AGES)
    before = sandbox.token_requests()
    is_used = not alone.use().error and sandbox.token_requests() == before
    return FOR_EVER if is_used else ACCEPTED


def redirect(fleet: Fleet) -> list[bool]:
    """Return whether the secret arrives where a redirect to another host points."""

    def arrives(sandbox: RemoteSandbox, alone: Alone) -> bool:
        sandbox.set(script=REDIRECT)
        before = sandbox.secrets_elsewhere()
        alone.get()
        return sandbox.secrets_elsewhere() > before

    return fleet.each(arrives)


def fork(peer: Peer) -> tuple[str, int]:
    """Return what a child gets that is forked in mid-refresh, and the token requests of both."""
    with remote_sandbox(delay=_SLOW) as sandbox, Alone(peer.distribution, sandbox.where) as alone:
        alone.begin()
        while not sandbox.token_requests():
            time.sleep(0.005)
        return alone.fork(), sandbox.token_requests()


def ended(fleet: Fleet, *, wall: float, monotonic: float) -> list[str]:
    """Return what becomes of a token after its end, the clocks having gone on by so much."""

    def outcome(_: RemoteSandbox, alone: Alone) -> str:
        held = alone.get()
        alone.shift(wall=wall, monotonic=monotonic)
        after = alone.get()
        if not held.token or not after.token:
            return "fails"
        return "handed out" if after == held else "replaced"

    return fleet.each(outcome, lifetime=LIFETIME)


def lifetime(fleet: Fleet, seconds: float) -> list[int]:
    """Return the token requests of calls that are spread evenly over one life of a token."""

    def requests(sandbox: RemoteSandbox, alone: Alone) -> int:
        before, began, shifted = sandbox.token_requests(), time.monotonic(), 0.0
        for part in range(PARTS):
            if (wait := part * seconds / PARTS - shifted - (time.monotonic() - began)) > 0:
                alone.shift(wall=wait, monotonic=wait)
                shifted += wait
            alone.get()
            time.sleep(0.02)  # for a refresh in the background to end
        return sandbox.token_requests() - before

    return fleet.each(requests, lifetime=seconds)
