"""
A day on which everything fails, in a program that all watch who watch programs.

`test_day` runs it on a terminal. Before each fault it says which, through a pipe, and goes on when
the other side has arranged it. No variable of this module holds a secret or a token: it stands for
a user's program, whose frames are the user's.
"""

import asyncio
import atexit
import faulthandler
import json
import logging
import os
import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import httpx
import sentry_sdk
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.redis import RedisIntegration

import setle
from tests.support.examples import RECIPES
from tests.support.watching import InMemory, sent, spans_in_memory, with_locals

ESTATES = "/v1/estate/list"

folder = Path(os.environ.get("DAY", ""))
SECONDS = float(os.environ.get("DAY_SECONDS", "0"))
# Of records that are reports of their own as well; each takes 5 ms.
LEVEL = logging.DEBUG if SECONDS else logging.INFO
told: list[str] = []


def place(name: str) -> str:
    """Return an address that holds a password, or a secret: never to be put into a variable."""
    return (folder / "places" / name).read_text()


def watch() -> None:
    """Let Sentry, as its recipe says, OpenTelemetry, a log and the terminal see all there is."""
    logging.basicConfig(
        filename=folder / "seen" / "log.txt",
        level=logging.DEBUG,
        format="%(asctime)s %(name)s %(message)s",
    )
    sys.excepthook = print_with_locals
    faulthandler.enable()
    # As harsh as it can be with the frames of the recipe: ours count as the user's own.
    sentry_sdk.init = partial(  # type: ignore[assignment, misc] # it poses as a class
        sentry_sdk.init,
        "http://key@127.0.0.1:9/1",
        transport=InMemory,
        integrations=[LoggingIntegration(level=logging.DEBUG, event_level=LEVEL)],
        in_app_include=["setle"],
        send_default_pii=True,
        disabled_integrations=[RedisIntegration()],  # as the recipe says of the line above
        traces_sample_rate=1.0,
        include_local_variables=True,
        enable_logs=True,
        max_breadcrumbs=100 if LEVEL > logging.DEBUG else 10,
        max_value_length=100_000,
    )
    exec(RECIPES["Sentry"].program, {"__name__": "__main__"})
    spans = spans_in_memory()
    HTTPXClientInstrumentor().instrument()

    def keep() -> None:
        sentry_sdk.flush()
        ended = [json.loads(span.to_json()) for span in spans.get_finished_spans()]
        for name, what in {"sentry": sent, "spans": ended, "told": told}.items():
            (folder / "seen" / f"{name}-{os.getpid()}.json").write_text(json.dumps(what))

    atexit.register(keep)


def print_with_locals(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print what went wrong with the variables of our frames; those of others are theirs."""
    print(with_locals(error, "/setle/", __file__), file=sys.stderr)


@contextmanager
def seen(name: str) -> Iterator[None]:
    """Let everybody who watches see how *name* goes wrong."""
    tracer = trace.get_tracer(__name__)
    with sentry_sdk.start_transaction(name=name):
        try:
            with tracer.start_as_current_span(name):
                yield
        except BaseException as error:
            told.append(name)
            logging.getLogger(__name__).exception("%s: %r", name, error)
            sys.excepthook(type(error), error, error.__traceback__)


def client(given: Any = None, **more: Any) -> Any:
    # A busy machine's proxy or TLS takes some time to say no.
    options = {"token_timeout": 5.0, "store": setle.MemoryTokenStore(), **more}
    return setle.connect(given, **options)


def call(client: Any, **more: Any) -> None:
    client.get_httpx_client().get(ESTATES, **more).raise_for_status()


def call_async(client: Any, **more: Any) -> None:
    async def main() -> None:
        async with client:
            (await client.get_async_httpx_client().get(ESTATES, **more)).raise_for_status()

    asyncio.run(main())


Call = Callable[..., None]


def wrong() -> setle.ClientCredentials:
    return setle.ClientCredentials(os.environ["SETLE_CLIENT_ID"], place("wrong"))


def vault() -> NoReturn:
    raise OSError(f"sealed: {place('wrong')}")


class Broken(setle.MemoryTokenStore):
    def load(self, key: str) -> NoReturn:
        raise RuntimeError(f"no {place('valkey')}")

    def save(self, key: str, token: setle.AccessToken) -> NoReturn:
        raise OSError(f"no room for {token.value}")


class Hanging(setle.MemoryTokenStore):
    def save(self, key: str, token: setle.AccessToken) -> None:
        threading.Event().wait(0.7)


def again(make: Call) -> None:
    """Call twice with one client, so that the second time it is held back."""
    one = client()
    with seen("first of two"):
        make(one)
    make(one)


def rotated(make: Call) -> None:
    one = client(setle.ClientCredentials.from_env)
    make(one)
    fault("rotate and revoke")
    with seen("401 while it is rotated"):
        make(one)


def hooked(make: Call) -> None:
    def hook(response: httpx.Response) -> None:
        response.raise_for_status()

    async def ahook(response: httpx.Response) -> None:
        response.raise_for_status()

    hooks = [hook if make is call else ahook]
    make(client(httpx_args={"event_hooks": {"response": hooks}}))


def revoked(make: Call) -> None:
    one = client()
    make(one)
    fault("revoke")
    make(one)


def stores(make: Call) -> None:
    for store in (Broken(), Hanging(), setle.FileTokenStore(folder / "files")):
        make(client(store=store, token_timeout=0.6))
    shared = client(store=place("valkey"))
    make(shared)
    fault("revoke and kill Valkey")
    with suppress(httpx.HTTPStatusError):  # in a minute after the last time, a 401 passes
        make(shared)
    (folder / "full").touch()
    make(client(store=setle.FileTokenStore(folder / "full")))


@contextmanager
def quiet_httpcore() -> Iterator[None]:
    logging.getLogger("httpcore").setLevel(logging.INFO)
    yield
    logging.getLogger("httpcore").setLevel(logging.NOTSET)


def headers(make: Call) -> None:
    # It logs the headers of answers, as docs/security.md says.
    with quiet_httpcore(), seen("echoed in a header"):
        again(make)


def settings(make: Call) -> None:
    """Make what cannot be made of settings that hold a secret or a password."""
    nowhere = {"cert": "/nowhere/cert.pem"}
    os.environ["SETLE_CLIENT_SECRET_FILE"] += "-broken"
    for configure in (
        setle.ClientCredentials.from_env,
        client,
        lambda: setle.ClientCredentials("", place("wrong")),
        lambda: setle.TokenSource(wrong, store=place("valkey") + "?socket_timeout=soon"),
        lambda: setle.RedisTokenStore.from_url(place("valkey") + "?socket_timeout=soon"),
        lambda: setle.connect(wrong, store=place("valkey") + "?socket_timeout=soon"),
        lambda: setle.connect(wrong, httpx_args={"proxy": place("proxy"), **nowhere}),
        lambda: setle.TokenSource(wrong, httpx_args={"proxy": place("proxy"), **nowhere}),
        lambda: make(setle.connect(wrong, httpx_args={"proxy": place("proxy"), "limits": 7})),
    ):
        with seen("settings"):
            configure()
    os.environ["SETLE_CLIENT_SECRET_FILE"] = os.environ["SETLE_CLIENT_SECRET_FILE"][:-7]


def bodies(make: Call) -> None:
    for _ in range(fault("answers of the token endpoint")):
        with seen("body"):
            make(client())


def of_the_api(make: Call) -> None:
    for _ in range(fault("answers of the API")):
        with seen("answer of the API"):
            make(client())


def forks(make: Call) -> None:
    one = client()
    make(one)
    fault("revoke")
    child = os.fork()
    if child == 0:
        told.clear()
        sent.clear()
        with seen("in a child"):
            call(one)
            call(client(wrong))
        atexit._run_exitfuncs()
        os._exit(0)
    os.waitpid(child, 0)
    make(one)


def interrupted(make: Call, where: str) -> None:
    # Sentry's log handler would swallow an interrupt.
    with quiet_httpcore(), seen(f"interrupted {where}"):
        make(client())


def pickled(make: Call) -> None:
    one = client()
    make(one)
    source = setle.TokenSource()
    source.get_token()
    for thing in (one, source, source.current_token(), setle.ClientCredentials.from_env()):
        with seen("pickle"):
            pickle.dumps(thing)
    with suppress(setle.SetleError):
        setle.TokenSource(wrong, store=setle.MemoryTokenStore()).get_token()
    try:
        setle.TokenSource(wrong, store=setle.MemoryTokenStore()).get_token()
    except setle.SetleError as error:
        with (folder / "seen" / "pickles").open("ab") as pickles:
            pickle.dump([error, repr(one), repr(source), str(source.current_token())], pickles)
    with (folder / "seen" / "environment").open("a") as environment:
        subprocess.run(["env"], stdout=environment, check=True)  # what we gave a child


def dumped(make: Call) -> None:
    """Have the stacks of all threads printed during a token request."""
    faulthandler.dump_traceback_later(0.2)
    with seen("stacks"):
        make(client(token_timeout=0.4))
    faulthandler.cancel_dump_traceback_later()


def commands(make: Call) -> None:
    for command in COMMANDS:
        more = {"SETLE_CLIENT_SECRET_FILE": ""} if command == "status" else {}
        subprocess.run(
            [sys.executable, "-m", "setle", *command.split()],
            env={**os.environ, **more},
            stdout=subprocess.DEVNULL if "token" in command else None,  # shown on purpose
            check=False,
        )


COMMANDS = [
    "token -v --refresh",
    "token --debug --refresh",
    f"api {ESTATES} --debug -i",
    "status",  # asks for the secret
    "doctor --debug --ask",
]
SCENES: dict[str, Callable[[Call], object]] = {
    "wrong credentials": lambda make: make(client(wrong)),
    "rotated": rotated,
    "down": lambda make: make(client(base_url="http://127.0.0.1:9", token_timeout=0.5)),
    "slow": lambda make: make(client(token_timeout=0.2)),
    "bodies": bodies,
    "headers": headers,
    "revoked": revoked,
    "hooked": hooked,
    "redirect": lambda make: make(client(httpx_args={"follow_redirects": True})),
    "token redirect": again,
    "proxy": lambda make: make(
        client(base_url=place("far"), httpx_args={"proxy": place("proxy")}, verify_ssl=False)
    ),
    "untrusted": lambda make: make(client(base_url=place("untrusted"))),
    "stores": stores,
    "settings": settings,
    "vault": lambda make: make(client(vault)),
    "of the API": of_the_api,
    "forks": forks,
    "interrupted": partial(interrupted, where="before a call"),
    "interrupted in a call": partial(interrupted, where="in a call"),
    "pickled": pickled,
    "dumped": dumped,
    "commands": commands,
}


def fault(name: str) -> int:
    """Have a fault arranged, or with no name, have the last ones taken back; return its number."""
    print(name, file=asking, flush=True)
    return int(answering.readline())


def main() -> NoReturn:
    watch()
    end, scenes, chance = time.monotonic() + SECONDS, list(SCENES), False
    while True:
        for number, name in enumerate(scenes):
            with seen(name):
                fault(name)
                sync = random.random() < 0.5 if chance else number % 2
                SCENES[name](call if sync else call_async)
            fault("")
        if time.monotonic() >= end:
            break
        random.shuffle(scenes)
        chance = True
    fault("wrong credentials")
    call(client(wrong))  # nobody catches this
    raise AssertionError


if __name__ == "__main__":
    # A session's leader gets the first terminal it opens, and Ctrl-C with it.
    os.close(os.open(os.ttyname(0), os.O_RDWR))
    asking, answering = os.fdopen(int(sys.argv[1]), "w"), os.fdopen(int(sys.argv[2]))
    main()
