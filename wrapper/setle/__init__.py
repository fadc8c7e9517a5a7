"""
Python client for the Setle API: one Bearer token, reused until it is about to expire.

Models and endpoints are generated into ``setle_api``; this package adds the token.
Names are resolved when they are first used, so that ``import setle`` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__ as __version__

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
    from ._source import TokenSource
    from ._token import AccessToken
    from .stores import TokenStore
    from .stores.file import FileTokenStore
    from .stores.memory import MemoryTokenStore
    from .stores.redis import RedisTokenStore

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
    "FileTokenStore": "stores.file",
    "MemoryTokenStore": "stores.memory",
    "RedisTokenStore": "stores.redis",
    "TokenSource": "_source",
    "TokenStore": "stores",
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
