"""
A Setle to test against: a real HTTP server on loopback.

Needs the extra: ``pip install 'setle-client[sandbox]'``. With pytest, the fixture
``setle_sandbox`` is a running `Sandbox`, and no test meets a token or a failure of another
one. `forget_everything` does that without pytest, and needs no extra.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._answer import Answer, Record
    from ._forget import forget_everything
    from ._routes import Request, Route
    from ._sandbox import Sandbox

__all__ = ["Answer", "Record", "Request", "Route", "Sandbox", "forget_everything"]


def __getattr__(name: str) -> Any:
    # Lazy, because pytest imports this package at every start to reach the
    # plugin, also where the extra is not installed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"Record": "._answer", "forget_everything": "._forget"}
    try:
        return getattr(import_module(homes.get(name, "._sandbox"), __name__), name)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        needed = f"setle.testing needs {package}: pip install 'setle-client[sandbox]'"
        raise ImportError(needed) from error
