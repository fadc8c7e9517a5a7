"""Sentry's own SDK, as it comes and as the recipe sets it up, through a day of failures."""

import asyncio
import base64
import hashlib
import json
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import pytest
import sentry_sdk
from httpx_aiohttp import AiohttpTransport
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

import setle
from setle.testing import Answer, Sandbox
from tests.recipes.conftest import Company
from tests.support import join_refreshes
from tests.support.examples import RECIPES
from tests.support.processes import forked
from tests.support.proxying import USER, Proxy
from tests.support.watching import InMemory, sent, texts
from tests.support.worlds import ESTATES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

RECIPE = RECIPES["Sentry"].program
PASSWORD = "p4ssw0rd"
PROXY_PASSWORD = "wr0ng"
WRONG = "5f0c" * 16
MISSPELT: dict[str, Any] = {"stoer": f"redis://user:{PASSWORD}@127.0.0.1"}
TOKEN = re.compile(r"(?=([A-Za-z0-9_-]{64}))")  # as the sandbox makes them


def call(client: Any, **more: Any) -> None:
    client.get_httpx_client().get(ESTATES, **more).raise_for_status()


def call_async(client: Any, **more: Any) -> None:
    async def main() -> None:
        async with client:
            (await client.get_async_httpx_client().get(ESTATES, **more)).raise_for_status()

    asyncio.run(main())


@contextmanager
def reported(name: str) -> Iterator[None]:
    """Report what is raised as a web framework's integration would, within a transaction."""
    with sentry_sdk.start_transaction(name=name):
        try:
            yield
        except Exception as error:  # noqa: BLE001 - that is what is reported
            sentry_sdk.capture_exception(error)
        else:
            sentry_sdk.capture_message(f"{name}: nothing went wrong")


class BrokenStore(setle.MemoryTokenStore):
    def save(self, key: str, token: setle.AccessToken) -> NoReturn:
        value = token.value
        raise OSError(f"no room for {value}")


class ImpatientError(Exception):
    """What a job's time limit raises, as Celery's."""


def impatient(*_: object) -> NoReturn:
    raise ImpatientError


def script_bad_answer(sandbox: Sandbox, number: int) -> None:
    """Let the token endpoint give the secret away, in one of four ways."""
    said = sandbox.client_secret
    answers = [
        Answer(429, json={"message": said}, headers={"Retry-After": "9"}),
        Answer(401, json={"message": [said]}),
        Answer(200, body=said.encode()),
        Answer(200, json={"access_token": said, "expires_in": "soon"}),
    ]
    sandbox.script_token(answers[number])


def a_day(sandbox: Sandbox) -> None:
    """Let everything fail in turn, sync and async. No secret is in a variable of this frame."""
    credentials = setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)

    def client(given: Any = credentials, **more: Any) -> Any:
        options = {"base_url": sandbox.base_url, "store": setle.MemoryTokenStore(), **more}
        return setle.connect(given, token_timeout=0.5, **options)

    for make in (call, call_async):
        with reported("wrong credentials"):
            make(client(setle.ClientCredentials(sandbox.client_id, WRONG)))
        with reported("endpoint down"):
            make(client(base_url="http://127.0.0.1:9"))
        for number in range(4):
            script_bad_answer(sandbox, number)
            with reported("bad answer"):
                make(client())
        with reported("callable"):
            make(client(vault))
        make(client(store=BrokenStore()))
        revoked = client()
        make(revoked)
        sandbox.revoke()
        sandbox.script_token(Answer(403))
        with reported("revoked, and no other"):
            make(revoked)
        for answer in (Answer(500), Answer(hang_up=True), Answer(json=[1], hang_up=True)):
            sandbox.script_api(answer)
            with reported("answer of the API"):
                make(client())
        with reported("header that cannot be sent"):
            make(client(), headers={"X-Note": "two\nlines"})
        sandbox.reject_api = True
        with reported("401"):
            make(client())
        sandbox.reject_api = False
        with reported("hook"):
            make(client(httpx_args={"event_hooks": {"response": [lambda response: 1 / 0]}}))
    signal.signal(signal.SIGALRM, impatient)
    waiting = client()
    with sandbox.hold(), reported("time limit while a token is asked for"):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        call(waiting)
    sandbox.script_api(Answer(delay=5))
    with reported("time limit in a call"):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        call(waiting)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(30)  # of tests.support.processes
    for configure in (
        setle.connect,
        lambda: setle.ClientCredentials("id", f"{WRONG} "),
        lambda: setle.connect(credentials, base_url=f"https://user:{PASSWORD}@setle.example"),
        lambda: setle.connect(credentials, store=f"redis://user:{PASSWORD}@127.0.0.1:port"),
        lambda: setle.connect(credentials, httpx_args={"proxy": f"http://u:{PASSWORD}#@host"}),
        lambda: setle.connect(credentials, **MISSPELT),
    ):
        with reported("configuration"):
            configure()


def vault() -> NoReturn:
    found = WRONG
    raise OSError(f"sealed: {found}")


def leaks_of(day: Callable[[Sandbox], None], init: Callable[[], object], *more_secrets: str) -> str:
    """Return where in what is sent of a *day* a secret is, and what has been reported."""
    # This process is the sandbox's as well, whose own requests are not what is looked at.
    set_up = partial(sentry_sdk.init, "http://key@127.0.0.1:9/1", auto_enabling_integrations=False)
    sentry_sdk.init = partial(  # type: ignore[assignment, misc] # it poses as a class
        set_up, transport=InMemory, integrations=[HttpxIntegration()], traces_sample_rate=1.0
    )
    with Sandbox() as sandbox:
        os.environ.update(SETLE_CLIENT_ID=sandbox.client_id, SETLE_CLIENT_SECRET=f"{WRONG} ")
        init()
        day(sandbox)
        join_refreshes()
        sentry_sdk.flush()
        secrets = (sandbox.client_secret, PASSWORD, WRONG, *more_secrets)
        tokens = {record.token for record in sandbox.log}

    def is_secret(text: str) -> bool:
        seen = {hashlib.sha256(each.encode()).hexdigest()[:8] for each in TOKEN.findall(text)}
        return any(secret in text for secret in secrets) or bool(seen & tokens)

    leaks = [place for report in sent for place, text in texts(report, "") if is_secret(text)]
    told = sorted({report["transaction"] for report in sent if "exception" in report})
    return json.dumps([leaks, told])


def as_it_comes() -> None:
    sentry_sdk.init()


def as_chatty_as_it_can_be() -> None:
    chatty = LoggingIntegration(level=logging.DEBUG, event_level=logging.WARNING)
    sentry_sdk.init(
        integrations=[HttpxIntegration(), chatty],
        attach_stacktrace=True,
        enable_logs=True,
        max_value_length=100_000,
    )


def as_the_recipe_says() -> None:
    exec(RECIPE, {"__name__": "__main__"})


@pytest.mark.parametrize("init", [as_it_comes, as_chatty_as_it_can_be])
def test_a_day_of_failures(init: Callable[[], None]) -> None:
    """No event, breadcrumb, span or local variable holds a secret or a token."""
    leaks, told = json.loads(forked(lambda: leaks_of(a_day, init))())
    assert leaks == []
    assert told == [
        "401",
        "answer of the API",
        "bad answer",
        "callable",
        "configuration",
        "endpoint down",
        "header that cannot be sent",
        "hook",
        "revoked, and no other",
        "time limit in a call",
        "time limit while a token is asked for",
        "wrong credentials",
    ]


def other_frames(sandbox: Sandbox) -> None:
    """Fail where our own frames are not all: aiohttp's, and the user's."""
    credentials = setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)
    args = {"httpx_args": {"transport": AiohttpTransport}, "token_httpx_args": {}}
    client = setle.connect(credentials, base_url=sandbox.base_url, **args)  # type: ignore[arg-type] # mypy loses the types
    sandbox.script_api(Answer(delay=5))
    with reported("aiohttp"):
        call_async(client, timeout=0.1)

    def with_a_secret_in_a_variable() -> None:
        client_secret = WRONG
        setle.ClientCredentials("", client_secret)

    with reported("the user's own"):
        with_a_secret_in_a_variable()


def test_the_frames_of_others() -> None:
    """The recipe leaves out what aiohttp and the user's own variables hold."""
    leaks, told = json.loads(forked(lambda: leaks_of(other_frames, as_the_recipe_says))())
    assert leaks == []
    assert told == ["aiohttp", "the user's own"]


def test_the_password_of_a_proxy(
    company: Company, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe leaves out what httpcore holds where a proxy refuses a call."""
    monkeypatch.setenv("SSL_CERT_FILE", "company-root.pem")

    def refused(_: Sandbox) -> None:
        os.environ["SETLE_CLIENT_SECRET"] = company.sandbox.client_secret
        with reported("proxy"):
            call(client)

    client = setle.connect(httpx_args={"proxy": proxy.url(password=PROXY_PASSWORD)})
    setle.TokenSource().get_token()
    sent_as = base64.b64encode(f"{USER}:{PROXY_PASSWORD}".encode()).decode()
    leaks, told = json.loads(
        forked(lambda: leaks_of(refused, as_the_recipe_says, PROXY_PASSWORD, sent_as))()
    )
    assert leaks == []
    assert told == ["proxy"]
