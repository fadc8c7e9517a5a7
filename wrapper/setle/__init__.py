"""
Python client for the Setle API: one Bearer token, reused until it is about to expire.

Models and endpoints are generated into ``setle_api``; this package adds the token.
Names are resolved when they are first used, so that ``import setle`` stays cheap.
"""

from importlib import import_module

from . import _time as _time  # first: it keeps the real clocks, should a test stop them later
from ._version import __version__ as __version__

_MODULES = {
    "AccessToken": "_token",
    "BearerAuth": "_auth",
    "ClientCredentials": "_credentials",
    "ConfigurationError": "_errors",
    "FileTokenStore": "stores.file",
    "MemoryTokenStore": "stores.memory",
    "RedisTokenStore": "stores.redis",
    "SetleError": "_errors",
    "TokenError": "_errors",
    "TokenRejectedError": "_errors",
    "TokenResponseError": "_errors",
    "TokenSource": "_source",
    "TokenStore": "stores",
    "TokenUnavailableError": "_errors",
    "connect": "_connect",
}
__all__ = sorted(_MODULES)  # noqa: PLE0605 - __init__.pyi tells type checkers


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
