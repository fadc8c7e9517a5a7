"""``setle token``, ``status`` and ``forget``: the token in the store."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import click

import setle

from .._endpoint.base_url import DEFAULT_BASE_URL, checked_base_url
from .._time import now, stale_after
from ._command import FAILED, Failure, credentials, group, printable, store

# No store can remove what it holds, but each one can replace it: by what has as good as ended.
NOTHING = ("forgotten", 0.01)


@group.command()
@click.option("--json", "form", flag_value="json", help="As JSON, with its end.")
@click.option("--header", "form", flag_value="header", help="As a header, for curl -H.")
@click.option("--refresh", is_flag=True, help="Get another one, even if the stored one is good.")
def token(form: str | None, refresh: bool) -> None:
    """Print a token: the stored one while it lasts, or else a new one."""
    mine, shared = credentials(), store()
    found = None if refresh else _at_hand(mine, shared)
    if found is None:
        source, began = setle.TokenSource(mine, store=shared), now()
        found = source.get_token()
        if refresh and found.issued_at().wall < began.wall:
            source.invalidate(found)
            found = source.get_token()
    if form == "json":
        click.echo(json.dumps({"access_token": found.value} | _life_of(found)))
    else:
        click.echo(f"Authorization: Bearer {found.value}" if form else found.value)


def _at_hand(mine: setle.ClientCredentials, shared: setle.TokenStore) -> setle.AccessToken | None:
    """Return the stored token if it is good for use, without starting an HTTP stack for it."""
    # The setting is not checked, as that takes httpx. But no token is ever saved for a base URL
    # that was not, and in another form it has another key.
    base_url = os.environ.get("SETLE_BASE_URL", "").strip().rstrip("/") or DEFAULT_BASE_URL
    with suppress(Exception):  # the source will say so, and go on
        found = shared.load(mine.key(base_url))
        return None if found is None or _would_be_refreshed(found) else found
    return None


def _would_be_refreshed(found: setle.AccessToken) -> bool:
    """Tell whether a process that starts with this token gets another one first."""
    stale = found.issued_at().after(stale_after(found.lifetime))
    return found.is_from_the_future() or stale.has_come(now())


def _life_of(found: setle.AccessToken) -> dict[str, object]:
    issued = found.expires_at - timedelta(seconds=found.lifetime)
    return {
        "fingerprint": found.fingerprint,
        "issued_at": issued.isoformat(timespec="seconds"),
        "expires_at": found.expires_at.isoformat(timespec="seconds"),
        "expires_in": int((found.expires_at - datetime.now(UTC)).total_seconds()),
    }


@group.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(as_json: bool) -> None:
    """Tell about the stored token; send nothing. Exit status 1 if there is none."""
    base_url, shared = checked_base_url(None), store()
    found = shared.load(credentials().key(base_url))
    facts: dict[str, object] = {"base_url": base_url, "store": name_of(shared)}
    if found is not None and not found.has_ended(now().after(1.0)):
        facts |= _life_of(found) | {"next_call_refreshes": _would_be_refreshed(found)}
    lines = [printable(f"{name.replace('_', ' '):20} {fact}") for name, fact in facts.items()]
    click.echo(json.dumps(facts) if as_json else "\n".join(lines))
    if len(facts) == 2:
        raise Failure("no token is stored; 'setle token' gets one", FAILED)


@group.command()
def forget() -> None:
    """Remove the stored token. At Setle it stays good until its end."""
    put(store(), credentials().key(checked_base_url(None)), *NOTHING)


def put(shared: setle.TokenStore, key: str, value: str, seconds: float) -> None:
    """Save under *key* a token of that *value* that ends in so many *seconds*."""
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    shared.save(key, setle.AccessToken(value, end, max(seconds, 1.0)))


def name_of(shared: setle.TokenStore) -> str:
    """Return what *shared* is and where, without a password."""
    return f"{type(shared).__name__} {getattr(shared, 'place', 'in this process')}"
