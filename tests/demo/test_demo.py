"""`make demo`: what a newcomer sees first has to work, and has to tell when it does not."""

import math
import os
import re
import signal
import subprocess
import sys

import pytest

from demo.load import Call
from demo.picture import ASCII, UNICODE, Glyphs, timeline
from demo.story import Why, allowed_requests, slowest, story_of, verdict
from setle.testing import Record

COMMAND = [sys.executable, "-W", "error", "-m", "demo"]
FINGERPRINTS = ("a" * 8, "b" * 8, "c" * 8, "d" * 8)


def environment(**settings: str) -> dict[str, str]:
    """Neither this terminal's size nor somebody's real credentials get into the test."""
    foreign = ("SETLE_", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_")
    return {n: v for n, v in os.environ.items() if not n.startswith(foreign)} | settings


def demo(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = environment(**settings)
    return subprocess.run(
        [*COMMAND, *options], env=env, capture_output=True, text=True, check=False
    )


def test_shows_picture_and_table_and_succeeds() -> None:
    """Piped, it prints plain lines, the picture and the table, and exits 0."""
    nowhere = "http://127.0.0.1:9"  # no way to loopback leads through a proxy
    done = demo("--lifetime", "1", PYTHONIOENCODING="utf-8", HTTP_PROXY=nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"^[0-9a-f]{8}  +○[━┄ ]+ +\d+$", done.stdout, re.MULTILINE)
    assert re.search(r"^[0-9a-f]{8}  +◇", done.stdout, re.MULTILINE)
    assert "▼" in done.stdout.split("serves calls")[0]
    for row in ("calls", "token requests", "slowest call at a roll-over", "median call"):
        assert re.search(rf"^{row} +[\d,.]+", done.stdout, re.MULTILINE), row
    assert re.search(r"^calls +[\d,]+   0 failed", done.stdout, re.MULTILINE)
    assert "Setle revokes the token in use" in done.stdout


def test_fails_when_calls_fail_and_says_so() -> None:
    """An outage that outlasts the token fails calls: exit status 1, and the reason."""
    done = demo("--lifetime", "0.5", "--blip", "99", PYTHONIOENCODING="ascii")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^!! [\d,]+ of [\d,]+ calls failed$", done.stdout, re.MULTILINE)
    assert "TokenUnavailableError" in done.stdout
    assert done.stdout.isascii()
    assert done.stderr == ""


def test_interrupt_leaves_one_line() -> None:
    """Ctrl-C in the middle ends it with one line and status 130."""
    with subprocess.Popen(
        COMMAND, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "failed 0" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("figures", "problems"),
    [
        ({"calls": 9, "failed": 0, "token_requests": 3, "allowed": 3}, []),
        ({"calls": 9, "failed": 2, "token_requests": 3, "allowed": 3}, ["2 of 9 calls failed"]),
        (
            {"calls": 9, "failed": 0, "token_requests": 4, "allowed": 3},
            ["4 token requests, and the design allows 3"],
        ),
        ({"calls": 0, "failed": 0, "token_requests": 0, "allowed": 3}, ["no call was made"]),
    ],
)
def test_verdict_says_what_is_wrong(figures: dict[str, int], problems: list[str]) -> None:
    """Failed calls, too many token requests and no calls at all are problems."""
    assert verdict(**figures) == problems


def test_bound_counts_lives_refusals_and_revocations() -> None:
    """One request at the start, one per 0.85 lifetimes, one per refusal and revocation."""
    assert allowed_requests(0.0, lifetime=4.0, refused=0, revocations=0) == 1
    assert allowed_requests(3.3, lifetime=4.0, refused=0, revocations=0) == 1
    assert allowed_requests(20.0, lifetime=4.0, refused=2, revocations=1) == 9


def records() -> list[Record]:
    """Three tokens with an early refresh through two refusals, and a revocation."""
    first, second, third, _ = FINGERPRINTS
    return [
        Record(100.1, "POST", "/v1/oauth/token", 200, first),
        Record(101.0, "GET", "/v1/estate/list", 200, first),
        Record(103.6, "POST", "/v1/oauth/token", 503, None),
        Record(103.7, "GET", "/v1/estate/list", 200, first),
        Record(103.8, "POST", "/v1/oauth/token", 503, None),
        Record(104.0, "POST", "/v1/oauth/token", 200, second),
        Record(105.0, "GET", "/v1/estate/list", 200, second),
        Record(106.1, "GET", "/v1/estate/list", 401, second),
        Record(106.3, "POST", "/v1/oauth/token", 200, third),
        Record(106.4, "GET", "/v1/estate/list", 200, third),
    ]


def test_story_tells_what_each_token_was_asked_for() -> None:
    """Requests, refusals and served calls are told apart from the log alone."""
    story = story_of(records(), began=100.0, delay=0.1, revoked=106.0)
    assert [token.why for token in story.tokens] == [Why.START, Why.BLIP, Why.REVOCATION]
    assert [token.early for token in story.tokens] == [False, True, False]
    assert [len(token.refused) for token in story.tokens] == [0, 2, 0]
    assert [len(token.served) for token in story.tokens] == [2, 1, 1]
    assert story.token_requests == 5
    assert story.tokens[1].asked == pytest.approx(3.5)


def test_roll_over_and_endless_outage_have_names() -> None:
    """A request in good order is a roll-over; refusals without an end are a blip."""
    roll_over = Record(109.8, "POST", "/v1/oauth/token", 200, FINGERPRINTS[3])
    outage = Record(113.3, "POST", "/v1/oauth/token", 503, None)
    story = story_of([*records(), roll_over, outage], began=100.0, delay=0.1, revoked=106.0)
    assert story.tokens[-1].why is Why.ROLL_OVER
    assert story.refused == pytest.approx([13.3])
    calls = [Call(109.75, 109.95, None), Call(113.0, 114.0, "status 401"), Call(111.0, 111.5, None)]
    worst = slowest(calls, story, began=100.0)
    assert worst == pytest.approx({Why.ROLL_OVER: 0.2, Why.BLIP: 1.0, None: 0.5})


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [10, 40, 60, 100])
def test_picture_fits_and_keeps_every_mark(glyphs: Glyphs, width: int) -> None:
    """However narrow, no mark covers another, and no line is wider than there is room."""
    story = story_of(records(), began=100.0, delay=0.1, revoked=106.0)
    rows = timeline(story, seconds=10.0, width=width, glyphs=glyphs).plain.splitlines()
    assert max(map(len, rows[:4])) <= max(width, 41)
    for row, marks in (
        (rows[1], [glyphs.waited]),
        (rows[2], [glyphs.early, glyphs.refused, glyphs.refused, glyphs.revoked]),
        (rows[3], [glyphs.waited]),
    ):
        chart = row[8:]
        assert [c for c in chart if c in glyphs[2:6]] == marks
    assert math.isinf(story.refused_since)
