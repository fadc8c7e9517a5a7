"""Every record of the logger ``setle``, as docs/log.md promises it."""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, join_refreshes, source_of

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "log.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| ([A-Z]+) \| .* \| (.*) \|$", DOCUMENT, re.MULTILINE)
DESCRIBED = re.findall(r"^\| `(\w+)` \| (?![A-Z]+ \|)", DOCUMENT, re.MULTILINE)
OURS = {*logging.makeLogRecord({}).__dict__, "message", "asctime"}

Scene = Callable[[Sandbox, Clock], None]


class Ailing(setle.MemoryTokenStore):
    """A store that fails while it is told to."""

    fails = True

    def load(self, key: str) -> setle.AccessToken | None:
        if self.fails:
            raise PermissionError(13, "Permission denied", "/var/cache/token")
        return super().load(key)


class Keeping(logging.Handler):
    """Keeps the records, so that a test looks at them while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


def issue(sandbox: Sandbox, *values: str) -> None:
    """Let the next tokens be these."""
    for value in values:
        grant = {"access_token": value, "expires_in": 3600, "token_type": "Bearer"}
        sandbox.script_token(Answer(json=grant))


def first(sandbox: Sandbox, clock: Clock) -> None:
    issue(sandbox, "token-1")
    source_of(sandbox).get_token()


def rejected(sandbox: Sandbox, clock: Clock) -> None:
    issue(sandbox, "token-1", "token-2")
    sandbox.script_api(Answer(200), Answer(401), Answer(200))
    source = source_of(sandbox)
    with httpx.Client(auth=setle.BearerAuth(source), base_url=sandbox.base_url) as http:
        http.get("/v1/estate/list").raise_for_status()
        http.get("/v1/estate/list").raise_for_status()


def refused_early(sandbox: Sandbox, clock: Clock) -> None:
    issue(sandbox, "token-1")
    source = source_of(sandbox)
    source.get_token()
    clock.go_on(3_421.0)
    sandbox.script_token(Answer(403, json={"message": sandbox.client_secret}))
    source.get_token()
    join_refreshes()


def refused(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.script_token(Answer(403, json={"message": sandbox.client_secret}))
    with pytest.raises(setle.TokenRejectedError):
        source_of(sandbox).get_token()


def held_back(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.script_token(Answer(403, json={"message": sandbox.client_secret}))
    source = source_of(sandbox)
    for _ in range(2):
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
        join_refreshes()  # each is logged after its outcome is known


def store_ails(sandbox: Sandbox, clock: Clock) -> None:
    issue(sandbox, "token-1")
    source_of(sandbox, store=Ailing()).get_token()


def store_recovers(sandbox: Sandbox, clock: Clock) -> None:
    issue(sandbox, "token-1", "token-2")
    store = Ailing()
    source = source_of(sandbox, store=store)
    source.invalidate(source.get_token())
    join_refreshes()
    store.fails = False
    source.get_token()
    join_refreshes()


def lock_taken(sandbox: Sandbox, clock: Clock) -> None:
    class Taken(setle.MemoryTokenStore):
        def lock(self, key: str, timeout: float) -> NoReturn:
            raise TimeoutError

    issue(sandbox, "token-1")
    source_of(sandbox, store=Taken(), timeout=0.6).get_token()


def without_threads(sandbox: Sandbox, clock: Clock) -> None:
    issue(sandbox, "token-1")
    uwsgi = SimpleNamespace(version=b"2.0.26", opt={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "uwsgi", uwsgi)
        patch.setattr("setle._refresh.uwsgi._told", set())
        source_of(sandbox).get_token()


SCENES: dict[tuple[str, str], Scene] = {
    ("token_new", "INFO"): first,
    ("token_dropped", "INFO"): rejected,
    ("refresh_failed", "WARNING"): refused_early,
    ("refresh_failed", "INFO"): refused,
    ("refresh_failed", "DEBUG"): held_back,
    ("store_failed", "WARNING"): store_ails,
    ("store_failed", "DEBUG"): store_ails,
    ("store_works", "INFO"): store_recovers,
    ("lock_held", "WARNING"): lock_taken,
    ("threads_stand_still", "WARNING"): without_threads,
}


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    handler, logger = Keeping(), logging.getLogger("setle")
    logger.addHandler(handler)
    caplog.set_level(logging.DEBUG, "setle")
    yield handler.kept
    logger.removeHandler(handler)


def attributes(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in OURS}


def told(records: list[logging.LogRecord], event: str) -> list[dict[str, Any]]:
    """Return the attributes of each record of *event*, without their prefix."""
    return [
        {name.removeprefix("setle_"): value for name, value in attributes(record).items()}
        for record in records
        if vars(record).get("setle_event") == event
    ]


@pytest.mark.parametrize(("event", "level", "names"), ROWS)
def test_a_documented_record_is_emitted(
    sandbox: Sandbox,
    clock: Clock,
    records: list[logging.LogRecord],
    event: str,
    level: str,
    names: str,
) -> None:
    """Each row comes about for real, at its level, with its attributes and no others."""
    SCENES[event, level](sandbox, clock)
    join_refreshes()
    found = [
        record
        for record in records
        if (vars(record).get("setle_event"), record.levelname) == (event, level)
    ]
    assert found
    wanted = {"event", *re.findall(r"`(\w+)`", names)}
    for record in found:
        assert attributes(record).keys() == {f"setle_{name}" for name in wanted}


@pytest.mark.parametrize("scene", dict.fromkeys(SCENES.values()))
def test_no_record_holds_a_secret_or_a_token(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord], scene: Scene
) -> None:
    """Neither a message nor an attribute does, whatever happens, at any level."""
    scene(sandbox, clock)
    join_refreshes()
    assert records
    for record in records:
        everything = f"{record.getMessage()} {vars(record)!r}"
        assert sandbox.client_secret not in everything
        assert "token-" not in everything
        assert "Bearer " not in everything


def test_every_record_is_documented() -> None:
    """Each event that the code names has its rows, and each attribute its description."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "wrapper").rglob("*.py"))
    events = re.findall(r"\bsay\(\s*[^\"()]+,\s*\"(\w+)\"", code)
    assert len(events) == len(re.findall(r"(?<!def )\bsay\(", code))
    assert {*events} == {event for event, _, _ in ROWS}
    assert SCENES.keys() == {(event, level) for event, level, _ in ROWS}
    assert {*DESCRIBED} == {name for _, _, names in ROWS for name in re.findall(r"`(\w+)`", names)}


def test_a_new_token_says_why_and_whence(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """First, early, stale, rejected: from the endpoint in some time, or from the store."""
    store = setle.MemoryTokenStore()
    source = source_of(sandbox, store=store)

    def logged() -> setle.AccessToken:
        token = source.get_token()
        join_refreshes()
        return token

    tokens = [logged()]
    clock.go_on(3_421.0)
    logged()
    tokens.append(logged())
    clock.go_on(3_571.0)
    tokens.append(logged())
    source.invalidate(tokens[-1])
    tokens.append(logged())
    source.invalidate(tokens[-1])
    stored = setle.AccessToken("stored", tokens[-1].expires_at, 3600.0)
    store.save(credentials_of(sandbox).key(sandbox.base_url), stored)
    clock.go_on(1.0)
    tokens.append(logged())
    new = told(records, "token_new")
    assert [token["reason"] for token in new] == ["first", "early", "stale", "rejected", "rejected"]
    assert [token["origin"] for token in new] == [*["endpoint"] * 4, "store"]
    assert [token["fingerprint"] for token in new] == [token.fingerprint for token in tokens]
    assert {token["lifetime"] for token in new} == {3600.0}
    assert all(0 <= token["seconds"] < 30 for token in new)
    messages = [record.getMessage() for record in records]
    assert re.search(
        r"^access token [0-9a-f]{8} from the endpoint in \d+\.\d\d s, good for 3600 s \(first\)$",
        "\n".join(messages),
        re.MULTILINE,
    )
    assert f"access token {stored.fingerprint} from the store, good for 3599 s (rejected)" in (
        messages
    )


def test_a_dropped_token_is_named(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """The fingerprint is that of the token that had been new before."""
    rejected(sandbox, clock)
    join_refreshes()
    [dropped] = told(records, "token_dropped")
    old, new = told(records, "token_new")
    assert dropped["fingerprint"] == old["fingerprint"] != new["fingerprint"]
    assert f"access token {old['fingerprint']} dropped, as the API rejected it" in (
        record.getMessage() for record in records
    )


def test_a_failed_early_refresh_says_how_long_all_is_well(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """The warning names the reason, what the token in use has left, and the next attempt."""
    refused_early(sandbox, clock)
    [failed] = told(records, "refresh_failed")
    assert failed["reason"] == "early"
    assert failed["error"] == "TokenRejectedError"
    assert failed["lasts"] == pytest.approx(3600 - 3421)
    assert failed["retry_in"] == 30.0
    [message] = [record.getMessage() for record in records if record.levelname == "WARNING"]
    assert "no new access token (early): Setle refused the client credentials" in message
    assert message.endswith("not asked again for 30 s; the token in use lasts another 179 s")


def test_a_token_that_ended_while_the_machine_was_suspended_lasts_no_longer(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """The wall clock says so, where the other one stood still."""
    source = source_of(sandbox)
    source.get_token()
    clock.wall += 7200
    sandbox.script_token(Answer(404))
    for _ in range(2):
        with pytest.raises(setle.TokenResponseError):
            source.get_token()
    join_refreshes()
    assert [failed["lasts"] for failed in told(records, "refresh_failed")] == [0.0, 0.0]
    assert [record.levelname for record in records] == ["INFO", "INFO", "DEBUG"]


def test_what_was_asked_in_vain_is_told_once_however_many_call(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """Without a token the log at INFO holds a line for each attempt, and none for each call."""
    held_back(sandbox, clock)
    levels = [record.levelname for record in records]
    assert levels == ["INFO", "DEBUG"]
    assert sandbox.token_requests == 1
    assert "Setle refused the client credentials" in records[0].getMessage()
    assert records[0].getMessage().endswith("; not asked again for 30 s")


def test_a_first_token_that_fails_is_still_the_first(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """Until there has been one, none was stale."""
    sandbox.script_token(Answer(404), Answer(404))
    source = source_of(sandbox)
    for _ in range(2):
        with pytest.raises(setle.TokenResponseError):
            source.get_token()
        clock.go_on(60)
    source.get_token()
    join_refreshes()
    outcomes = told(records, "refresh_failed") + told(records, "token_new")
    assert [one["reason"] for one in outcomes] == ["first"] * 3


def test_the_setting_that_lets_threads_run_is_named(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """It is an attribute of its own."""
    without_threads(sandbox, clock)
    join_refreshes()
    assert [one["setting"] for one in told(records, "threads_stand_still")] == ["enable-threads"]


def test_a_lock_that_others_have_is_named(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """By the store's class, and with what comes of it."""
    lock_taken(sandbox, clock)
    join_refreshes()
    [held] = told(records, "lock_held")
    assert held["store"] == "Taken"
    text = "Taken.lock has been held by another process all the while; asking without"
    assert text in [record.getMessage() for record in records]


def test_what_listens_to_the_log_and_fails_costs_nothing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A filter is foreign code, and logging passes on what it raises."""

    def fail(record: logging.LogRecord) -> bool:
        raise LookupError

    source = source_of(sandbox)
    token = source.get_token()
    join_refreshes()
    caplog.set_level(logging.INFO, "setle")
    logger = logging.getLogger("setle")
    logger.addFilter(fail)
    try:
        source.invalidate(token)
    finally:
        logger.removeFilter(fail)
    assert source.current_token() is None


def test_trouble_with_a_store_is_told_once(
    sandbox: Sandbox, clock: Clock, records: list[logging.LogRecord]
) -> None:
    """One warning names class, method and place; the rest is for who debugs; its end is told."""
    store_recovers(sandbox, clock)
    levels = [record.levelname for record in records if "Ailing" in record.getMessage()]
    assert levels[0] == "WARNING"
    assert {*levels[1:-1]} == {"DEBUG"}
    assert levels[-1] == "INFO"
    for failed in told(records, "store_failed"):
        assert failed["store"] == "Ailing.load"
        assert failed["problem"] == "Permission denied: /var/cache/token"
    [works] = told(records, "store_works")
    assert works["store"] == "Ailing"
