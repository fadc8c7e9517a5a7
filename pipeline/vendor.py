"""
Fetch openapi.yaml anew: ``python -m pipeline.vendor [--from URL-OR-PATH]``.

Takes the index of a documentation site (``.txt``), one of its pages (``.md``)
or an OpenAPI file (anything else). What changes is shown first; the file is
replaced at the very end, or not at all.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import PipelineError, run
from pipeline.document import parse
from pipeline.merge import merge
from pipeline.page import Block
from pipeline.report import show
from pipeline.sources import read
from pipeline.spec import SPEC, load, operations

__all__ = ["INDEX", "vendor"]

INDEX = "https://developer.setle.app/llms.txt"


def vendor(root: Path, source: str = INDEX) -> None:
    """
    Replace ``openapi.yaml`` below *root* by what *source*, a URL or a path, holds.

    The text of a single block or YAML file is kept byte for byte. JSON, and what
    several pages hold together, becomes YAML of one form. What an overlay can
    mend does not stop it: mending takes the new description.

    Raises:
        PipelineError: The description cannot be had, is none, or contradicts itself;
            nothing was changed.
    """
    found = asyncio.run(read(source))
    new = merge(found.descriptions)
    _check_blocks(new, found.blocks)
    old = root / SPEC
    if old.exists() and old.read_bytes() == new.encode():
        print(f"{SPEC} is what {source} holds; there is nothing to do")
        return
    to_mend = show(root, new)
    _replace(old, new.encode())
    then = f"mend {to_mend} as told above, then " if to_mend else "go on with "
    print(f"{SPEC} is new; {then}make generate")


def main() -> None:
    """Read the command line and vendor."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.vendor", description=__doc__)
    parser.add_argument(
        "--from",
        dest="source",
        default=INDEX,
        help="the index, page or file (default: %(default)s)",
    )
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).parents[1], help="the repository to work on"
    )
    arguments = parser.parse_args()
    vendor(arguments.root, arguments.source)


def _check_blocks(new: str, blocks: Mapping[str, Block]) -> None:
    spec = load(new, " and ".join(blocks) or SPEC, remedy="tell Setle")
    held = operations(spec)
    for page, block in blocks.items():
        if block.operation and block.operation not in held:
            raise PipelineError(
                f"{page} says it has {' '.join(block.operation)}, but its description has not; "
                "tell Setle, and vendor a file that has it right"
            )
        if block.webhook and _is_empty(parse(block.text, page)):
            print(
                f"note: {page} is of the webhook {block.webhook}, of which its description says "
                "nothing; the client gets no model of what it sends",
                file=sys.stderr,
            )


def _is_empty(spec: dict[str, Any]) -> bool:
    return not (spec.get("webhooks") or spec.get("paths") or spec.get("components"))


def _replace(target: Path, content: bytes) -> None:
    aside = target.with_name(f".{target.name}.new")
    try:
        aside.write_bytes(content)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(run(main))
