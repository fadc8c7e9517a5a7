"""The part of a page that a command writes."""

from pathlib import Path

import pytest

from benchmarks._page import marks, rewrite


def test_rewrites_nothing_but_its_part_of_a_page(tmp_path: Path) -> None:
    """What stands around the marks stays; a page without them is refused."""
    begin, end = marks("make this")
    written = tmp_path / "page.md"
    written.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    rewrite(written, "new", "make this")
    rewrite(written, "newer", "make this")
    assert written.read_text() == f"before\n{begin}\n\nnewer\n\n{end}\nafter\n"
    written.write_text("none")
    with pytest.raises(SystemExit, match=r"page\.md: there is no"):
        rewrite(written, "new", "make this")
