"""`make load`: it has to load what it says, and to write it down; nothing is timed."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import setle
from benchmarks._measure import Effort
from benchmarks._page import marks
from benchmarks.load import page, processes, tasks, tenants, threads
from benchmarks.load.chart import Chart, measured
from benchmarks.load.description import with_operations
from benchmarks.sandbox import RemoteSandbox, remote_sandbox
from pipeline.spec import described, load
from pipeline.spec import operations as operations_of
from tests.pipeline.described import repository
from tests.support.measuring import unmeasured

ROOT = Path(__file__).parents[2]
QUICK = Effort(quick=True)


def chart(**lines: dict[int, list[float]]) -> Chart:
    return Chart("some", "Some", "tasks", "milliseconds", 1e3, "It is.", lines, ["Well."])


@pytest.fixture(scope="module")
def remote() -> Iterator[RemoteSandbox]:
    """Run a sandbox in another process."""
    with unmeasured(), remote_sandbox() as sandbox:
        yield sandbox


def test_those_who_come_together_cost_one_token_request(remote: RemoteSandbox) -> None:
    """It is counted at each load, and told; the baseline has the same loads."""
    with unmeasured():
        of_tasks, of_threads = tasks.cold(remote, QUICK), threads.cold(remote, QUICK)
    assert of_tasks.notes == ["Token requests, setle: 1 at 1, 1 at 10."]
    assert of_threads.notes == ["Token requests, setle: 1 at 1, 1 at 4."]
    assert [[*points] for points in of_threads.lines.values()] == [[1, 4]] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_processes_share_or_ask_for_themselves(remote: RemoteSandbox, tmp_path: Path) -> None:
    """One request for all with a store, one for each without, and none where a token is there."""
    stores: dict[str, processes.NewStore] = {
        "file": lambda number: setle.FileTokenStore(tmp_path / str(number)),
        "no store": lambda _: setle.MemoryTokenStore(),
    }
    with unmeasured():
        cold = processes.cold(remote, QUICK, stores)
        stored = processes.stored(remote, QUICK, stores)
    file, none = "Token requests, file: ", "Token requests, no store: "
    assert cold.notes == [f"{file}1 at 1, 1 at 2.", f"{none}1 at 1, 2 at 2."]
    assert stored.notes[0] == f"{file}0 at 1, 0 at 2."


def test_tenants_are_measured_beside_a_dictionary() -> None:
    """Each costs something at each load: the first token, a call, memory."""
    with unmeasured():
        charts = list(tenants.measure(QUICK))
    for each in charts:
        assert [[*points] for points in each.lines.values()] == [[1, 10]] * 2
        assert all(cost > 0 for points in each.lines.values() for [cost] in points.values())
    [profile] = charts[0].notes
    assert re.match(r"Bytecodes of setle for one more: [\d,]+ at 1, [\d,]+ at 10; ", profile)


def test_rounds_take_turns_and_the_first_does_not_count() -> None:
    """Whoever is first changes; a quick run has two loads and one round."""
    order: list[str] = []

    def run(name: str, load: int) -> float:
        order.append(f"{name}{load}")
        return len(order)

    runs = {"a": lambda load: run("a", load), "b": lambda load: run("b", load)}
    lines = measured(QUICK, (1, 2, 3), runs, rounds=9)
    assert order == ["a1", "b1", "a2", "b2"]
    assert lines == {"a": {1: [1], 2: [3]}, "b": {1: [2], 2: [4]}}
    order.clear()
    lines = measured(Effort(quick=False), (5,), runs, rounds=2)
    assert order == ["a5", "b5", "b5", "a5", "a5", "b5"]
    assert lines == {"a": {5: [4, 5]}, "b": {5: [3, 6]}}


def test_tells_how_each_grows() -> None:
    """From the least load to the greatest, by medians; the ratio is the rounds' own."""
    some = chart(
        ours={1: [1.0, 2.0, 3.0], 100: [4.0, 4.0, 40.0]}, other={1: [1.0] * 3, 100: [2.0] * 3}
    )
    assert some.growth() == "From 1 to 100 it grows: ours 2.00 x, other 2.00 x."
    assert some.table(markdown=True).splitlines()[2:] == [
        "| 1 | 2,000 (1,000-3,000) | 1,000 (1,000-1,000) | 2.00 |",
        "| 100 | 4,000 (4,000-40,000) | 2,000 (2,000-2,000) | 2.00 |",
    ]


def test_the_page_shows_each_chart_with_its_picture(tmp_path: Path) -> None:
    """The picture lies beside it, and what stands around the marks stays."""
    written = tmp_path / "load.md"
    written.write_text("before\n{}\nold\n{}\nafter\n".format(*marks(page.BY)))
    some = chart(ours={1: [1.0], 10: [2.0]}, other={1: [1.0], 10: [1.5]})
    page.write(written, [some], "make load")
    text = written.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "![Some, milliseconds](load-some.svg)" in text
    assert "From 1 to 10 it grows: ours 2.00 x, other 1.50 x. Well." in text
    assert ET.fromstring((tmp_path / "load-some.svg").read_text()).tag.endswith("svg")
    assert "ours / other" in page.as_text(some)


@pytest.mark.parametrize("number", [1, 2, 30])
def test_a_description_has_as_many_operations(tmp_path: Path, number: int) -> None:
    """It is as valid as Setle's own has to be."""
    root = repository(
        tmp_path / "root", with_operations((ROOT / "openapi.yaml").read_text(), number)
    )
    assert len(operations_of(described(root))) == number


def test_one_operation_is_the_published_description() -> None:
    """So that the curve starts at what there is today."""
    text = (ROOT / "openapi.yaml").read_text()
    assert load(with_operations(text, 1), "it", remedy="") == load(text, "it", remedy="")


def test_the_page_has_every_picture() -> None:
    """What stands there came from the run as it is now."""
    named = {*(ROOT / "docs").glob("load-*.svg")}
    text = (ROOT / "docs/load.md").read_text()
    assert named
    assert all(f"]({each.name})" in text for each in named)
