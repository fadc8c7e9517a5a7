"""
Everything that can go wrong, each as a function that does it and undoes it.

A lane is what happens one after the other; lanes go on at the same time.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.soak.soak import Soak

Fault = Callable[["Soak", random.Random], Any]
LANES: dict[str, dict[str, Fault]] = {"endpoint": {}, "tokens": {}, "stores": {}, "processes": {}}
"""The faults of each lane, by how the page names them."""


def lane(name: str) -> Callable[[Fault], Fault]:
    """Put a function into the lane of that *name*; its docstring says what it does."""

    def put(fault: Fault) -> Fault:
        LANES[name][(fault.__doc__ or "").removesuffix(".")] = fault
        return fault

    return put


from tests.soak.faults import endpoint, processes, stores  # noqa: E402, F401 - they fill the lanes
