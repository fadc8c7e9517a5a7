"""
How many functions a call enters, and how many bytecodes it executes, layer by layer.

The same on any machine with the same versions, however busy it is.
"""

import gc
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import attrs

SOCKETS = "sockets and event loop"
LAYERS = {
    "setle": "setle",
    "setle_api": "generated client",
    "httpx": "httpx",
    "httpcore": "httpcore",
    "h11": "h11",
    **dict.fromkeys(("anyio", "asyncio", "selectors", "sniffio", "socket"), SOCKETS),
}
"""Which layer a package is; the standard library counts for the layer that calls it."""

# From Python 3.12 on, the bytecodes of a function are traced from its second call.
_TWICE = range(2)


@attrs.frozen
class Counts:
    """
    What was counted.

    Attributes:
        bytecodes: By layer.
        calls: Of functions, Python's and C's, by layer; a coroutine that goes on is one more.
        of_setle: Bytecodes of the layer ``setle`` by its functions, with what they call of the
            standard library.
    """

    bytecodes: Counter[str] = attrs.Factory(Counter[str])
    calls: Counter[str] = attrs.Factory(Counter[str])
    of_setle: Counter[str] = attrs.Factory(Counter[str])

    @property
    def total(self) -> int:
        """All bytecodes."""
        return self.bytecodes.total()


def counted(call: Callable[[], object], *, inside: bool = True) -> Counts:
    """
    Return what *call* does in this thread, the second time.

    Args:
        call: To be counted.
        inside: Leave out its own bytecodes, and what belongs to no layer.
    """
    with _no_finalizers():
        for _ in _TWICE:
            counter = _Counter(sys._getframe(), "" if inside else "none")
            counter.start()
            try:
                call()
            finally:
                sys.settrace(None)
                sys.setprofile(None)
    return counter.counts


async def counted_async(call: Callable[[], Awaitable[object]]) -> Counts:
    """Return what *call* does, the second time, with all that its event loop does meanwhile."""
    with _no_finalizers():
        for _ in _TWICE:
            counter = _Counter(sys._getframe(), "")
            counter.start()
            try:
                await call()
            finally:
                sys.settrace(None)
                sys.setprofile(None)
    return counter.counts


@contextmanager
def _no_finalizers() -> Iterator[None]:
    """Let nothing that was left behind before be collected in the middle, and counted."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Counter:
    def __init__(self, own: FrameType, other: str) -> None:
        self.counts = Counts()
        self._own, self._other = own, other
        self._homes: dict[FrameType, tuple[str, str]] = {}

    def start(self) -> None:
        sys.setprofile(self._profiled)
        sys.settrace(self._entered)

    def _home(self, frame: FrameType | None) -> tuple[str, str]:
        """Return the layer of *frame*, and the function that stands for it there."""
        if frame is None or frame is self._own:
            return self._other, ""
        if frame not in self._homes:
            layer = LAYERS.get(str(frame.f_globals.get("__name__")).partition(".")[0])
            home = (layer, frame.f_code.co_qualname) if layer else self._home(frame.f_back)
            self._homes[frame] = home
        return self._homes[frame]

    def _entered(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        layer, function = self._home(frame)
        if not layer:
            return None
        self.counts.calls[layer] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False

        def executed(_frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
            if event == "opcode":
                self.counts.bytecodes[layer] += 1
                if layer == "setle":
                    self.counts.of_setle[function] += 1
            return executed

        return executed

    def _profiled(self, frame: FrameType, event: str, _arg: Any) -> None:
        if event == "c_call" and frame is not self._own and (layer := self._home(frame)[0]):
            self.counts.calls[layer] += 1
