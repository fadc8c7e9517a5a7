"""`make peers`: it has to count right; what the peers do is seen where they are installed."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs
import httpx
import pytest

from benchmarks import peers
from benchmarks._peers import PEERS, SETLE, Get, Peer
from benchmarks.sandbox import RemoteSandbox

ROOT = Path(__file__).parents[2]


def asks_each_time(sandbox: RemoteSandbox) -> Get:
    """Return what keeps no token."""
    headers = {
        "x-setle-client-id": sandbox.credentials.client_id,
        "x-setle-client-secret": sandbox.credentials.client_secret,
    }

    def get() -> str:
        url = f"{sandbox.base_url}/v1/oauth/token"
        answer = httpx.post(url, headers=headers, verify=sandbox.tls, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    return get


BOTH = (SETLE, Peer("stand-in", asks_each_time, 60.0))


def test_counts_the_requests_of_threads_that_start_together() -> None:
    """One for all of them, or one for each where no token is kept."""
    assert peers.cold(BOTH, 2) == [[1, 1], [20, 20]]


def test_counts_the_requests_of_threads_that_fail() -> None:
    """Three attempts for all of them, or one for each."""
    assert peers.down(BOTH, 1) == [[3], [20]]


def test_counts_the_requests_of_calls_one_after_another() -> None:
    """A token that lives 30 s is enough for all of them, or else each costs one."""
    assert peers.short(BOTH, 1) == [[1], [10]]


def test_a_call_that_asks_waits_for_the_token_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slowest wait is at least what the token endpoint takes."""
    monkeypatch.setattr(peers, "_LOAD_LASTS", 0.1)
    [[slowest]] = peers.roll_over(BOTH[1:], 1)
    assert slowest >= 0.5


def test_a_load_without_a_roll_over_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lifetime that puts the margin outside the load is an error, not a good result."""
    monkeypatch.setattr(peers, "_LOAD_LASTS", 0.1)
    lives_on = attrs.evolve(SETLE, lifetime=3600.0, aged=None)
    with pytest.raises(RuntimeError, match="setle-client: no roll-over"):
        peers.roll_over([lives_on], 1)


def test_a_row_shows_where_rounds_differed() -> None:
    """A count is one figure, or a range; times stand next to their ratios."""
    row = peers.Row("this", "1.0", 2e-6, 12.34, [20, 20], [17, 20], [1], 0.75)
    assert row.cells() == ("this", "1.0", "2,000", "12.3", "20", "17-20", "1", "750", "1.50")


def test_runs_without_the_peers(tmp_path: Path) -> None:
    """Then the table has one row, and whatever is left out is told."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks.peers", "--quick"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "figures.json")],
        env={n: v for n, v in os.environ.items() if not n.startswith(("COVERAGE_", "SETLE_"))},
        capture_output=True,
        text=True,
        check=True,
    )
    head, row, *notes = done.stdout.splitlines()
    assert head.startswith("library")
    assert row.startswith("setle-client")
    assert max(map(len, [head, *notes])) <= 88
    for peer in PEERS:
        assert f"{peer.distribution} is left out" in done.stderr
    [figures] = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert figures.keys() == {field.name for field in attrs.fields(peers.Row)}
    assert (figures["cold"], figures["down"], figures["short"]) == ([1], [3], [1])


def test_the_environment_has_all_of_them() -> None:
    """Each is in the dependency group, and pinned with hashes and without an address."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    named = {name.partition("[")[0] for name in groups["peers"]}
    lock = (ROOT / "requirements-peers.lock").read_text()
    for peer in PEERS:
        assert peer.distribution in named
        assert f"\n{peer.distribution}==" in lock
    assert "://" not in lock
