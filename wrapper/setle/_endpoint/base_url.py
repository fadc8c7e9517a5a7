"""The base URL: where the secret and the token go, and nowhere else."""

import os
import re

from .._errors import ConfigurationError

DEFAULT_BASE_URL = "https://public-api.setle.app"

# User, query, fragment, blanks, and letters that look like others in a host's name.
_ODD = re.compile(r"[@?#]|[^\x21-\x7e]")


def checked_base_url(base_url: str | None) -> str:
    """
    Return *base_url*, or else ``SETLE_BASE_URL``, or else the real service, in one form.

    Raises:
        ConfigurationError: It cannot be used. The message does not show it, as it may hold
            a password.
    """
    import httpx  # here, as the command line takes the default only

    setting = "base_url" if base_url is not None else "SETLE_BASE_URL"
    if base_url is None:
        base_url = os.environ.get(setting, "").strip() or DEFAULT_BASE_URL
    try:
        url = httpx.URL(base_url)
        host = url.host  # in letters, which not everything that looks encoded can be
    except (httpx.InvalidURL, TypeError, ValueError):
        url, host = httpx.URL(), ""
    if url.scheme not in ("http", "https") or not host:
        problem = "is not a web address; use https://host"
    # Part by part an empty query or user is not seen, and a blank has become %20.
    elif _ODD.search(str(base_url)):
        problem = "holds a user, query, fragment, blank or letter beyond ASCII; leave it off"
    elif url.scheme == "http" and not is_loopback(host):
        problem = "would send the secret in plain text; use https://"
    else:
        return str(url).rstrip("/")
    raise ConfigurationError(f"{setting} {problem}")


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine, by its name or address."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
