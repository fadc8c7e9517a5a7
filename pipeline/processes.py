"""
Start processes of their own, forked from one that has imported what they need.

It imports that once, however many of them there are, and nothing of ``setle``:
a process is free to take a package from wherever it is told to.
"""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

__all__ = ["PRELOADED", "preload", "processes"]

PRELOADED = ["openapi_python_client.cli", "pipeline.checks", "pipeline.roundtrip"]

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_CONTEXT = multiprocessing.get_context(_METHOD)
preload = _CONTEXT.set_forkserver_preload
preload(PRELOADED)


def processes(count: int, begin: Callable[..., None], *arguments: Any) -> ProcessPoolExecutor:
    """Return up to *count* processes, each of which calls *begin* with *arguments* first."""
    return ProcessPoolExecutor(count, _CONTEXT, _start, (begin, arguments))


def _start(begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is told by whoever waits, once
    begin(*arguments)
