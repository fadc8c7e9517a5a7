"""`make peers`: it has to count right; what the peers do is seen where they are installed."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx
import pytest

from benchmarks._measure import Effort
from benchmarks.peers import counts, faults, page, times
from benchmarks.peers.__main__ import CASES, measure
from benchmarks.peers.all import PEERS
from benchmarks.peers.answers import COUNTED
from benchmarks.peers.cell import Case, Cell, best, count, spread
from benchmarks.peers.libraries import SETLE, Driver, Peer
from benchmarks.sandbox import Address, remote_sandbox

ROOT = Path(__file__).parents[2]


def asks_each_time(sandbox: Address) -> Driver:
    """Return what keeps no token."""
    headers = {
        "x-setle-client-id": sandbox.credentials.client_id,
        "x-setle-client-secret": sandbox.credentials.client_secret,
    }

    def get() -> str:
        url = f"{sandbox.base_url}/v1/oauth/token"
        answer = httpx.post(url, headers=headers, verify=sandbox.tls, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    return Driver(get)


BOTH = (SETLE, Peer("stand-in", asks_each_time, 60.0, "import httpx", "httpx"))


@pytest.fixture(scope="module")
def fleet() -> Iterator[faults.Fleet]:
    """Run setle in a process of its own."""
    with faults.Fleet([SETLE]) as fleet:
        yield fleet


def test_counts_the_requests_of_threads_that_start_together() -> None:
    """One for all of them, or one for each where no token is kept."""
    assert counts.cold(BOTH, 2) == [[1, 1], [20, 20]]


def test_counts_the_requests_of_threads_that_fail() -> None:
    """Three attempts for all of them, or one for each."""
    assert counts.down(BOTH, 1) == [[3], [20]]


def test_counts_the_requests_of_calls_one_after_another() -> None:
    """A token that lives 30 s is enough for all of them, or else each costs one."""
    assert counts.short(BOTH, 1) == [[1], [10]]


def test_counts_the_requests_of_tasks_with_and_without_an_async_api() -> None:
    """One for all of them, or one for each, which waits in a thread."""
    [(ours, seconds), (theirs, _)] = counts.tasks(BOTH, 1, 30)
    assert (ours, theirs) == ([1], [30])
    assert seconds[0] >= counts.DELAY


def test_counts_the_requests_of_threads_that_are_rejected() -> None:
    """One for all of them; none where there is no client to be rejected."""
    assert counts.rejected(BOTH, 1) == [[1], [-1]]


def test_a_call_that_asks_waits_for_the_token_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slowest wait is at least what the token endpoint takes."""
    monkeypatch.setattr(times, "LOAD_LASTS", 0.1)
    [[slowest]] = times.roll_over(BOTH[1:], 1)
    assert slowest >= 0.5


def test_a_load_without_a_roll_over_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lifetime that puts the margin outside the load is an error, not a good result."""
    monkeypatch.setattr(times, "LOAD_LASTS", 0.1)
    lives_on = attrs.evolve(SETLE, lifetime=3600.0, aged=None)
    with pytest.raises(RuntimeError, match="setle-client: no roll-over"):
        times.roll_over([lives_on], 1)


def test_without_a_way_of_its_own_the_header_is_set_by_hand() -> None:
    """Each request then gets the token first."""
    tokens = iter(["one", "two"])
    put_on = Driver(lambda: next(tokens)).to_header()
    put_on()
    put_on()
    assert not list(tokens)


def test_only_those_with_a_client_call() -> None:
    """Calls are compared with plain httpx; without a client there is no figure."""
    [[ratio], nothing] = times.calls(BOTH, 1, 0.1)
    assert ratio > 0
    assert nothing == []


def test_an_import_is_measured_in_a_process_of_its_own() -> None:
    """It takes some time and some memory."""
    [([seconds], [mebibytes])] = times.start((SETLE,), 1)
    assert 0 < seconds < 60
    assert 5 < mebibytes < 500


def test_tells_a_refusal_by_an_error_of_the_library(fleet: faults.Fleet) -> None:
    """Setle refuses each of the bad answers so."""
    [outcomes] = faults.answers(fleet)
    assert set(outcomes) == {"refused: TokenResponseError"}
    assert len(outcomes) > COUNTED


def test_sees_whether_a_secret_follows_a_redirect(fleet: faults.Fleet) -> None:
    """Setle's does not; one that is sent there is counted."""
    assert faults.redirect(fleet) == [False]
    with remote_sandbox() as sandbox:
        httpx.post(
            f"{sandbox.base_url}/elsewhere",
            headers={"x-setle-client-secret": "a-secret"},
            verify=sandbox.tls,
            trust_env=False,
        )
        assert sandbox.secrets_elsewhere() == 1


@pytest.mark.parametrize(
    ("wall", "monotonic", "becomes"),
    [
        (1_001.0, 1_001.0, "replaced"),
        (-2_599.0, 1_001.0, "replaced"),
        (1_001.0, 0.0, "replaced"),
        (10.0, 10.0, "handed out"),
    ],
    ids=["both clocks", "set back", "suspend", "before its end"],
)
def test_sees_what_becomes_of_a_token(
    fleet: faults.Fleet, wall: float, monotonic: float, becomes: str
) -> None:
    """Either clock ends it; before that it is handed out."""
    assert faults.ended(fleet, wall=wall, monotonic=monotonic) == [becomes]


def test_counts_the_requests_of_one_life(fleet: faults.Fleet) -> None:
    """One, and the next token that is fetched before the end."""
    assert faults.lifetime(fleet, 300.0) == [2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_in_mid_refresh_gets_a_token() -> None:
    """It makes its own request."""
    assert faults.fork(SETLE) == ("token", 2)


def test_shows_where_rounds_differed() -> None:
    """A count is one figure or a range, a time its median with the middle half."""
    assert count([20, 20]).text == "20"
    assert count([17, 20]).text == "17-20"
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]).text == "3.00 (1.50-4.50)"
    assert spread([2e-6], scale=1e9).text == "2,000"


def test_marks_whoever_is_as_good_as_the_best() -> None:
    """Nobody, if all are; and not who cannot be compared."""
    cells = [Cell("a", 1.0), Cell("b", 1.04), Cell("c", 2.0), Cell("d")]
    assert best(cells) == {0}
    assert best(cells, tolerance=0.05) == {0, 1}
    assert best([Cell("a", 1), Cell("b", 1), Cell("c")]) == set()
    assert best([spread([3.0], best=-1), spread([1.0], best=-1)]) == {0}


def test_says_where_another_is_better() -> None:
    """Each case that the first library does not win, and no other."""
    won, lost = [Cell("1", 1), Cell("2", 2)], [Cell("2", 2), Cell("1", 1)]
    case = Case("cold", "it is", lambda *_: [])
    rows = [(case, won), (attrs.evolve(case, name="warm"), lost)]
    assert page.losses(BOTH, rows) == ["warm: stand-in has 1, setle-client 2"]


def test_a_case_that_fails_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, and has no row."""

    def fail(*_: object) -> list[Cell]:
        raise RuntimeError("no sandbox today")

    good = Case("good", "", lambda *_: [Cell("1")])
    rows = list(measure([SETLE], Effort(quick=True), [attrs.evolve(good, measure=fail), good]))
    assert [case for case, _ in rows] == [good]
    assert "no sandbox today" in capsys.readouterr().err


def test_runs_without_the_peers(tmp_path: Path) -> None:
    """Then the table has one column, and whatever is left out is told."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks.peers", "--quick"]
    done = subprocess.run(
        [*command, "--only", "cold", "--only", "30 s", "--json", str(tmp_path / "figures.json")],
        env={n: v for n, v in os.environ.items() if not n.startswith(("COVERAGE_", "SETLE_"))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[:2] == ["case", "setle-client"]
    for peer in PEERS:
        assert f"{peer.distribution} is left out" in done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["cases"]
    assert figures == {"cold": {"setle-client": "1"}, "30 s": {"setle-client": "1"}}


def test_the_page_has_each_case_and_each_library() -> None:
    """What stands there came from the run as it is now."""
    lines = (ROOT / "docs/peers.md").read_text().splitlines()
    first, *rest = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    assert first == ["case", "setle-client", *(peer.distribution for peer in PEERS)]
    assert [row[0] for row in rest[2 : 2 + len(CASES)]] == [case.name for case in CASES]


def test_the_environment_has_all_of_them() -> None:
    """Each is in the dependency group, and pinned with hashes and without an address."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    named = {name.partition("[")[0] for name in groups["peers"]}
    lock = (ROOT / "requirements-peers.lock").read_text()
    for peer in PEERS:
        assert peer.distribution in named
        assert f"\n{peer.distribution}==" in lock
    assert "://" not in lock
