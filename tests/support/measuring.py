"""Leave what coverage does not count alone: measuring takes as long as what is measured."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import coverage
import pytest


@contextmanager
def unmeasured() -> Iterator[None]:
    """Measure neither this process nor those that it starts."""
    measuring = coverage.Coverage.current()
    with _none_started():
        if measuring is not None:
            measuring.stop()
            measuring.save()  # or each child that ends would save it
        yield
        if measuring is not None:
            measuring.start()


@contextmanager
def unmeasured_children() -> Iterator[None]:
    """Measure no child that is forked in here: to begin with it takes longer than most of them."""
    with _none_started() as patch:
        patch.setattr(coverage.Coverage, "current", lambda: None)  # what it goes on with in a child
        yield


def stop_tracing() -> None:
    """
    Take coverage's tracer off this thread, and off those that it starts.

    The tracer takes a lock at each call: one that a signal's exception leaves taken for ever, as
    does a fork while another thread holds it.
    """
    sys.settrace(None)
    threading.settrace(None)


@contextmanager
def _none_started() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        yield patch
