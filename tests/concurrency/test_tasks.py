"""One refresh for all tasks and loops, and no loop is blocked by it."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
import trio

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, eventually, join_refreshes, source_of
from tests.support.faults import fault, saw, times

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def _in_thread(sandbox: Sandbox, requests: int) -> None:
    await anyio.to_thread.run_sync(lambda: sandbox.wait_for(token_requests=requests))


async def test_ten_thousand_cold_tasks_ask_once(sandbox: Sandbox) -> None:
    """All get the same token."""
    source = source_of(sandbox)
    tokens = set()

    async def call() -> None:
        tokens.add(await source.aget_token())

    async with anyio.create_task_group() as tasks:
        for _ in range(10_000):
            tasks.start_soon(call)
    assert len(tokens) == 1
    assert sandbox.token_requests == 1


async def test_the_loop_goes_on_while_a_task_waits(sandbox: Sandbox) -> None:
    """Others are scheduled as often as they like in the meantime."""
    source = source_of(sandbox)
    turns = 0
    async with anyio.create_task_group() as tasks:
        with sandbox.hold():
            tasks.start_soon(source.aget_token)
            await _in_thread(sandbox, 1)
            for _ in range(1_000):
                await anyio.lowlevel.checkpoint()
                turns += 1
    assert turns == 1_000
    assert sandbox.token_requests == 1


async def test_a_cancelled_caller_cancels_its_own_waiting_only(sandbox: Sandbox) -> None:
    """The one who started the refresh may go; it serves the others all the same."""
    source = source_of(sandbox)
    tokens = []

    async def wait() -> None:
        tokens.append(await source.aget_token())

    async with anyio.create_task_group() as others:
        with sandbox.hold():
            async with anyio.create_task_group() as leader:
                leader.start_soon(source.aget_token)
                await _in_thread(sandbox, 1)
                for _ in range(10):
                    others.start_soon(wait)
                await anyio.lowlevel.checkpoint()
                leader.cancel_scope.cancel()
    assert len(set(tokens)) == 1
    assert len(tokens) == 10
    assert sandbox.token_requests == 1


async def test_a_token_dropped_before_its_waiter_wakes_is_not_handed_out(sandbox: Sandbox) -> None:
    """A task that is late to wake up looks again."""
    source = source_of(sandbox)
    tokens = []

    async def wait() -> None:
        tokens.append(await source.aget_token())

    async with anyio.create_task_group() as tasks:
        with sandbox.hold():
            tasks.start_soon(wait)
            await _in_thread(sandbox, 1)
        join_refreshes()  # blocks the loop, so that the waiter cannot wake yet
        dropped = source.get_token()
        source.invalidate(dropped)
    assert tokens
    assert dropped not in tokens
    assert sandbox.token_requests == 2


async def test_a_timeout_of_the_callers_own_costs_no_request(sandbox: Sandbox) -> None:
    """What the first caller gave up on is there for the next one."""
    source = source_of(sandbox)
    with sandbox.hold():
        with anyio.move_on_after(0.02) as scope:
            await source.aget_token()
        assert scope.cancelled_caught
        await _in_thread(sandbox, 1)
    await source.aget_token()
    assert sandbox.token_requests == 1


async def test_tasks_share_one_failure(sandbox: Sandbox) -> None:
    """Each raises a copy of its own."""
    sandbox.script_token(Answer(401))
    source = source_of(sandbox)
    errors = []

    async def call() -> None:
        with pytest.raises(setle.TokenRejectedError) as caught:
            await source.aget_token()
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(call)
    assert len({id(error) for error in errors}) == 100
    assert sandbox.token_requests == 1


async def test_an_early_refresh_delays_no_task(sandbox: Sandbox, clock: Clock) -> None:
    """The old token is returned without a single turn of the loop."""
    source = source_of(sandbox)
    old = await source.aget_token()
    clock.go_on(3600 - 30 - 150 + 1)
    with sandbox.hold():
        call = source.aget_token()
        with pytest.raises(StopIteration) as returned:
            call.send(None)
        assert returned.value.value == old
    join_refreshes()
    assert await source.aget_token() != old


async def test_waiting_tasks_enforce_the_deadline(sandbox: Sandbox) -> None:
    """A refresh that hangs where no timeout reaches does not hang its waiters."""
    release = threading.Event()

    def hanging() -> setle.ClientCredentials:
        release.wait(30)
        return credentials_of(sandbox)

    with pytest.raises(setle.TokenUnavailableError, match="has not returned within"):
        await source_of(sandbox, credentials=hanging, timeout=0.05).aget_token()
    release.set()
    join_refreshes()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_works_without_the_task_group_machinery(
    sandbox: Sandbox, anyio_backend: str
) -> None:
    """Plain asyncio: gather, wait_for and a task that is cancelled."""
    source = source_of(sandbox)
    with sandbox.hold():
        lost = asyncio.create_task(source.aget_token())
        await _in_thread(sandbox, 1)
        lost.cancel()
        others = asyncio.gather(*(asyncio.wait_for(source.aget_token(), 30) for _ in range(50)))
        await asyncio.sleep(0)
    assert len(set(await others)) == 1
    with pytest.raises(asyncio.CancelledError):
        await lost
    assert sandbox.token_requests == 1


def test_loops_and_threads_share_one_refresh(sandbox: Sandbox) -> None:
    """Two asyncio loops, two of trio, with two tasks each, and threads: one request wakes all."""
    source = source_of(sandbox, timeout=300.0)  # who is not woken looks after 100 s only
    tokens = []
    barrier = threading.Barrier(6)

    async def call() -> None:
        tokens.append(await source.aget_token())

    async def call_twice() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)

    def run(kind: str) -> None:
        barrier.wait(30)
        if kind == "thread":
            tokens.append(source.get_token())
        else:
            anyio.run(call_twice, backend=kind)

    with sandbox.hold():
        threads = [
            threading.Thread(target=run, args=(kind,))
            for kind in ("asyncio", "asyncio", "trio", "trio", "thread", "thread")
        ]
        for thread in threads:
            thread.start()
        sandbox.wait_for(token_requests=1)
    eventually(lambda: len(tokens) == 10)
    for thread in threads:
        thread.join(30)
    assert len(set(tokens)) == 1
    assert sandbox.token_requests == 1


def test_a_loop_is_woken_once_for_all_its_tasks(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time takes a system call, which thousands of tasks would wait for."""
    source, woken = source_of(sandbox), []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def count(callback: Callable[[], object]) -> None:
            woken.append(callback)
            wake(callback)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        with sandbox.hold():
            calls = asyncio.gather(*(source.aget_token() for _ in range(50)))
            await asyncio.sleep(0)  # until all of them wait
        await calls
        assert len(woken) == 1

    asyncio.run(run())
    assert sandbox.token_requests == 1


def test_loops_that_come_and_go_share_a_source(sandbox: Sandbox, clock: Clock) -> None:
    """Nothing of a source is bound to the loop that used it first."""
    source = source_of(sandbox)
    for backend in ("asyncio", "trio", "asyncio", "trio"):
        clock.go_on(3600)
        anyio.run(source.aget_token, backend=backend)
    assert sandbox.token_requests == 4


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_ended_while_waiting_harms_nobody(sandbox: Sandbox, backend: str) -> None:
    """Its tasks are gone, and the refresh ends for those who are left."""
    source = source_of(sandbox)

    async def give_up() -> None:
        with anyio.move_on_after(0.02):
            await source.aget_token()

    with sandbox.hold():
        anyio.run(give_up, backend=backend)
        sandbox.wait_for(token_requests=1)
    assert source.get_token() == source.get_token()
    assert sandbox.token_requests == 1


def test_trio_is_recognised_inside_an_asyncio_loop(sandbox: Sandbox) -> None:
    """In guest mode both loops run in one thread, and it is trio's task that waits."""
    source = source_of(sandbox)

    async def main() -> setle.AccessToken:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[setle.AccessToken] = loop.create_future()

        def finished(outcome: object) -> None:
            done.set_result(outcome.unwrap())  # type: ignore[attr-defined] # outcome.Outcome

        trio.lowlevel.start_guest_run(
            source.aget_token,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=finished,
        )
        return await asyncio.wait_for(done, 30)

    assert asyncio.run(main()) == source.get_token()
    assert sandbox.token_requests == 1


@fault("Shutdown", "a program ends while a refresh is under way", "it neither waits nor complains")
def test_a_program_ends_while_a_refresh_is_under_way(sandbox: Sandbox) -> None:
    """Interpreter shutdown neither waits for the refresh nor complains about it."""
    program = f"""
import setle, threading
source = setle.TokenSource(
    setle.ClientCredentials({sandbox.client_id!r}, {sandbox.client_secret!r}),
    base_url={sandbox.base_url!r},
)
threading.Thread(target=source.get_token, daemon=True).start()
input()
"""
    with sandbox.hold():
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        sandbox.wait_for(token_requests=1)
        output, _ = process.communicate(b"\n", timeout=30)
    assert (process.returncode, output) == (0, b"")
    saw(f"exit status {process.returncode}", f"{times(len(output), 'byte')} printed")


def test_a_finalizer_that_calls_at_the_very_end_does_not_hang(sandbox: Sandbox) -> None:
    """There a thread would never run, and nobody would ever come back from waiting for it."""
    program = f"""
import os, setle
class Finalized:
    def __init__(self):
        self.source = setle.TokenSource(
            setle.ClientCredentials({sandbox.client_id!r}, {sandbox.client_secret!r}),
            base_url={sandbox.base_url!r},
        )
    def __del__(self, write=os.write):  # standard output itself may be gone by then
        try:
            self.source.get_token()
        except Exception as error:  # names are lazy, and can be looked up no more
            write(1, type(error).__name__.encode())
import builtins
builtins.kept = Finalized()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "TokenUnavailableError", "")


def test_a_token_can_be_had_while_the_interpreter_shuts_down(sandbox: Sandbox) -> None:
    """Where no thread can be started any more, an exit handler still gets its token."""
    program = f"""
import atexit, setle, threading
source = setle.TokenSource(
    setle.ClientCredentials({sandbox.client_id!r}, {sandbox.client_secret!r}),
    base_url={sandbox.base_url!r},
)
atexit.register(lambda: print(len(source.get_token().value) > 20))
threading._register_atexit(lambda: None)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert sandbox.token_requests == 1
