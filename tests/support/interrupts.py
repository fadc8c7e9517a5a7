"""Interrupts between any two instructions of the package, as signals come."""

import dis
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import setle

_PACKAGE = str(Path(setle.__file__).parent)


class Interrupter:
    """
    Acts in this thread at one of the places where Python lets a signal handler in.

    Those are the beginning of a function, and what follows a call. A place at which a handler
    for exceptions begins or ends is left out: there a signal's exception belongs to the
    instruction before, and what a tracing function raises to the one behind.

    Args:
        place: At which of them, from 1.
        act: What to do there, as a handler would; it may raise.

    Attributes:
        passed: How many there were.
    """

    def __init__(self, place: int, act: Callable[[], object]) -> None:
        self._place, self._act = place, act
        self.passed = 0
        self._before: dict[FrameType, int] = {}

    def run(self, call: Callable[[], object]) -> bool:
        """Run *call*; tell whether it was interrupted."""
        others = sys.gettrace()
        sys.settrace(self._on_call)
        try:
            call()
        except BaseException:
            if self.passed < self._place:
                raise
            return True
        finally:
            sys.settrace(others)
            self._before.clear()
        return False

    def _on_call(self, frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        frame.f_trace_opcodes = True
        return self._on_opcode

    def _on_opcode(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode":
            here, before = frame.f_lasti, self._before.get(frame, -1)
            self._before[frame] = here
            code = frame.f_code
            name = dis.opname[code.co_code[before]] if before >= 0 else ""
            is_place = name == "RESUME" or (name.startswith("CALL") and here > before)
            if is_place and _handlers(code, before) == _handlers(code, here):
                self.passed += 1
                if self.passed == self._place:
                    self._act()
        elif event == "return":
            self._before.pop(frame, None)
        return self._on_opcode


_tables: dict[CodeType, list[Any]] = {}


def _handlers(code: CodeType, offset: int) -> list[int]:
    if code not in _tables:
        _tables[code] = dis._parse_exception_table(code)  # type: ignore[attr-defined] # private
    return [entry.target for entry in _tables[code] if entry.start <= offset < entry.end]


def raising(error: type[BaseException]) -> Callable[[], None]:
    """Return what raises *error*."""

    def act() -> None:
        raise error

    return act
