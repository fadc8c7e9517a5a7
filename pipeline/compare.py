"""Tell how two folders differ."""

import difflib
from pathlib import Path

__all__ = ["differences"]


def differences(old: Path, new: Path) -> list[str]:
    """
    Return what would turn the files below *old* into those below *new*.

    A unified diff for a file in both, one line for a file in only one of them,
    nothing for the same files. Byte code does not count.
    """
    before, after = _files(old), _files(new)
    lines = []
    for name in sorted(before.keys() | after.keys()):
        path = (old / name).as_posix()
        if name not in after:
            lines.append(f"stale: {path}")
        elif name not in before:
            lines.append(f"missing: {path}")
        elif before[name] != after[name]:
            diff = difflib.unified_diff(
                before[name].decode(errors="replace").splitlines(),
                after[name].decode(errors="replace").splitlines(),
                path,
                f"{path} (rebuilt)",
                lineterm="",
            )
            # Files that differ in their line ends alone have an empty diff.
            lines += list(diff) or [f"other line ends: {path}"]
    return lines


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.relative_to(folder).parts
    }
