"""What a call does, counted: exact, and so it can be tested."""

import attrs
import pytest

import setle
from benchmarks._bench_page import as_markdown
from benchmarks._counting import counted
from benchmarks._layers import ORDER
from benchmarks._limit import Limit
from benchmarks._measure import Effort, Figure, Pairs
from setle.testing import Sandbox
from tests.support.measuring import unmeasured


@pytest.fixture(scope="module")
def limit() -> Limit:
    """Profile once; coverage looks at bytecodes in the same place."""
    with unmeasured():
        return Limit.measure(Effort(quick=True))


def test_a_bytecode_more_is_one_more(sandbox: Sandbox) -> None:
    """And what is outside of the layers counts for nobody, unless it is what is asked for."""

    def nothing() -> None:
        return

    def more() -> object:
        return nothing

    with unmeasured():
        assert counted(nothing).total == 0
        few, many = counted(nothing, inside=False), counted(more, inside=False)
    assert 0 < few.total <= many.total < 10
    assert {*few.calls} == {"none"}


def test_the_standard_library_counts_for_who_calls_it(limit: Limit) -> None:
    """So nothing is left over, and each layer but the sockets, which are C, has its share."""
    assert {*limit.counts.bytecodes} <= {*ORDER}
    assert all(limit.counts.bytecodes[name] for name in ("setle", "httpx", "httpcore", "h11"))
    assert limit.counts.of_setle.total() == limit.counts.bytecodes["setle"]
    assert limit.async_counts.bytecodes["sockets and event loop"]
    assert limit.generated.bytecodes["generated client"]


def test_a_plain_call_has_nothing_of_setle(limit: Limit) -> None:
    """It is what ours is compared with."""
    assert limit.plain.bytecodes["setle"] == 0
    assert limit.plain.bytecodes["h11"]


def test_counts_are_the_same_each_time(sandbox: Sandbox) -> None:
    """A warm token costs as many bytecodes every time, and two calls: of two clocks."""
    source = setle.TokenSource(
        setle.ClientCredentials(sandbox.client_id, sandbox.client_secret), base_url=sandbox.base_url
    )
    source.get_token()
    with unmeasured():
        first, second = counted(source.get_token), counted(source.get_token)
    assert first == second
    assert first.calls["setle"] == 3
    assert first.total == first.of_setle["TokenSource.get_token"]


def test_every_layer_has_a_figure_a_round(limit: Limit) -> None:
    """Both of a sync and of an async call."""
    assert [*limit.sync] == [*limit.taken] == [*ORDER]
    assert {len(each) for layers in (limit.sync, limit.taken) for each in layers.values()} == {1}


def test_the_page_says_what_was_measured(limit: Limit) -> None:
    """Each figure has a row, what falls short a line, and the profile its layers."""
    good = Figure.of(Pairs([1.0], [1.0]), "a call", "plain httpx", "Much.", target="<= 1 x")
    good = attrs.evolve(good, reached=True)
    bad = Figure.of(Pairs([3.0], [1.0]), "warm", "time.monotonic() < x", "Less.", target="<= 2 x")
    page = as_markdown([good, attrs.evolve(bad, reached=False)], limit, "make bench")
    assert "by `make bench`" in page
    assert "| a call | plain httpx | 1.00 s | 1.00 s | 1.00 (1.00-1.00) | <= 1 x | yes |" in page
    assert "\n- warm: 3.00 x, wanted <= 2 x.\n" in page
    assert "| warm | time.monotonic() < x | 3.00 |" in page
    for layer in ORDER:
        assert f"\n| {layer} | " in page
    assert f"`get_token()` {limit.least['`get_token()`'].total}." in page
