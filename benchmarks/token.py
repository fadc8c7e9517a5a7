"""
Ask the service for a token, and print all about it but the token.

Exit status: 0 with a token, 1 if Setle gave none, 2 if a setting is missing or wrong.
"""

import sys

from benchmarks._run import run

_WANTED = (
    "this target needs SETLE_CLIENT_ID, and SETLE_CLIENT_SECRET or SETLE_CLIENT_SECRET_FILE;"
    " SETLE_BASE_URL is optional"
)


def main() -> int:
    """Return the exit status."""
    from setle import ConfigurationError, MemoryTokenStore, TokenError, TokenSource

    try:
        # A store of its own: the point is to ask, not to find what somebody else left.
        source = TokenSource(store=MemoryTokenStore())
        token = source.get_token()
    except ConfigurationError as error:
        return _fail(f"{error} ({_WANTED})", status=2)
    except TokenError as error:
        return _fail(str(error), status=1)
    print(f"base URL     {source.base_url}")
    print(f"lifetime     {token.lifetime:g} s")
    print(f"expires at   {token.expires_at.isoformat(timespec='seconds')}")
    print(f"fingerprint  {token.fingerprint}")
    return 0


def _fail(message: str, *, status: int) -> int:
    print("error:", message, file=sys.stderr)
    return status


if __name__ == "__main__":
    run(main)
