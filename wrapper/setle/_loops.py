"""Event loops, asyncio's and trio's: which one runs here, and how another thread wakes it."""

from collections.abc import Callable
from typing import Any

from anyio.lowlevel import current_token


def running_loop() -> Any:
    """Return the event loop that runs in this thread, or trio's token; None if there is none."""
    try:
        token: Any = current_token()
    except RuntimeError:
        return None
    # Older versions of anyio return the loop, or trio's token, itself.
    return getattr(token, "native_token", token)


def call_in(loop: Any, callback: Callable[[], object]) -> bool:
    """Run *callback* in *loop* soon, from any thread; tell whether the loop still lives."""
    call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    try:
        call_soon(callback)
    except RuntimeError:  # that loop has ended, and its tasks with it
        return False
    return True
