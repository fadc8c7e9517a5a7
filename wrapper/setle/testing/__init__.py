"""
A Setle to test against: a real HTTP server on loopback.

Needs the extra: ``pip install 'setle-client[sandbox]'``. With pytest, the fixture
``setle_sandbox`` is a running `Sandbox`, and no test meets a token or a failure of another
one. `forget_everything` does that without pytest, and needs no extra.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._answer import Answer, Record
    from ._forget import forget_everything
    from ._sandbox import Sandbox

__all__ = ["Answer", "Record", "Sandbox", "forget_everything"]


def __getattr__(name: str) -> Any:
    # Lazy, because pytest imports this package at every start to reach the
    # plugin, also where the extra is not installed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "forget_everything":
        from ._forget import forget_everything

        return forget_everything
    try:
        from . import _answer, _sandbox
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ImportError(
            f"setle.testing needs {package}: pip install 'setle-client[sandbox]'"
        ) from error
    globals().update(Answer=_answer.Answer, Record=_answer.Record, Sandbox=_sandbox.Sandbox)
    return globals()[name]
