"""What httpx makes of settings: which of them it cannot use, and TLS settings for a path."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os.path import exists, isdir  # unlike those of a Path, they raise nothing
from pathlib import Path
from typing import Any

import httpx

from .._errors import ConfigurationError

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# What httpx raises for a setting: a job's time limit, which any line may raise, is none of these.
_UNUSABLE = (AttributeError, ImportError, LookupError, TypeError, ValueError, httpx.InvalidURL)


@contextmanager
def settings_named(args: Mapping[str, Any]) -> Iterator[None]:
    """Say which setting it is because of which httpx makes no client of *args*."""
    environment = os.environ if args.get("trust_env", True) else {}
    try:
        yield
        return
    except OSError as error:
        if error.errno is None:
            raise  # neither the system's nor OpenSSL's, but a job's time limit
        # OpenSSL names no file. Python does, but only for SSLKEYLOGFILE.
        cert = args.get("cert")
        given = (
            ("verify_ssl", args.get("verify")),
            ("SSL_CERT_FILE", args.get("verify") is True and environment.get("SSL_CERT_FILE")),
            *(("cert", path) for path in (cert if isinstance(cert, tuple | list) else (cert,))[:2]),
        )
        files = [(name, path) for name, path in given if path and isinstance(path, str | Path)]
        lost = [name for name, path in files if not exists(path)]  # noqa: PTH110 - see its import
        if error.filename and error.filename == os.environ.get("SSLKEYLOGFILE"):
            lost = ["SSLKEYLOGFILE"]
        names = list(dict.fromkeys(lost or [name for name, _ in files] or ["certifi"]))
        problem = f"{' or '.join(names)} names what cannot be used: {error.strerror or error}"
    except _UNUSABLE as error:
        names = []
        if isinstance(error, httpx.InvalidURL | ImportError | ValueError):  # not a wrong type
            names = [name for name in PROXIES if {name, name.lower()} & environment.keys()]
            names = ["proxy in httpx_args"] if args.get("proxy") else names
        problem = f"{' or '.join(names) or 'httpx_args'} holds what httpx cannot use"
        # Of any other, the words may hold a part of the password.
        if isinstance(error, ImportError) or "unexpected keyword" in str(error):
            problem += f": {error}"
    raise ConfigurationError(problem)


def authorities(verify: Any) -> Any:
    """Return *verify*, or TLS settings for the file or folder that it names."""
    if not isinstance(verify, str | Path):
        return verify
    file, folder = (None, verify) if Path(verify).is_dir() else (verify, None)
    return ssl.create_default_context(cafile=file, capath=folder)


def check_folders(settings: Mapping[str, Any]) -> None:
    """Raise an error if ``SSL_CERT_DIR`` names no folder, of which OpenSSL says nothing."""
    folders = os.environ.get("SSL_CERT_DIR", "")
    heeded = settings["verify"] is True and settings["trust_env"]
    heeded = heeded and folders and not os.environ.get("SSL_CERT_FILE")
    if heeded and not any(map(isdir, folders.split(os.pathsep))):
        problem = "SSL_CERT_DIR names what cannot be used: there is no such folder"
        raise ConfigurationError(problem)
