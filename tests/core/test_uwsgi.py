"""Threads that stand still between requests: what an older uWSGI says of itself is believed."""

import sys
from types import SimpleNamespace

import pytest

from setle.testing import Sandbox
from tests.support import Clock, join_refreshes, source_of
from tests.support.faults import asked, fault, saw, times

WITHOUT = {"no option": {"processes": b"2"}, "switched off": {"enable-threads": b"false"}}
WITH: dict[str, tuple[bytes, dict[str, object]]] = {
    "enable-threads": (b"2.0.26", {"enable-threads": True}),
    "enable-threads by file": (b"2.0.26", {"enable-threads": b"true"}),
    "threads": (b"2.0.26", {"threads": b"2"}),
    "newer": (b"2.0.27", {}),
    "newest": (b"2.0.31", {"enable-threads": b"false"}),
}


def early_refreshes(sandbox: Sandbox, clock: Clock) -> int:
    """Return how many token requests calls in the window of early refreshes bring."""
    source = source_of(sandbox)
    source.get_token()
    clock.go_on(3600 - 30 - 150 + 1)
    for _ in range(2):
        source.get_token()
        join_refreshes()
    requests = sandbox.token_requests - 1
    clock.go_on(150)
    source.get_token()
    assert sandbox.token_requests == 2
    return requests


@fault(
    "Callables and foreign code",
    "uWSGI without `enable-threads`, where threads stand still between requests",
    "no early refresh is begun; one warning says what to set",
)
@pytest.mark.parametrize("options", WITHOUT.values(), ids=WITHOUT)
def test_without_threads(
    sandbox: Sandbox,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
) -> None:
    """There is no early refresh; calls wait for one at the stale point, and a warning says so."""
    uwsgi = SimpleNamespace(version=b"2.0.26", opt=options)
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    monkeypatch.setattr("setle._refresh.uwsgi._told", set())
    early = early_refreshes(sandbox, clock)
    assert early == 0
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.setle_event for record in warnings] == [  # type: ignore[attr-defined] # extra
        "threads_stand_still"
    ]
    assert "enable-threads = true" in warnings[0].getMessage()
    saw(f"early refreshes: {early}", times(len(warnings), "warning"), asked(sandbox))


@pytest.mark.parametrize(("version", "options"), WITH.values(), ids=WITH)
def test_with_threads(
    sandbox: Sandbox,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    version: bytes,
    options: dict[str, object],
) -> None:
    """Where they go on, early refreshes begin as everywhere, and nothing is said."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(version=version, opt=options))
    assert early_refreshes(sandbox, clock) == 1
    assert caplog.text == ""
