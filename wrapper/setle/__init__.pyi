# What type checkers see of the package; Python itself resolves the same names lazily.
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
from ._version import __version__ as __version__
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
