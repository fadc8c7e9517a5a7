"""
One library in a process of its own, whose clocks can be shifted.

`Alone` is that process as seen from here. Over there, `python -m benchmarks.peers.alone NAME`
reads lines of JSON, each a list of a command and its arguments, and answers each with one.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, NamedTuple, Self

_LONGEST = 60.0  # seconds
HANGS = 5.0


class Outcome(NamedTuple):
    """
    What came of wanting a token.

    Attributes:
        token: The token.
        error: The class of what was raised instead.
        is_typed: Whether that is the library's own.
    """

    token: str = ""
    error: str = ""
    is_typed: bool = False


class Alone:
    """
    A library of that name over there, and a driver of it that asks the sandbox *where*.

    Used in a `with` statement.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name, self._where = name, where
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.peers.alone", self._name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        """Wait until it has been imported."""
        self.renew()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._process.communicate()

    def renew(self) -> None:
        """Begin with a driver that holds no token; in a new process, if the last one failed."""
        if self._process.poll() is not None:
            self._start()
        self._say("new", self._where)

    def get(self) -> Outcome:
        """Want a token; TimeoutError after a while."""
        return Outcome(*self._say("get"))

    def use(self) -> Outcome:
        """Want one for a request, in the library's own way; no token is returned."""
        return Outcome(*self._say("use"))

    def begin(self) -> None:
        """Want one in a thread, and do not wait for it."""
        self._say("begin")

    def fork(self) -> str:
        """Return what comes of wanting one in a child: token, fails or hangs."""
        return str(self._say("fork"))

    def shift(self, *, wall: float, monotonic: float) -> None:
        """Put both clocks forward, or the wall clock back, by so many seconds."""
        self._say("shift", wall, monotonic)

    def _say(self, *command: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], _LONGEST)[0]:
            self.__exit__()
            raise TimeoutError(f"{self._name}: no answer to {command[0]} within {_LONGEST:g} s")
        line = self._process.stdout.readline()
        if not line:
            self.__exit__()
            raise RuntimeError(f"{self._name} has ended at {command[0]}")
        return json.loads(line)


class _Clocks:
    """Both clocks, as all that is imported from now on reads them."""

    def __init__(self) -> None:
        self._wall = self._monotonic = 0.0
        self._traveller: Any = None
        # Replaced before anybody else can bind it. It only ever goes forward.
        real, real_ns = time.monotonic, time.monotonic_ns
        time.monotonic = lambda: real() + self._monotonic
        time.monotonic_ns = lambda: real_ns() + int(self._monotonic * 1e9)

    def shift(self, wall: float, monotonic: float) -> None:
        import time_machine

        if self._traveller:
            self._traveller.stop()
        self._wall += wall
        self._monotonic += monotonic
        self._traveller = time_machine.travel(time.time() + self._wall, tick=True)
        self._traveller.start()


def _main(clocks: _Clocks) -> None:
    import logging

    from ..sandbox import Address
    from .all import named

    logging.disable()
    peer, driver = named(sys.argv[1]), None
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer: object = None
        with redirect_stdout(sys.stderr):  # what a library prints is no answer of ours
            if command == "new":
                driver = peer.make(Address(*arguments))
            elif command == "shift":
                clocks.shift(*arguments)
            else:
                assert driver
                answer = _COMMANDS[command](peer, driver)
        print(json.dumps(answer), flush=True)


def _get(peer: Any, driver: Any) -> Outcome:
    return _tried(peer, driver.get)


def _use(peer: Any, driver: Any) -> Outcome:
    def use() -> str:
        driver.to_header()()
        return ""

    return _tried(peer, use)


def _tried(peer: Any, get: Callable[[], str]) -> Outcome:
    try:
        return Outcome(get())
    except Exception as error:  # noqa: BLE001 - each library has its own
        kind = type(error)
        return Outcome("", kind.__name__, kind.__module__.split(".")[0] == peer.package)


def _begin(peer: Any, driver: Any) -> None:
    import threading

    threading.Thread(target=_get, args=(peer, driver), daemon=True).start()


def _fork(_: Any, driver: Any) -> str:
    import os
    import signal

    if not (child := os.fork()):
        status = 1
        try:
            status = 0 if driver.get() else 1
        finally:
            os._exit(status)
    end = time.monotonic() + HANGS
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "fails" if status else "token"
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


_COMMANDS = {"get": _get, "use": _use, "begin": _begin, "fork": _fork}

if __name__ == "__main__":
    _main(_Clocks())
