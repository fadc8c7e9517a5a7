"""
The peers, each driven by its own class, and what it takes to make that ask our sandbox.

Setle wants the credentials in two headers of its own and no body; a body that a peer sends
all the same is ignored. Settings, and margins above all, are what each comes with, but for
the refresh in the background where it is to be had. A peer is imported when it is made:
`make peers` installs them, nothing else does.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import attrs
import httpx

import setle

from .sandbox import RemoteSandbox

Get = Callable[[], str]


@attrs.frozen
class Peer:
    """
    A library to measure.

    Attributes:
        distribution: Its name.
        make: Returns what gets a token for a sandbox; as yet it holds none.
        lifetime: Of tokens in seconds, for its margin to begin a second after they are issued.
        aged: Makes the same, where it takes more than *lifetime* for that.
    """

    distribution: str
    make: Callable[[RemoteSandbox], Get]
    lifetime: float
    aged: Callable[[RemoteSandbox], Get] | None = None

    def make_aged(self, sandbox: RemoteSandbox) -> Get:
        """Return what gets a token, and holds one that goes stale about a second later."""
        sandbox.set(lifetime=self.lifetime)
        get = (self.aged or self.make)(sandbox)
        get()
        return get


def _url(sandbox: RemoteSandbox) -> str:
    return f"{sandbox.base_url}/v1/oauth/token"


def _headers(sandbox: RemoteSandbox) -> dict[str, str]:
    return {
        "x-setle-client-id": sandbox.credentials.client_id,
        "x-setle-client-secret": sandbox.credentials.client_secret,
    }


def _http(sandbox: RemoteSandbox) -> httpx.Client:
    return httpx.Client(headers=_headers(sandbox), verify=sandbox.tls, trust_env=False)


def _setle(sandbox: RemoteSandbox) -> Get:
    source = sandbox.source()
    return lambda: source.get_token().value


def _setle_aged(sandbox: RemoteSandbox) -> Get:
    # The store holds a token that is that old, instead of waiting 17 s for it.
    source = sandbox.aged_source(setle.MemoryTokenStore(), refresh_in=1.0)
    return lambda: source.get_token().value


def _authlib(sandbox: RemoteSandbox) -> Get:
    from authlib.integrations.httpx_client import OAuth2Client

    def in_headers(_client: Any, _method: str, uri: str, headers: Any, _body: Any) -> Any:
        headers.update(_headers(sandbox))
        return uri, headers, ""

    # It gets no first token of its own accord, so it is given one that has ended. What comes
    # then is what it does before each request of its own.
    client = OAuth2Client(
        token={"access_token": "ended", "expires_at": 1},
        token_endpoint=_url(sandbox),
        token_endpoint_auth_method="setle",
        grant_type="client_credentials",
    )
    client.register_client_auth_method(("setle", in_headers))

    def get() -> str:
        client.ensure_active_token()
        token: str = client.token["access_token"]
        return token

    return get


def _httpx_auth(sandbox: RemoteSandbox) -> Get:
    from httpx_auth import OAuth2, OAuth2ClientCredentials

    credentials = sandbox.credentials
    auth = OAuth2ClientCredentials(
        _url(sandbox), credentials.client_id, credentials.client_secret, client=_http(sandbox)
    )
    OAuth2.token_cache.clear()  # the one of the process
    # The call that its flow consists of, without the request's header.
    return partial(
        OAuth2.token_cache.get_token,
        auth.state,
        early_expiry=auth.early_expiry,
        on_missing_token=auth.request_new_token,
    )


def _openai(sandbox: RemoteSandbox) -> Get:
    from openai.auth import WorkloadIdentityAuth

    http = _http(sandbox)

    class Auth(WorkloadIdentityAuth):  # type: ignore[misc] # not installed where types are checked
        # The one step that each of its own kinds of identity fills in.
        def _fetch_token_from_exchange(self) -> Any:
            return self._handle_token_response(http.post(_url(sandbox)))

    get: Get = Auth(workload_identity={}).get_token
    return get


def _databricks(sandbox: RemoteSandbox, stale_duration: timedelta | None = None) -> Get:
    from databricks.sdk.oauth import Refreshable, retrieve_token

    credentials = sandbox.credentials

    class Source(Refreshable):  # type: ignore[misc] # not installed where types are checked
        # As its ClientCredentials does it, which passes no headers on.
        def refresh(self) -> Any:
            return retrieve_token(
                credentials.client_id,
                credentials.client_secret,
                _url(sandbox),
                {"grant_type": "client_credentials"},
                headers=_headers(sandbox),
            )

    # In the background, as its Config does it unless it is told otherwise.
    source = Source(disable_async=False, stale_duration=stale_duration)
    return lambda: str(source.token().access_token)


def _google_auth(sandbox: RemoteSandbox) -> Get:
    from google.auth.credentials import Credentials
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import Request

    class Setle(Credentials):  # type: ignore[misc] # not installed where types are checked
        def refresh(self, request: Any) -> None:
            response = request(_url(sandbox), method="POST", headers=_headers(sandbox))
            if response.status != 200:
                raise RefreshError(response.status)
            answer = json.loads(response.data)
            lifetime = timedelta(seconds=answer["expires_in"])
            self.token = answer["access_token"]
            self.expiry = datetime.now(UTC).replace(tzinfo=None) + lifetime

    credentials, request = Setle(), Request()
    credentials.with_non_blocking_refresh()

    def get() -> str:
        credentials.before_request(request, "GET", sandbox.base_url, {})
        token: str = credentials.token
        return token

    return get


def _msal(sandbox: RemoteSandbox) -> Get:
    from msal import ConfidentialClientApplication

    http, authority = _http(sandbox), "https://setle.invalid/tenant"

    class Client:  # a "http_client": its endpoints have to be https, but nobody goes there
        def post(self, _url_asked: str, **_: Any) -> httpx.Response:
            return http.post(_url(sandbox))

        def get(self, _url_asked: str, **_: Any) -> httpx.Response:
            names = ("authorization_endpoint", "token_endpoint")
            return httpx.Response(200, json=dict.fromkeys(names, f"{authority}/token"))

    app = ConfidentialClientApplication(
        sandbox.credentials.client_id,
        sandbox.credentials.client_secret,
        authority=authority,
        instance_discovery=False,
        http_client=Client(),
    )
    return lambda: str(app.acquire_token_for_client(["setle"])["access_token"])


def _botocore(sandbox: RemoteSandbox, ahead: list[timedelta] | None = None) -> Get:
    from botocore.tokens import DeferredRefreshableToken, FrozenAuthToken

    http, ahead = _http(sandbox), ahead or [timedelta()]

    def now() -> datetime:
        return datetime.now(UTC) + ahead[0]

    def refresh() -> Any:
        answer = http.post(_url(sandbox)).raise_for_status().json()
        ends = now() + timedelta(seconds=answer["expires_in"])
        return FrozenAuthToken(answer["access_token"], ends)

    token = DeferredRefreshableToken("setle", refresh, time_fetcher=now)
    return lambda: str(token.get_frozen_token().token)


def _botocore_aged(sandbox: RemoteSandbox) -> Get:
    # Its margin is 900 s, but it refreshes nothing within 60 s of the last refresh (and hands
    # out a shorter-lived token after its end): its clock, an argument, is put forward by these.
    ahead = [timedelta()]
    get = _botocore(sandbox, ahead)
    get()
    ahead[0] = timedelta(seconds=60)
    return get


SETLE = Peer("setle-client", _setle, 20.0, _setle_aged)
PEERS = (
    Peer("authlib", _authlib, 61.0),
    Peer("openai", _openai, 2.0),
    # Stale from half of its life on, but never used in its last 40 s: the shortest wait for a
    # stale token would be 40 s. So the beginning is set, as its own argument allows.
    Peer(
        "databricks-sdk",
        _databricks,
        61.0,
        partial(_databricks, stale_duration=timedelta(seconds=60)),
    ),
    Peer("httpx-auth", _httpx_auth, 31.0),
    Peer("botocore", _botocore, 961.0, _botocore_aged),
    Peer("msal", _msal, 301.0),
    Peer("google-auth", _google_auth, 226.0),
)
