"""What several test files use."""

import copy
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TypeVar

import attrs
import pytest

import setle
from setle._locks import alive, process
from setle._refresh.state import EVERY
from setle.testing import Sandbox

T = TypeVar("T")
S = TypeVar("S", bound=setle.MemoryTokenStore)


@attrs.define
class Clock:
    """Both clocks of ``setle``, moved by hand."""

    monotonic: float = 1_000.0
    wall: float = 1_800_000_000.0

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic += seconds
        self.wall += seconds


def credentials_of(sandbox: Sandbox) -> setle.ClientCredentials:
    """Return what *sandbox* accepts."""
    return setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)


def source_of(
    sandbox: Sandbox,
    *,
    credentials: setle.ClientCredentials | Callable[[], setle.ClientCredentials] | None = None,
    store: setle.TokenStore | str | None = None,
    timeout: float = 15.0,
    transport: object = None,
) -> setle.TokenSource:
    """Return a source for *sandbox* that shares with nobody, unless a *store* is given."""
    return setle.TokenSource(
        credentials or credentials_of(sandbox),
        base_url=sandbox.base_url,
        store=setle.MemoryTokenStore() if store is None else store,
        timeout=timeout,
        httpx_args={"transport": transport},
    )


def secret_file_of(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file in *folder* with what *sandbox* accepts, which the environment names."""
    file = folder / "secret"
    file.write_text(sandbox.client_secret)
    monkeypatch.setenv("SETLE_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", str(file))
    return file


class LockedByNobody(setle.MemoryTokenStore):
    """A store in which one refresh keeps no other one from asking."""

    def lock(  # type: ignore[override] # wider than a null context
        self, key: str, timeout: float
    ) -> AbstractContextManager[None]:
        return nullcontext()


def elsewhere(store: S) -> S:
    """Return *store* as another process has it: another object with the same tokens and locks."""
    return copy.copy(store)


def eventually(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds, of which nobody tells."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def join_refreshes() -> None:
    """Wait until no refresh is under way, nor has its thread anything left to do."""
    eventually(
        # One that was only just started has no frame yet. A forked child has none of its parent's.
        lambda: (
            not any(state._threads for state in alive(EVERY) if state._process == process())
            and not any(map(_is_a_refresh, sys._current_frames().values()))
        )
    )


def _is_a_refresh(frame: FrameType) -> bool:
    while (caller := frame.f_back) is not None:  # asked once, as it may return meanwhile
        frame = caller
    return Path(frame.f_code.co_filename).parent.name == "_refresh"


def all_at_once(count: int, call: Callable[[], T]) -> list[Future[T]]:
    """Return what came of *call* in *count* threads that set off together."""
    barrier = threading.Barrier(count)

    def run() -> T:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(count) as pool:
        return [pool.submit(run) for _ in range(count)]


@contextmanager
def held_up(
    at: Callable[[FrameType], bool], call: Callable[[], T], *, longest: float = 60.0
) -> Iterator[Future[T]]:
    """Have *call* in a thread that is held up in the first frame *at* tells, within the block."""
    inside, leave = threading.Event(), threading.Event()

    def hold_up(frame: FrameType, *_: object) -> None:
        if not inside.is_set() and at(frame):
            inside.set()
            leave.wait(longest)

    def run() -> T:
        sys.settrace(hold_up)
        return call()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        try:
            assert inside.wait(30)
            yield future
        finally:
            leave.set()
