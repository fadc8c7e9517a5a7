"""
Locks that are held across a fork, so that no child finds one taken by a thread it lacks.

Both are reentrant, as a signal handler may need a token while its own thread holds one.
"""

import os
import threading

mutex = threading.RLock()
"""Guards every change of state; held for some lines and never while foreign code runs."""

loading = threading.RLock()
"""Held by a refresh while modules are imported and TLS settings are loaded, for a fork would
leave those half done in the child, whose next import of them would wait for ever."""

if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    for _lock in (mutex, loading):
        os.register_at_fork(
            before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
        )
