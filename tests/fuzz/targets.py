"""What comes from outside, made up: nothing but our own typed errors may come of it."""

import contextlib
import json
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

import setle
from pipeline import PipelineError
from pipeline.document import parse
from pipeline.page import find_block, listing
from tests.support import join_refreshes

# Names the server that entries are put into. Whoever runs a target runs that, as atheris ends the
# process of a target without a word.
REDIS = "FUZZ_REDIS"
URL = "http://localhost:1"  # plain, as loading authorities for each example takes most of the time
ONCE = 0.2  # too short for a second attempt, which would only take time
SECRET = "0123456789abcdef" * 4
CREDENTIALS = setle.ClientCredentials("an-id", SECRET)
GOOD = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    # What is nearly right finds more than what is wrong altogether.
    | st.sampled_from(["Bearer", "t0ken", "3600", "3600.5", "1e400", 3600, 1e308, 10**400, SECRET])
)  # fmt: skip
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ANSWERS = st.dictionaries(st.sampled_from([*GOOD, "message", "statusCode"]), JSON) | JSON
RECORDS = st.dictionaries(st.sampled_from(["access_token", "expires_at", "lifetime"]), JSON) | JSON


def encoded(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Return *values* as JSON, or else any bytes, or JSON that was cut or has bytes too many."""
    texts = values.map(lambda value: json.dumps(value).encode())
    cut = st.builds(lambda text, end: text[:end], texts, st.integers(0, 40))
    return texts | st.binary(max_size=200) | cut | st.builds(bytes.__add__, texts, st.binary())


def token_of(
    answer: httpx.Response, store: setle.TokenStore, *, timeout: float = 15.0
) -> setle.AccessToken:
    """
    Return the token of a source whose endpoint gives that *answer*, or raise.

    Its refresh has ended by then: hypothesis draws while nobody else draws numbers.
    """
    source = setle.TokenSource(
        CREDENTIALS,
        base_url=URL,
        store=store,
        timeout=timeout,
        httpx_args={"transport": httpx.MockTransport(lambda _: answer)},
    )
    try:
        return source.get_token()
    finally:
        join_refreshes()


@contextlib.contextmanager
def only(*types: type[Exception]) -> Iterator[None]:
    """Let errors of these *types* pass if they say something and show no secret."""
    said = "something"
    try:
        yield
    except types as error:
        said = f"{error}"
    assert said
    assert SECRET not in said


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"Retry-After", b"Content-Encoding", b"Content-Type", b"X"]),
        st.sampled_from([b"gzip", b"identity", b"application/json", b"", b"3600"])
        | st.binary(max_size=20),
    ),
    max_size=3,
)


@given(st.integers(100, 999), HEADERS, encoded(ANSWERS))
def token_answer(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """An answer of the token endpoint is a token that lives, or a TokenError."""
    answer = httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))
    with only(setle.TokenError):
        token = token_of(answer, setle.MemoryTokenStore(), timeout=ONCE)
        assert token.value.isascii()
        assert token.value.isprintable()
        assert 0 < token.lifetime < math.inf


DATES = st.datetimes().map(lambda date: f"{date:%a, %d %b %Y %H:%M:%S GMT}")
WAITS = st.integers().map(str) | st.floats().map(str) | st.text(max_size=40) | DATES


@given(st.sampled_from([401, 429, 503]), WAITS | st.builds(str.__add__, DATES, st.text(max_size=5)))
def retry_after(status: int, wait: str) -> None:
    """It asks for a number of seconds, or for nothing; nobody is held back for over a minute."""
    headers = [(b"Retry-After", wait.encode("utf-8", "replace"))]
    answer = httpx.Response(status, headers=headers, stream=httpx.ByteStream(b"{}"))
    with pytest.raises(setle.TokenError) as caught:
        token_of(answer, setle.MemoryTokenStore(), timeout=ONCE)
    assert 0 <= (caught.value.retry_after or 0.0) < math.inf
    assert 0 <= (caught.value.retry_in or 0.0) <= 60


def good() -> httpx.Response:
    """Return what a working endpoint answers."""
    return httpx.Response(200, json=GOOD)


@given(encoded(RECORDS))
def stored_file(content: bytes) -> None:
    """Whatever stands in its file, the store costs a token request at most."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{CREDENTIALS.key(URL)}.json")
        path.write_bytes(content)
        path.chmod(0o600)
        store = setle.FileTokenStore(folder)
        with only(OSError):
            found: object = store.load(CREDENTIALS.key(URL))
            assert found is None or isinstance(found, setle.AccessToken)
        assert token_of(good(), store).value


@given(encoded(RECORDS), st.integers(1, 10_000_000), st.sampled_from(["set", "rpush", "sadd"]))
def redis_entry(content: bytes, left: int, command: str) -> None:
    """Whatever stands in its entry, the store costs a token request at most."""
    client = redis.Redis.from_url(os.environ[REDIS])
    key = CREDENTIALS.key(URL)
    name = f"setle:{{{key}}}:token"
    client.flushdb()
    getattr(client, command)(name, content)
    client.pexpire(name, left)
    store = setle.RedisTokenStore(client)
    found: object = store.load(key)
    assert found is None or isinstance(found, setle.AccessToken)
    assert token_of(good(), store).value


ODD = st.text(max_size=40) | st.sampled_from(["", " ", "\n", "\0", "\ud800", SECRET, "é"])
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS:", "//", "ftp://", ""]),
    st.sampled_from(["setle.test", "localhost", "[::1]", "127.0.0.1", "a@b", "bücher.test", "%41"])
    | ODD,
    st.sampled_from(["", ":", ":0", ":443", ":99999", ":x"]),
    st.sampled_from(["", "/", "/v1", "?a=b", "#c", "/../x", "\\"]) | ODD,
)
STORES = st.builds(
    "{}{}".format,
    st.sampled_from(["memory", "file", "file:", "redis://", "rediss://", "unix://", "x"]),
    st.sampled_from(["", "~", "~nobody-here/x", "/x", "127.0.0.1:1/0", "[", "u:p@h:y"]) | ODD,
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | ODD | st.lists(ODD, max_size=2)


@given(st.just(URL) | URLS | VALUES, STORES | VALUES, st.just(15.0) | VALUES, VALUES)
def settings(base_url: Any, store: Any, timeout: Any, credentials: Any) -> None:
    """An argument is taken, or named by a ConfigurationError."""
    credentials = CREDENTIALS if credentials is None else credentials
    with only(setle.ConfigurationError):
        setle.connect(credentials, base_url=base_url, store=store, token_timeout=timeout)


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "proxy": URLS | VALUES,
        "verify": VALUES,
        "cert": VALUES,
        "trust_env": VALUES,
        "transport": VALUES,
        "mounts": st.dictionaries(URLS, VALUES, max_size=2) | VALUES,
    },
)


@given(st.sampled_from([URL, "https://setle.test"]), ARGUMENTS)
def httpx_args(base_url: str, arguments: dict[str, Any]) -> None:
    """What decides about the way out is taken, or refused by a ConfigurationError."""
    with only(setle.ConfigurationError), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # httpx's, of cert
        setle.connect(CREDENTIALS, base_url=base_url, httpx_args=arguments)


VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "SETLE_CLIENT_ID": ODD,
        "SETLE_CLIENT_SECRET": ODD,
        "SETLE_CLIENT_SECRET_FILE": ODD,
        "SETLE_BASE_URL": URLS,
        "SETLE_TOKEN_STORE": STORES,
        "HTTPS_PROXY": URLS,
        "NO_PROXY": ODD,
        "SSL_CERT_FILE": ODD,
    },
)


@given(VARIABLES)
def environment(variables: dict[str, str]) -> None:
    """What the environment holds is taken, or a variable is named by a ConfigurationError."""
    before = dict(os.environ)
    try:
        for name, value in variables.items():
            with contextlib.suppress(ValueError, UnicodeEncodeError):  # no environment holds that
                os.environ[name] = value
        with only(setle.ConfigurationError):
            setle.TokenSource()
    finally:
        os.environ.clear()
        os.environ.update(before)


MARKDOWN = st.lists(
    st.sampled_from(
        [
            "# Setle",
            "- [List](https://setle.test/a.md): all",
            "- [a](<b c.md> 'd') [e][f] ![g](h.png)",
            "[f]: /spec.json",
            "````yaml POST /v1/oauth/token",
            "````yaml /spec.json get /v1/estate/list",
            "```json webhook estate.updated",
            "````",
            "~~~",
            "openapi: 3.1.0",
            "paths: {}",
            '{"openapi": "3.0.0"}',
        ]
    )
    | st.text(max_size=60),
    max_size=12,
).map("\n".join)


@given(MARKDOWN | st.text())
def index(text: str) -> None:
    """The index of a documentation site is read, or refused by a PipelineError."""
    with only(PipelineError):
        listing(text)


@given(MARKDOWN | st.text())
def page(text: str) -> None:
    """The page of a documentation site is read, or refused by a PipelineError."""
    with only(PipelineError):
        find_block(text, "page.md")


@given(MARKDOWN | st.text() | JSON.map(json.dumps))
def description(text: str) -> None:
    """A description is read as an object, or refused by a PipelineError."""
    with only(PipelineError):
        assert isinstance(parse(text, "openapi.yaml"), dict)


TARGETS: dict[str, Callable[[], None]] = {
    target.__name__: target
    for target in (
        token_answer,
        retry_after,
        stored_file,
        redis_entry,
        settings,
        httpx_args,
        environment,
        index,
        page,
        description,
    )
}
