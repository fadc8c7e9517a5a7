"""Processes that set off together, forked from the test so that twenty of them are cheap."""

import os
import posix
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

import coverage

from tests.support.measuring import stop_tracing, unmeasured, unmeasured_children

Start = Callable[..., subprocess.Popen[str]]


def forked(run: Callable[[], object], *, measured: bool = False) -> Callable[[], str]:
    """Call *run* in a forked child; return a function that waits for what it returned."""
    reading, writing = os.pipe()
    with nullcontext() if measured else unmeasured_children(), warnings.catch_warnings():
        # Python warns of forking while there are threads, as the sandbox has one.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        if not measured:
            stop_tracing()
        signal.alarm(30)
        try:
            said = str(run())
        except BaseException as error:  # noqa: BLE001 - the child must not return to pytest
            said = repr(error)
        os.write(writing, said.encode())
        with suppress(Exception):  # who is somebody else by now may not write here
            if measured and (measuring := coverage.Coverage.current()):
                measuring.stop()
                measuring.save()
        posix._exit(0)  # not the one of coverage, which saves what the parent has measured, too
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

    with unmeasured():  # what one of them runs, another test runs in its own process
        outcomes = [forked(wait_and_run) for _ in range(count)]
    arrived = 0
    while arrived < count:
        arrived += len(os.read(ready_reading, count))
    os.close(opening)
    said = [outcome() for outcome in outcomes]
    for descriptor in (ready_reading, ready, gate):
        os.close(descriptor)
    return said


def plain_environment() -> dict[str, str]:
    """
    Return the environment for programs that are killed, or that count by the dozen.

    Without coverage, which would take most of their time and lose what it measured.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@contextmanager
def programs(folder: Path, settings: Mapping[str, str]) -> Iterator[Start]:
    """Yield what starts Python in *folder*; end all, and whatever they started, at the end."""

    def end(process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)

    with ExitStack() as ends:

        def start(
            *command: str, pass_fds: tuple[int, ...] = (), **more: str
        ) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env={**plain_environment(), **settings, **more},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=pass_fds,
                start_new_session=True,
            )
            ends.callback(end, process)
            return process

        yield start


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
