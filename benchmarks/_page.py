"""The part of a page that a command writes: what it was measured on, and between which marks."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def circumstances(by: str, *distributions: str) -> str:
    """Return when, on what and with which *distributions* the command *by* measured."""
    versions = ", ".join(f"{name} {version(name)}" for name in distributions)
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `{by}`, with Python "
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; {versions}."
    )


def marks(by: str) -> tuple[str, str]:
    """Return what stands before and after the part that the command *by* writes."""
    return f"<!-- begin: written by `{by}` -->", f"<!-- end: written by `{by}` -->"


def rewrite(page: Path, text: str, by: str) -> None:
    """Put *text* between the two marks of *by* on *page*."""
    begin, last = marks(by)
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, end, after = rest.partition(last)
    if not end:
        raise SystemExit(f"{page}: there is no {begin!r} with {last!r} after it")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
