"""
Python client for the Setle API: one Bearer token, reused until it is about to expire.

Models and endpoints are generated into ``setle_api``; this package adds the token.
Names are resolved when they are first used, so that ``import setle`` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._auth import BearerAuth
    from ._connect import connect
    from ._credentials import ClientCredentials
    from ._errors import (
        ConfigurationError,
        SetleError,
        TokenError,
        TokenRejectedError,
        TokenResponseError,
        TokenUnavailableError,
    )
    from ._file_store import FileTokenStore
    from ._redis_store import RedisTokenStore
    from ._source import TokenSource
    from ._store import MemoryTokenStore, TokenStore
    from ._token import AccessToken

__all__ = [
    "AccessToken",
    "BearerAuth",
    "ClientCredentials",
    "ConfigurationError",
    "FileTokenStore",
    "MemoryTokenStore",
    "RedisTokenStore",
    "SetleError",
    "TokenError",
    "TokenRejectedError",
    "TokenResponseError",
    "TokenSource",
    "TokenStore",
    "TokenUnavailableError",
    "connect",
]

_MODULES = {
    "AccessToken": "_token",
    "BearerAuth": "_auth",
    "ClientCredentials": "_credentials",
    "FileTokenStore": "_file_store",
    "MemoryTokenStore": "_store",
    "RedisTokenStore": "_redis_store",
    "TokenSource": "_source",
    "TokenStore": "_store",
    "connect": "_connect",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_MODULES.get(name, '_errors')}", __name__)
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
