"""Whether threads stand still between requests, as they do in an older uWSGI."""

import logging
import sys

from .._locks import process
from .._log import say

_told: set[object] = set()  # which processes have been told


def threads_stand_still() -> bool:
    """Tell whether this is a uWSGI that holds on to the interpreter between requests."""
    uwsgi = sys.modules.get("uwsgi")
    # From 2.0.27 on threads run whatever the options say. Before, each of these lets them run.
    if uwsgi is None or uwsgi.version >= b"2.0.27":
        return False
    return "threads" not in uwsgi.opt and uwsgi.opt.get("enable-threads", b"false") == b"false"


def tell_if_threads_stand_still() -> None:
    """Tell once in each process what that costs, and how to change it."""
    if threads_stand_still() and process() not in _told:
        _told.add(process())
        text = (
            "uWSGI lets threads run within requests only, so no token is refreshed early and calls"
            " wait for the next one; set enable-threads = true"
        )
        say(logging.WARNING, "threads_stand_still", text, setting="enable-threads")
