"""Leave what coverage does not count alone: measuring takes as long as what is measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import coverage
import pytest


@contextmanager
def unmeasured() -> Iterator[None]:
    """Measure neither this process nor those that it starts."""
    measuring = coverage.Coverage.current()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        if measuring is not None:
            measuring.stop()
            measuring.save()  # or each child that ends would save it
        yield
        if measuring is not None:
            measuring.start()
