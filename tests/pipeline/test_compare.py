from pathlib import Path

import pytest

from pipeline.compare import differences


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("old", "new"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a.py").write_text("one\ntwo\n")
    return tmp_path / "old", tmp_path / "new"


def test_the_same_files_do_not_differ(folders: tuple[Path, Path]) -> None:
    """Byte code on one side only does not count."""
    old, new = folders
    (old / "sub" / "__pycache__").mkdir()
    (old / "sub" / "__pycache__" / "a.pyc").write_bytes(b"\xff")
    assert differences(old, new) == []


def test_a_change_is_a_unified_diff(folders: tuple[Path, Path]) -> None:
    """The lines in the tree are marked -, the rebuilt ones +."""
    old, new = folders
    (old / "sub" / "a.py").write_text("one\n2\n")
    path = f"{old.as_posix()}/sub/a.py"
    assert differences(old, new) == [
        f"--- {path}",
        f"+++ {path} (rebuilt)",
        "@@ -1,2 +1,2 @@",
        " one",
        "-2",
        "+two",
    ]


@pytest.mark.parametrize("content", [b"one\r\ntwo\r\n", b"one\ntwo"])
def test_line_ends_count(folders: tuple[Path, Path], content: bytes) -> None:
    """A difference that a diff does not show is told in words."""
    old, new = folders
    (old / "sub" / "a.py").write_bytes(content)
    assert differences(old, new) == [f"other line ends: {old.as_posix()}/sub/a.py"]


def test_bytes_that_are_no_text_can_differ(folders: tuple[Path, Path]) -> None:
    """A damaged file is a difference, not a crash."""
    old, new = folders
    (old / "sub" / "a.py").write_bytes(b"one\n\xff\n")
    assert "-\N{REPLACEMENT CHARACTER}" in differences(old, new)


def test_stale_and_missing_files_are_told(folders: tuple[Path, Path]) -> None:
    """A file on one side only is named, with the side."""
    old, new = folders
    (old / "b.txt").touch()
    (new / "c.typed").touch()
    assert differences(old, new) == [
        f"stale: {old.as_posix()}/b.txt",
        f"missing: {old.as_posix()}/c.typed",
    ]


def test_a_folder_that_is_not_there_lacks_everything(folders: tuple[Path, Path]) -> None:
    """Nothing generated yet: every file is missing."""
    old, new = folders
    assert differences(old / "gone", new) == [f"missing: {old.as_posix()}/gone/sub/a.py"]
