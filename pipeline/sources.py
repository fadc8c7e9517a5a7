"""Find the descriptions that an index, a page or a file holds."""

import asyncio
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

import httpx

from pipeline import PipelineError
from pipeline.document import parse
from pipeline.fetch import Reader, is_url, places, resolve
from pipeline.page import Block, find_block, listing

__all__ = ["Found", "read"]


class Found(NamedTuple):
    """What was found."""

    descriptions: dict[str, str]
    """Texts, by their addresses."""
    blocks: dict[str, Block]
    """What each page says it has, by its address."""


async def read(source: str) -> Found:
    """
    Read what *source*, a URL or a path, holds or lists.

    Raises:
        PipelineError: It cannot be had, or holds no description.
    """
    async with Reader() as reader:
        text = await reader.read(source)
        suffix = re.split("[?#]", source)[0].rpartition(".")[2].lower()
        if suffix == "txt":
            return await _read_index(reader, source, text)
        if suffix in {"md", "mdx"}:
            return await _read_pages(reader, source, {source: text})
        return Found({source: text}, {})


async def _read_index(reader: Reader, source: str, text: str) -> Found:
    found = listing(text)
    files = [resolve(source, link) for link in found.files]
    pages = [resolve(source, link) for link in found.pages]
    # A page of somebody else's is not Setle's word.
    strange = [
        page for page in pages if is_url(source) and httpx.URL(page).host != httpx.URL(source).host
    ]
    pages = [page for page in pages if page not in strange]
    if files:
        try:
            descriptions = await reader.read_all(files)
            for name, description in descriptions.items():
                parse(description, name)
            return Found(descriptions, {})
        except PipelineError as error:
            if not pages:
                raise
            _note(f"{error}; taken are the pages instead")
    if passed_over := [*strange, *found.others]:
        _note(f"no pages of the site, passed over: {' '.join(passed_over)}")
    return await _read_pages(reader, source, await reader.read_all(pages))


async def _read_pages(reader: Reader, index: str, texts: Mapping[str, str]) -> Found:
    blocks = {page: block for page, text in texts.items() if (block := find_block(text, page))}
    if not blocks:
        raise PipelineError(
            f"{index} has no OpenAPI block, nor has a page it lists; "
            "vendor the page of an endpoint, the index or an OpenAPI file"
        )
    named = {
        page: places(index, page, block.source) for page, block in blocks.items() if block.source
    }
    files = dict[tuple[str, ...], tuple[str, str] | str]()
    for candidates in dict.fromkeys(map(tuple, named.values())):
        files[candidates] = await _first(reader, candidates)
    descriptions = dict[str, str]()
    for page, block in blocks.items():
        file = files[tuple(named[page])] if page in named else None
        if isinstance(file, tuple):
            descriptions[file[0]] = file[1]
            continue
        if file is not None:
            _note(f"{page} names {block.source}, but {file}; taken is the page's own block")
        descriptions[page] = block.text
    return Found(descriptions, blocks)


async def _first(reader: Reader, candidates: tuple[str, ...]) -> tuple[str, str] | str:
    """Return address and text of the first of *candidates* to be had, or why none is."""
    reason = ""
    for address in candidates:
        try:
            text = await reader.read(address)
            await asyncio.to_thread(parse, text, address)
        except PipelineError as error:
            reason = reason or str(error).rpartition("; ")[0]
        else:
            return address, text
    return reason


def _note(text: str) -> None:
    print("note:", text, file=sys.stderr)
