"""One client in every process and event loop: everybody gets their own answers."""

import asyncio
import gc
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import anyio
import httpx
import pytest
import trustme

import setle
import setle_api
from setle.testing import Answer, Request, Sandbox
from tests.support import all_at_once, source_of
from tests.support.faults import asked, fault, naming, saw
from tests.support.processes import cold_processes, forked
from tests.support.worlds import ECHO, ESTATES, World, connect_to

Connect: TypeAlias = Callable[..., setle_api.AuthenticatedClient]

# A longer run is a matter of the variable.
CHILDREN, CALLS = 4, int(os.environ.get("SETLE_TEST_CALLS", "25"))

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def tls_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    pem = tmp_path / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    with Sandbox(ssl_certfile=pem) as running:
        yield running


def crossed(world: World, client: setle_api.AuthenticatedClient) -> int:
    """Return how many of the calls of this process got another one's answer, or none."""
    me = os.getpid()
    wrong = 0

    def body(number: int) -> bytes:
        return f"{me} {number}".encode() * 50

    if world.is_sync:
        http = client.get_httpx_client()
        for number in range(CALLS):
            answer = http.post(ECHO, content=body(number))
            wrong += (answer.status_code, answer.content) != (200, body(number))
        return wrong

    async def main() -> int:
        wrong = 0
        async with client:
            http = client.get_async_httpx_client()
            for number in range(CALLS):
                answer = await http.post(ECHO, content=body(number))
                wrong += (answer.status_code, answer.content) != (200, body(number))
        return wrong

    return world.run(main)


def test_a_client_may_be_entered_at_any_time(world: World, connect: Connect) -> None:
    """After a call, and again after it was left: what was closed is made anew."""
    client = connect()
    assert world.call(client).status_code == 200

    def in_turn() -> None:
        for _ in range(2):
            client.get_httpx_client().get(ESTATES).raise_for_status()
            with client:
                http = client.get_httpx_client()
                http.get(ESTATES).raise_for_status()
            assert http.is_closed

    async def in_turn_async() -> None:
        for _ in range(2):
            (await client.get_async_httpx_client().get(ESTATES)).raise_for_status()
            async with client:
                http = client.get_async_httpx_client()
                (await http.get(ESTATES)).raise_for_status()
            assert http.is_closed

    if world.is_sync:
        in_turn()
    else:
        world.run(in_turn_async)


def test_who_leaves_a_client_cuts_nobody_off(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """One enters it and leaves while another waits for an answer in a block of its own."""
    client = connect()
    asked, left = threading.Event(), threading.Event()

    def answer_late(request: Request) -> Answer:
        asked.set()
        assert left.wait(10)
        return Answer(json={})

    sandbox.route("GET", "/late", lambda request: asyncio.to_thread(answer_late, request))

    def call() -> int:
        with client:
            return client.get_httpx_client().get("/late").status_code

    async def call_async() -> None:
        async with client:
            assert (await client.get_async_httpx_client().get("/late")).status_code == 200

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(call_async)
            assert await anyio.to_thread.run_sync(asked.wait, 10)
            async with client:
                pass
            left.set()

    if not world.is_sync:
        world.run(main)
        return
    with ThreadPoolExecutor() as pool:
        status = pool.submit(call)
        assert asked.wait(10)
        with client:
            pass
        left.set()
        assert status.result() == 200


def test_who_leaves_a_derived_client_closes_it(connect: Connect) -> None:
    """It has connections of its own, whoever has entered the one that it was made of."""
    with connect() as client:
        with client.with_headers({"X": "1"}) as derived:
            http = derived.get_httpx_client()
            http.get(ESTATES).raise_for_status()
        assert http.is_closed
        assert not client.get_httpx_client().is_closed


@needs_fork
@pytest.mark.parametrize("transport", [None, httpx.HTTPTransport()], ids=["none", "the user's"])
def test_a_child_that_was_forked_in_a_with_block_leaves_it(
    connect: Connect, transport: httpx.HTTPTransport | None
) -> None:
    """It has never entered that block itself, and leaves its parent's connections alone."""
    client = connect(httpx_args={"transport": transport})
    with client:
        http = client.get_httpx_client()
        http.get(ESTATES).raise_for_status()
        assert forked(lambda: client.__exit__(None, None, None), measured=True)() == "None"
        assert http.get(ESTATES).status_code == 200
    assert http.is_closed


@needs_fork
def test_a_child_that_was_forked_in_a_with_block_closes_what_it_has_used(connect: Connect) -> None:
    """Its own connections, as if it had entered the block itself."""
    client = connect()

    def child() -> tuple[int, bool]:
        http = client.get_httpx_client()
        status = http.get(ESTATES).status_code
        client.__exit__(None, None, None)
        return status, http.is_closed

    with client:
        assert forked(child, measured=True)() == "(200, True)"


def test_an_httpx_client_that_was_closed_is_made_anew(world: World, connect: Connect) -> None:
    """By a with block of its own, or because leaving the client was broken off."""
    client = connect()

    async def call() -> None:
        async with client.get_async_httpx_client() as http:
            assert (await http.get(ESTATES)).status_code == 200

    async def call_twice() -> None:
        await call()
        await call()

    if not world.is_sync:
        world.run(call_twice)
        return
    for _ in range(2):
        with client.get_httpx_client() as http:
            assert http.get(ESTATES).status_code == 200


@fault(
    "Forks",
    "four children call through a client that was in use before the fork",
    "no answer crosses to another process",
)
@needs_fork
def test_forked_children_get_their_own_answers(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """Four children share a client that was in use before the fork, and no answer crosses."""
    client = connect()
    assert World("sync").call(client).status_code == 200
    if not world.is_sync:
        assert world.call(client).status_code == 200
    crossed_answers = cold_processes(CHILDREN, lambda: crossed(world, client))
    assert crossed_answers == ["0"] * CHILDREN
    assert World("sync").call(client).status_code == 200
    assert sandbox.token_requests == 1
    saw(
        f"{sum(map(int, crossed_answers))} answers crossed in {len(crossed_answers)} children",
        asked(sandbox),
    )


@needs_fork
def test_forked_children_get_their_own_answers_over_tls(world: World, tls_sandbox: Sandbox) -> None:
    """The same over TLS, where a connection of two processes could not be read at all."""
    with connect_to(tls_sandbox, verify_ssl=False) as client:
        assert World("sync").call(client).status_code == 200
        assert cold_processes(CHILDREN, lambda: crossed(world, client)) == ["0"] * CHILDREN
        assert World("sync").call(client).status_code == 200


@fault(
    "Forks",
    "an httpx client that was taken out before the fork is used in the child",
    "one error that names the remedy; the parent's goes on",
)
@needs_fork
def test_an_httpx_client_taken_out_before_a_fork_says_so_in_the_child(connect: Connect) -> None:
    """It would read its parent's answers, so it refuses in one error that names the remedy."""
    client = connect()
    http = client.get_httpx_client()
    assert http.get(ESTATES).status_code == 200
    said = forked(lambda: http.get(ESTATES), measured=True)()
    assert said.startswith("ConfigurationError(")
    assert "get_httpx_client()" in said
    assert forked(lambda: client.get_httpx_client().get(ESTATES).status_code)() == "200"
    status = http.get(ESTATES).status_code
    assert status == 200
    saw(said.partition("(")[0], naming(said, "get_httpx_client()"), f"the parent's call: {status}")


@needs_fork
def test_an_async_httpx_client_taken_out_before_a_fork_says_so_in_the_child(
    connect: Connect,
) -> None:
    """The same for one that was taken out where no event loop ran."""
    http = connect().get_async_httpx_client()

    async def call() -> int:
        return (await http.get(ESTATES)).status_code

    assert "get_async_httpx_client()" in forked(lambda: asyncio.run(call()), measured=True)()


@needs_fork
def test_a_child_of_a_child_is_another_process(connect: Connect, sandbox: Sandbox) -> None:
    """Each generation has connections of its own."""
    client = connect()

    def parent() -> list[str]:
        before = World("sync").call(client).status_code
        child = forked(lambda: crossed(World("sync"), client))()
        return [str(before), child, str(World("sync").call(client).status_code)]

    World("sync").call(client)
    assert forked(parent)() == "['200', '0', '200']"
    assert sandbox.token_requests == 1


@needs_fork
def test_a_streamed_answer_is_the_parents(connect: Connect) -> None:
    """A child that is forked while an answer is read leaves that answer whole."""
    http = connect().get_httpx_client()
    content = b"an estate" * 50_000
    with http.stream("POST", ECHO, content=content) as answer:
        chunks = answer.iter_bytes(1000)
        first = next(chunks)
        client = forked(lambda: http.get(ESTATES))
        assert "ConfigurationError" in client()
        assert first + b"".join(chunks) == content


# The connections of a loop that has ended can only be collected.
@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backends", [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio",) * 2])
def test_event_loops_one_after_the_other(sandbox: Sandbox, backends: tuple[str, str]) -> None:
    """A second loop, of whatever kind, has connections of its own; nobody has closed the first."""
    client = connect_to(sandbox)

    async def main(client: setle_api.AuthenticatedClient) -> list[int]:
        http = client.get_async_httpx_client()
        return [(await http.get(ESTATES)).status_code for _ in range(5)]

    for backend in backends:
        assert anyio.run(main, client, backend=backend) == [200] * 5
    assert sandbox.token_requests == 1
    del client
    gc.collect()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_event_loops_at_once(connect: Connect, sandbox: Sandbox, backend: str) -> None:
    """Four loops in four threads call through one client, and nobody waits for another's loop."""
    client = connect()
    world = World(backend)
    futures = all_at_once(4, lambda: crossed(world, client))
    assert [future.result() for future in futures] == [0] * 4
    assert sandbox.token_requests == 1


def test_tasks_of_one_loop_share_its_connections(connect: Connect) -> None:
    """Within a loop it is always the same httpx client; within a process too."""
    client = connect()

    async def main() -> bool:
        async with client:
            return client.get_async_httpx_client() is client.get_async_httpx_client()

    assert asyncio.run(main())
    assert client.get_httpx_client() is client.get_httpx_client()


def test_threads_that_come_first_together_share_one_httpx_client(connect: Connect) -> None:
    """It is published once, whoever of them has made one."""
    client = connect()
    futures = all_at_once(16, client.get_httpx_client)
    assert len({id(future.result()) for future in futures}) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_httpx_client_may_be_taken_out_before_there_is_a_loop(
    connect: Connect, backend: str
) -> None:
    """It belongs to the loop that first uses it; another loop gets one error that says so."""
    http = connect().get_async_httpx_client()

    async def call() -> int:
        return (await http.get(ESTATES)).status_code

    async def call_and_close() -> int:
        async with http:
            return await call()

    assert anyio.run(call_and_close, backend=backend) == 200
    with pytest.raises(setle.ConfigurationError, match=r"get_async_httpx_client\(\)"):
        asyncio.run(call())


def test_an_async_httpx_client_is_taken_out_anew_when_its_loop_has_ended(connect: Connect) -> None:
    """So that one may be taken out for each run of an event loop."""
    client = connect()

    async def call(http: httpx.AsyncClient) -> int:
        return (await http.get(ESTATES, headers={"Connection": "close"})).status_code

    for _ in range(3):
        http = client.get_async_httpx_client()
        assert client.get_async_httpx_client() is http
        assert asyncio.run(call(http)) == 200


def test_threads_of_one_loop_take_out_one_httpx_client_each(connect: Connect) -> None:
    """As frameworks run sync functions in threads, whose results they use in the loop."""
    client = connect()

    async def main() -> list[httpx.AsyncClient]:
        async with client:
            taken = []
            for _ in range(5):
                taken.append(await in_thread(client.get_async_httpx_client))
                assert (await taken[-1].get(ESTATES)).status_code == 200
            await taken[0].aclose()
            return taken

    with ThreadPoolExecutor(1) as pool:

        async def in_thread(function: Callable[[], httpx.AsyncClient]) -> httpx.AsyncClient:
            return await asyncio.get_running_loop().run_in_executor(pool, function)

        taken = asyncio.run(main())
    assert len({id(http) for http in taken}) == 1


def test_threads_that_each_run_a_loop_take_out_httpx_clients_of_their_own(connect: Connect) -> None:
    """Each before its loop begins, and all of them at once."""
    client = connect()

    async def call(http: httpx.AsyncClient) -> int:
        async with http:
            return (await http.get(ESTATES)).status_code

    futures = all_at_once(4, lambda: asyncio.run(call(client.get_async_httpx_client())))
    assert [future.result() for future in futures] == [200] * 4


def test_an_httpx_client_of_another_loop_says_so(connect: Connect) -> None:
    """The event loop that it belongs to still runs, and would not get its answers."""
    client = connect()
    outcome: list[object] = []

    async def use(http: httpx.AsyncClient) -> None:
        await http.get(ESTATES)

    def elsewhere(http: httpx.AsyncClient) -> None:
        try:
            asyncio.run(use(http))
        except setle.ConfigurationError as error:
            outcome.append(error)

    async def main() -> None:
        async with client:
            http = client.get_async_httpx_client()
            await use(http)
            await asyncio.to_thread(elsewhere, http)
            await use(http)

    asyncio.run(main())
    assert len(outcome) == 1


def test_a_loop_does_not_notice_that_another_one_begins(connect: Connect) -> None:
    """It is asked whether it still lives, and nothing comes of that."""
    client = connect()
    troubles: list[object] = []

    async def use() -> None:
        async with client:
            client.get_async_httpx_client()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
        async with client:
            http = client.get_async_httpx_client()
            await asyncio.to_thread(asyncio.run, use())
            await asyncio.sleep(0)
            assert client.get_async_httpx_client() is http

    asyncio.run(main())
    assert troubles == []


def test_loops_that_have_ended_leave_nothing_behind(connect: Connect) -> None:
    """A hundred runs do not keep a hundred httpx clients."""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # what earlier tests left open in loops of theirs
    client = connect()
    seen: weakref.WeakSet[httpx.AsyncClient] = weakref.WeakSet()

    async def main() -> None:
        async with client:
            seen.add(client.get_async_httpx_client())

    for _ in range(100):
        asyncio.run(main())
    gc.collect()
    assert len(seen) <= 2


def test_a_source_and_an_auth_of_the_users_own_serve_every_loop(sandbox: Sandbox) -> None:
    """What holds for connect() holds for BearerAuth in httpx clients that the user makes."""
    auth = setle.BearerAuth(source_of(sandbox))

    async def main() -> int:
        async with httpx.AsyncClient(auth=auth, base_url=sandbox.base_url) as http:
            return (await http.get(ESTATES)).status_code

    for backend in ("asyncio", "trio", "asyncio"):
        assert anyio.run(main, backend=backend) == 200
    with httpx.Client(auth=auth, base_url=sandbox.base_url) as http:
        assert http.get(ESTATES).status_code == 200
    assert sandbox.token_requests == 1


def test_a_client_is_used_in_threads_while_a_loop_runs(connect: Connect) -> None:
    """Sync calls out of the threads of a loop do not meet its connections."""
    client = connect()

    async def main() -> list[int]:
        async with client:
            call = client.get_async_httpx_client().get
            sync = asyncio.to_thread(World("sync").call, client)
            answers = await asyncio.gather(call(ESTATES), sync, call(ESTATES))
            return [answer.status_code for answer in answers]

    assert asyncio.run(main()) == [200] * 3
