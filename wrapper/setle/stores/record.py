"""A token written down, as the stores that outlive a process keep it."""

import json
from datetime import UTC, datetime

from .._token import AccessToken


def written(token: AccessToken) -> str:
    """Return what stands for *token*: in plain text, and with no secret but the token."""
    end = token.expires_at.timestamp()
    return json.dumps({"access_token": token.value, "expires_at": end, "lifetime": token.lifetime})


def read(content: str | bytes, **known: float) -> AccessToken | None:
    """Return the token that *content* stands for, None if for none; what is *known* counts more."""
    try:
        record = {**json.loads(content), **known}
        end = datetime.fromtimestamp(record["expires_at"], UTC)
        return AccessToken(record["access_token"], end, float(record["lifetime"]))
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None
