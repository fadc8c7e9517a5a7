"""
Fetch openapi.yaml anew: ``python -m pipeline.vendor [--from URL-OR-PATH]``.

Takes the index of a documentation site (``.txt``), one of its pages (``.md``)
or an OpenAPI file (anything else). What changes is shown first; the file is
replaced at the very end, or not at all.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from pipeline import PipelineError, run
from pipeline.fetch import Reader, is_url, resolve
from pipeline.merge import merge
from pipeline.page import Block, find_block, listing
from pipeline.report import show
from pipeline.spec import SPEC, operations, validated

__all__ = ["INDEX", "vendor"]

INDEX = "https://developer.setle.app/llms.txt"


def vendor(root: Path, source: str = INDEX) -> None:
    """
    Replace ``openapi.yaml`` below *root* by what *source*, a URL or a path, holds.

    The text of a single block or YAML file is kept byte for byte. JSON, and what
    several pages hold together, becomes YAML of one form.

    Raises:
        PipelineError: The description cannot be had, is not valid or contradicts
            itself; nothing was changed.
    """
    descriptions, operations_told = asyncio.run(_read(source))
    new = merge(descriptions)
    _check_operations(new, operations_told)
    old = root / SPEC
    if old.exists() and old.read_bytes() == new.encode():
        print(f"{SPEC} is what {source} holds")
        return
    show(root, new)
    _replace(old, new.encode())
    print(f"{SPEC} is new; go on with make generate")


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


async def _read(source: str) -> tuple[dict[str, str], dict[str, Block]]:
    async with Reader() as reader:
        text = await reader.read(source)
        suffix = re.split("[?#]", source)[0].rpartition(".")[2].lower()
        if suffix == "txt":
            files, pages = _links(source, text)
            if files:
                return await reader.read_all(files), {}
            texts = await reader.read_all(pages)
        elif suffix in {"md", "mdx"}:
            texts = {source: text}
        else:
            return {source: text}, {}
        blocks = {page: block for page, text in texts.items() if (block := find_block(text, page))}
        if not blocks:
            raise PipelineError(
                f"{source} has no OpenAPI block, nor has a page it lists; "
                "vendor the page of an endpoint, the index or an OpenAPI file"
            )
        named = {
            page: resolve(page, block.source) for page, block in blocks.items() if block.source
        }
        sources = await reader.read_all(dict.fromkeys(named.values()))
        inline = {page: block.text for page, block in blocks.items() if page not in named}
        return {**inline, **sources}, blocks


def _links(source: str, index: str) -> tuple[list[str], list[str]]:
    """Return the addresses of the OpenAPI files and of the pages that *index* lists."""
    found = listing(index)
    files = [resolve(source, link) for link in found.files]
    pages = [resolve(source, link) for link in found.pages]
    # A page of somebody else's is not Setle's word.
    strange = [
        page for page in pages if is_url(source) and httpx.URL(page).host != httpx.URL(source).host
    ]
    if not files and (passed_over := [*strange, *found.others]):
        print("note: no pages of the site, passed over:", *passed_over, file=sys.stderr)
    return files, [page for page in pages if page not in strange]


def _check_operations(new: str, blocks: Mapping[str, Block]) -> None:
    held = operations(validated(new, name=SPEC, remedy="tell Setle"))
    for page, block in blocks.items():
        if block.operation and block.operation not in held:
            raise PipelineError(
                f"{page} says it has {' '.join(block.operation)}, but its description has not; "
                "tell Setle, and vendor a file that has it right"
            )


def _replace(target: Path, content: bytes) -> None:
    aside = target.with_name(f".{target.name}.new")
    try:
        aside.write_bytes(content)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(run(main))
