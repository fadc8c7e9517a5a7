"""Processes that set off together, forked from the test so that twenty of them are cheap."""

import os
import signal
import socket
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def forked(run: Callable[[], object]) -> Callable[[], str]:
    """Call *run* in a forked child; return a function that waits for what it returned."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forking while there are threads, as the sandbox has one.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            said = str(run())
        except BaseException as error:  # noqa: BLE001 - the child must not return to pytest
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)

    def outcome() -> str:
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read().decode()
        os.waitpid(child, 0)
        return said

    return outcome


def cold_processes(count: int, run: Callable[[], object]) -> list[str]:
    """Return what *run* returned in *count* processes that waited for each other."""
    ready_reading, ready = os.pipe()
    gate, opening = os.pipe()

    def wait_and_run() -> object:
        os.close(opening)
        os.write(ready, b".")
        os.read(gate, 1)  # ends when the parent closes the other end
        return run()

    outcomes = [forked(wait_and_run) for _ in range(count)]
    arrived = 0
    while arrived < count:
        arrived += len(os.read(ready_reading, count))
    os.close(opening)
    said = [outcome() for outcome in outcomes]
    for descriptor in (ready_reading, ready, gate):
        os.close(descriptor)
    return said


def said_by(process: subprocess.Popen[str]) -> str:
    """
    Return what a program said that is to end well.

    What it started must have ended too: the pipe stays open as long as one of them has it.
    """
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    return said


@contextmanager
def listening() -> Iterator[tuple[int, str]]:
    """Listen before the server is there, so that its first requests wait for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener.fileno(), f"http://127.0.0.1:{listener.getsockname()[1]}"
