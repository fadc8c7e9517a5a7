"""The page of licences names what users install, and is noticed when it does not."""

from pathlib import Path

import pytest

from release import licenses


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "licenses.md"
    copy.write_text(licenses.PAGE.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(licenses, "PAGE", copy)
    return copy


def test_the_page_is_what_would_be_written(page: Path) -> None:
    """With the packages of the lock, it comes out as it is, and its check is silent."""
    before = page.read_text("utf-8")
    page.unlink()
    assert licenses.main([]) is None
    assert page.read_text("utf-8") == before
    assert licenses.main(["--check"]) is None


def test_dependencies_of_dependencies_and_extras_are_on_it(page: Path) -> None:
    """h11 comes with httpcore, and redis with an extra."""
    assert {"h11", "httpx", "redis"} <= licenses.listed(page.read_text("utf-8"))


@pytest.mark.parametrize(("old", "new"), [("\n| httpx ", "\n| httpy "), ("\n| httpx ", "\n httpx")])
def test_another_name_is_noticed(page: Path, old: str, new: str) -> None:
    """A package that was added or has gone is named, with the remedy."""
    page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")
    said = licenses.main(["--check"])
    assert said is not None
    assert "httpx" in said
    assert "make licenses" in said
