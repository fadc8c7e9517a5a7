"""Processes that a zygote forks, and what they tell."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tests.support.examples import ROOT
from tests.support.processes import plain_environment


class Workers:
    """
    The processes that a program such as tests/chaos/zygote.py forks.

    Args:
        program: Its module.
        settings: Environment variables.
        stderr: Where its standard error goes; to our own by default.

    Attributes:
        asking: The end of a pipe through which each tells its process id, in four bytes, before
            it sends a token request.
        results: The file that they write to, a line for each event.
    """

    def __init__(
        self, program: str, settings: Mapping[str, str], stderr: IO[bytes] | None = None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="setle-workers-")
        self.results = Path(self._folder.name, "results")
        results = os.open(self.results, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self.asking, asking = os.pipe()
        self._turn = threading.Lock()
        # Its own session: whatever happens, all of its processes can be ended together.
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", program, str(results), str(asking)],
            cwd=ROOT,
            env={**plain_environment(), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            bufsize=1,
            pass_fds=(results, asking),
            start_new_session=True,
        )
        os.close(results)
        os.close(asking)

    def fork(self, settings: Mapping[str, Any]) -> int:
        """Start one more, and return its process id."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        with self._turn:
            print(json.dumps(settings), file=self._zygote.stdin)
            return int(self._zygote.stdout.readline())

    def end(self, pids: Iterable[int] | None = None) -> list[Any]:
        """
        End all processes, and return what they told.

        Args:
            pids: Of those who are to finish what they are doing; None for nobody.
        """
        try:
            if pids is not None:
                assert self._zygote.stdin is not None
                for pid in pids:  # a frozen one would not hear that it is to stop
                    os.kill(pid, signal.SIGCONT)
                self._zygote.stdin.close()
                assert self._zygote.wait(30) == 0
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(self._zygote.pid, signal.SIGKILL)
            self._zygote.wait(30)
            for pipe in (self._zygote.stdin, self._zygote.stdout):
                if pipe is not None:
                    pipe.close()
            os.close(self.asking)
            events = [json.loads(line) for line in self.results.read_text().splitlines()]
            self._folder.cleanup()
        return events
