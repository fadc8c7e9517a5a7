"""All libraries that are measured, and what of each has to be known for that."""

from datetime import timedelta

from . import on_httpx, on_requests
from .libraries import SETLE, Peer

PEERS = (
    Peer(
        "authlib",
        on_httpx.authlib,
        61.0,
        "from authlib.integrations.httpx_client import OAuth2Client",
        "authlib",
    ),
    Peer(
        "httpx-auth",
        on_httpx.httpx_auth,
        31.0,
        "from httpx_auth import OAuth2ClientCredentials",
        "httpx_auth",
    ),
    Peer("openai", on_httpx.openai, 2.0, "from openai import OpenAI", "openai", on_requests=False),
    # Stale from half of its life on, but never used in its last 40 s: the shortest wait for
    # a stale token would be 40 s. So the beginning is set, as its own argument allows.
    Peer(
        "databricks-sdk",
        on_requests.databricks,
        61.0,
        "from databricks.sdk.core import ApiClient",
        "databricks",
        lambda sandbox: on_requests.databricks(sandbox, timedelta(seconds=60)).get,
    ),
    Peer(
        "botocore",
        on_requests.botocore,
        961.0,
        "from botocore.tokens import DeferredRefreshableToken",
        "botocore",
        on_requests.botocore_aged,
        sends=False,
        reads=False,
        on_requests=False,
    ),
    Peer(
        "google-auth",
        on_requests.google_auth,
        226.0,
        "from google.auth.transport.requests import AuthorizedSession",
        "google",
        reads=False,
    ),
    Peer(
        "msal",
        on_requests.msal,
        301.0,
        "from msal import ConfidentialClientApplication",
        "msal",
        on_requests=False,
    ),
    Peer(
        "requests-oauth2client",
        on_requests.requests_oauth2client,
        21.0,
        "from requests_oauth2client import ApiClient, OAuth2ClientCredentialsAuth",
        "requests_oauth2client",
    ),
)


def named(distribution: str) -> Peer:
    """Return the library of this name."""
    return next(peer for peer in (SETLE, *PEERS) if peer.distribution == distribution)
