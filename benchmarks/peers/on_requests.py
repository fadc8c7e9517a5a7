"""Peers that stand on requests or on nothing; see `libraries`."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from ..sandbox import Address
from .libraries import ESTATES, Driver, Get, http, secrets, url


def databricks(sandbox: Address, stale_duration: timedelta | None = None) -> Driver:
    """Databricks, by the base of its token sources."""
    from databricks.sdk.core import ApiClient, Config
    from databricks.sdk.credentials_provider import OauthCredentialsStrategy
    from databricks.sdk.oauth import Refreshable, retrieve_token

    credentials = sandbox.credentials

    class Source(Refreshable):  # type: ignore[misc] # not installed where types are checked
        # As its ClientCredentials does it, which passes no headers on.
        def refresh(self) -> Any:
            return retrieve_token(
                credentials.client_id,
                credentials.client_secret,
                url(sandbox),
                {"grant_type": "client_credentials"},
                headers=secrets(sandbox),
            )

    # In the background, as its Config does it unless it is told otherwise.
    source = Source(disable_async=False, stale_duration=stale_duration)

    def get() -> str:
        return str(source.token().access_token)

    def config() -> Any:
        strategy = OauthCredentialsStrategy(
            "setle", lambda _: lambda: {"Authorization": f"Bearer {get()}"}
        )
        return Config(host=sandbox.base_url, credentials_strategy=strategy)

    return Driver(
        get,
        header=lambda: config().authenticate,
        call=lambda _: partial(ApiClient(config()).do, "GET", ESTATES),
    )


def google_auth(sandbox: Address) -> Driver:
    """Return google-auth, by the base of its credentials."""
    from google.auth.credentials import Credentials
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import AuthorizedSession, Request

    class Setle(Credentials):  # type: ignore[misc] # not installed where types are checked
        def refresh(self, request: Any) -> None:
            response = request(url(sandbox), method="POST", headers=secrets(sandbox))
            if response.status != 200:
                raise RefreshError(response.status)
            answer = json.loads(response.data)
            lifetime = timedelta(seconds=answer["expires_in"])
            self.token = answer["access_token"]
            self.expiry = datetime.now(UTC).replace(tzinfo=None) + lifetime

    credentials, request = Setle(), Request()
    credentials.with_non_blocking_refresh()

    def header() -> None:
        credentials.before_request(request, "GET", sandbox.base_url, {})

    def get() -> str:
        header()
        return str(credentials.token)

    def call(stack: ExitStack) -> Callable[[], object]:
        session = stack.enter_context(AuthorizedSession(credentials))
        return lambda: session.get(f"{sandbox.base_url}{ESTATES}").raise_for_status()

    return Driver(get, header=lambda: header, call=call)


def msal(sandbox: Address) -> Driver:
    """MSAL, by its application."""
    import requests
    from msal import ConfidentialClientApplication

    authority = "https://setle.invalid/tenant"
    session = requests.Session()  # as it makes one itself
    session.headers.update(secrets(sandbox))

    class Client:  # a "http_client": its endpoints have to be https, but nobody goes there
        def post(self, _url_asked: str, **_: Any) -> Any:
            return session.post(url(sandbox))

        def get(self, _url_asked: str, **_: Any) -> Any:
            names = ("authorization_endpoint", "token_endpoint")
            text = json.dumps(dict.fromkeys(names, f"{authority}/token"))
            return SimpleNamespace(status_code=200, text=text, headers={})

    app = ConfidentialClientApplication(
        sandbox.credentials.client_id,
        sandbox.credentials.client_secret,
        authority=authority,
        instance_discovery=False,
        http_client=Client(),
    )

    def get() -> str:
        answer = app.acquire_token_for_client(["setle"])
        if "access_token" not in answer:  # as its callers are told to look
            raise MsalSaysNoError
        return str(answer["access_token"])

    return Driver(get)


class MsalSaysNoError(Exception):
    """Stands for the dict without a token that MSAL returns instead."""


MsalSaysNoError.__module__ = "msal"


def botocore(sandbox: Address, ahead: list[timedelta] | None = None) -> Driver:
    """Return botocore, by the class behind its Bearer tokens."""
    from botocore.tokens import DeferredRefreshableToken, FrozenAuthToken

    client, ahead = http(sandbox), ahead or [timedelta()]

    def now() -> datetime:
        return datetime.now(UTC) + ahead[0]

    def refresh() -> Any:
        answer = client.post(url(sandbox)).raise_for_status().json()
        ends = now() + timedelta(seconds=answer["expires_in"])
        return FrozenAuthToken(answer["access_token"], ends)

    token = DeferredRefreshableToken("setle", refresh, time_fetcher=now)
    # Its signer puts a token on requests to https only, so that is left out.
    return Driver(lambda: str(token.get_frozen_token().token))


def botocore_aged(sandbox: Address) -> Get:
    """Return what holds an old token of it."""
    # Its margin is 900 s, but it refreshes nothing within 60 s of the last refresh (and hands
    # out a shorter-lived token after its end): its clock, an argument, is put forward by these.
    ahead = [timedelta()]
    get = botocore(sandbox, ahead).get
    get()
    ahead[0] = timedelta(seconds=60)
    return get


def requests_oauth2client(sandbox: Address) -> Driver:
    """Return requests-oauth2client, by its handler for requests."""
    import requests
    from requests_oauth2client import ApiClient, OAuth2Client, OAuth2ClientCredentialsAuth

    session = requests.Session()
    session.headers.update(secrets(sandbox))
    credentials = sandbox.credentials
    client = OAuth2Client(
        url(sandbox),
        client_id=credentials.client_id,
        client_secret=credentials.client_secret,
        session=session,
        testing=True,  # no https
    )
    auth = OAuth2ClientCredentialsAuth(client)
    request = requests.Request("GET", f"{sandbox.base_url}{ESTATES}").prepare()

    def get() -> str:
        auth(request)
        return str(auth.token.access_token)

    def call(stack: ExitStack) -> Callable[[], object]:
        calls = stack.enter_context(requests.Session())
        api = ApiClient(sandbox.base_url, auth=auth, session=calls)  # raises what is not a success
        return lambda: api.get(ESTATES)

    return Driver(get, lambda: lambda: auth(request), call=call)
