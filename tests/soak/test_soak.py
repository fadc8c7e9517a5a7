"""The short form of `make soak`; and whatever does not hold is told."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from setle.testing import Sandbox
from tests.soak.__main__ import conclude
from tests.soak.judge import Judge
from tests.soak.ledger import Ledger, Span
from tests.soak.page import as_text, failures
from tests.soak.relay import Relay
from tests.soak.samples import RESOURCES
from tests.soak.soak import Soak
from tests.soak.verdicts import LOST
from tests.support import eventually
from tests.support.leaks import SECRET, TOKEN, made_up

MESSAGE = "the token endpoint is unavailable (status 503); try again later"
LIFE = 5.0


@pytest.mark.timeout(120)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")
def test_short(tmp_path: Path) -> None:
    """Some seconds of faults, drawn from a fixed seed, and every invariant holds."""
    soak = Soak(
        tmp_path,
        seed=20_261_125,
        seconds=2.5,
        lifetime=3.0,
        scale=0.15,
        lasting={"memory": 1, "file": 1, "Valkey": 1},
        mortal={"file": 1, "Valkey": 1},
    )
    soak.run()
    verdicts = Judge(soak).verdicts(flat=False)
    assert not failures(soak, verdicts), as_text(soak, verdicts)
    # It was no idle time.
    assert len(soak.ledger.faults) > 15
    assert {event[5] for event in soak.events if event[0] == "call"} >= {"asyncio", "trio"}


def test_who_connects_anew_holds_up_no_cut() -> None:
    """The network fails for those connections that there are, and is back for the next ones."""
    with Sandbox() as sandbox, Relay(sandbox.base_url) as relay:
        relay.mode = "silence"

        async def connect_anew() -> socket.socket:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
            return socket.create_connection(("127.0.0.1", relay.port))

        # In the relay's own loop it is there again before a look can find nobody.
        client = asyncio.run_coroutine_threadsafe(connect_anew(), relay._loop)
        eventually(lambda: relay._open)
        relay.cut()
        client.result(10).close()


@pytest.fixture
def soaked(tmp_path: Path) -> Any:
    """What a soak leaves behind in which one token was issued, at 100 s, and nothing happened."""
    ledger = Ledger(LIFE)
    ledger.issued["abc"] = 100.0
    samples = SimpleNamespace(
        leaks=[], looks=0, times=[0.0, 1.0], taken={7: [(50.0, 4.0, 20.0)] * 300}
    )
    return SimpleNamespace(
        folder=tmp_path,
        ledger=ledger,
        events=[["call", 7, 100.5, 100.2, "200", "thread", "abc", 104.9]],
        crew=SimpleNamespace(lasting={7: "memory"}, mortal={}, pids=[7]),
        samples=samples,
        seconds=600.0,
        seed=1,
        silent=[],
        failures=[],
    )


def failed(at: float, began: float, text: str = MESSAGE, **more: str) -> list[Any]:
    told = {"typed": "typed", "name": "TokenUnavailableError", "stored": "", "held": "", **more}
    ends = [(told[token], 104.9) for token in ("stored", "held")]
    return ["failed", 7, at, began, text, "thread", told["typed"], told["name"], *ends[0], *ends[1]]


def broken(soaked: Any) -> list[str]:
    return [violation for verdict in Judge(soaked).verdicts() for violation in verdict.violations]


def test_nothing_wrong(soaked: Any) -> None:
    """A call that failed without a token, and a 401 of a token that was revoked, are no fault."""
    soaked.ledger.refused["abc"] = 102.0
    soaked.events += [
        ["rejected", 7, 102.1, 102.0, "abc"],
        failed(104.0, 102.1, held="abc"),
        failed(106.0, 105.5),
    ]
    assert broken(soaked) == []


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(["rejected", 7, 105.3, 105.2, "abc"], id="sent past its end"),
        pytest.param(["rejected", 7, 101.0, 100.9, "xyz"], id="never issued"),
        pytest.param(failed(102.0, 101.0), id="failed with a token that it had before"),
        pytest.param(failed(102.0, 101.5, stored="abc"), id="failed with a stored token"),
        pytest.param(failed(107.0, 106.0, typed="", name="KeyError"), id="another error"),
        pytest.param(failed(107.0, 106.0, "no luck"), id="a message without a remedy"),
        pytest.param(failed(107.0, 106.0, MESSAGE + SECRET[0]), id="secret in a message"),
        pytest.param(["call", 7, 101.0, 100.9, "401", "thread", "abc", 104.9], id="first 401"),
        pytest.param(["call", 7, 101.0, 100.9, "500", "thread", "abc", 104.9], id="500"),
        pytest.param(["child", 7, 101.0, 14, ""], id="child ended by a signal"),
        pytest.param(["call", 7, 101.0, 0.0, "Traceback"], id="worker ended"),
    ],
)
def test_what_is_told_of_calls(soaked: Any, event: list[Any]) -> None:
    """Each event that must not be is told, once."""
    soaked.events.append(event)
    assert len(broken(soaked)) == 1


def lost(at: float, began: float) -> list[Any]:
    return failed(at, began, LOST[1], typed="", name=LOST[0], held="abc")


def test_a_call_that_httpcore_loses(soaked: Any) -> None:
    """It is set apart if the pool told, in that process and meanwhile, and if there are few."""
    soaked.events += [["taken", 7, 102.5, 0.0, ""], lost(103.0, 102.0)]
    assert broken(soaked) == []
    assert "1 of 0 calls" in [verdict.seen for verdict in Judge(soaked).verdicts()]
    soaked.events.append(lost(102.9, 102.4))
    assert len(broken(soaked)) == 2
    soaked.ledger.calls = 20_000
    assert broken(soaked) == []


@pytest.mark.parametrize(
    "taken",
    [
        pytest.param([], id="nobody told"),
        pytest.param([["taken", 8, 106.5, 0.0, ""]], id="another process told"),
        pytest.param([["taken", 7, 105.9, 0.0, ""]], id="told before it began"),
    ],
)
def test_a_call_that_somebody_else_loses(soaked: Any, taken: list[list[Any]]) -> None:
    """A closed connection of which the pool told nothing is told as an error of another type."""
    soaked.events += [*taken, lost(107.0, 106.0)]
    assert len(broken(soaked)) == 1


def test_a_child_has_the_hold_of_its_parent(soaked: Any) -> None:
    """A 401 that reaches it soon after one that its parent got is no fault."""
    soaked.ledger.refused["abc"] = 100.5
    soaked.events += [
        ["rejected", 7, 101.0, 100.9, "abc"],
        ["forked", 8, 101.5, 7, ""],
        ["rejected", 8, 102.0, 101.9, "abc"],
        ["call", 8, 102.1, 101.9, "401", "child", "abc", 104.9],
    ]
    assert broken(soaked) == []


def test_too_many_requests(soaked: Any) -> None:
    """A process that asks at each call is told, but not one that was given reasons."""
    soaked.events += [["asks", 7, 100.0 + n / 10, 0.0, ""] for n in range(9)]
    assert len(broken(soaked)) == 1
    soaked.ledger.faults.append(Span("endpoint", "503", 0, 100.0, 103.0))
    assert broken(soaked) == []


def test_suspended_while_it_sends(soaked: Any) -> None:
    """A token that is sent late, as its process was suspended meanwhile, is no fault."""
    soaked.events.append(["rejected", 7, 107.1, 107.0, "abc"])
    soaked.ledger.faults.append(Span("stop", "", 7, 104.9, 106.9))
    assert broken(soaked) == []


@pytest.mark.parametrize("name", ["log", "stderr", "reports"])
@pytest.mark.parametrize("ends", [SECRET, TOKEN])
def test_leaks(soaked: Any, name: str, ends: tuple[str, str]) -> None:
    """A secret or a token in any file is told."""
    (soaked.folder / name).write_text(f"GET /?x={made_up(ends)[:-20]}")
    assert len(broken(soaked)) == 1


@pytest.mark.parametrize("number", range(len(RESOURCES)))
def test_growth(soaked: Any, number: int) -> None:
    """What grows by a fifth is told; what is high for a moment, at the end too, is not."""
    level, spike = [50.0, 40.0, 40.0], [50.0, 40.0, 40.0]
    spike[number] *= 10
    soaked.samples.taken[7] = [tuple(level)] * 280 + [tuple(spike)] * 20
    assert broken(soaked) == []
    soaked.samples.taken[7] = [
        tuple(value * (1 + n / 1200 * (n and number == place)) for place, value in enumerate(level))
        for n in range(300)
    ]
    assert len(broken(soaked)) == 1


def test_pages(soaked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good soak writes its page and three plots; one that is not leaves them alone."""
    page = tmp_path / "docs" / "soak.md"
    page.parent.mkdir()
    assert conclude(soaked, Judge(soaked).verdicts(), page, "make soak SEED=1") == 0
    assert {path.name for path in page.parent.iterdir()} == {
        "soak.md",
        *(f"soak-{resource.name}.svg" for resource in RESOURCES),
    }
    assert "`make soak SEED=1`" in page.read_text()
    os.truncate(page, 0)
    soaked.silent = ["trio of 7"]
    assert conclude(soaked, Judge(soaked).verdicts(), page, "make soak") == 1
    assert page.read_text() == ""
    assert "trio of 7 is silent" in capsys.readouterr().err
