"""
Read pages and the index of a documentation site that Mintlify serves.

A page carries the OpenAPI description of its one endpoint in a fenced block.
What follows the language in its first line is the endpoint, after the file it
was taken from where that is told::

    ````yaml POST /v1/oauth/token
    ````yaml https://host/openapi.json get /v1/estate/list
    ````yaml /spec.json webhook estate.updated
"""

import io
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from pipeline import PipelineError
from pipeline.links import definitions, links

__all__ = ["Block", "Listing", "find_block", "listing"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\r\n]*)")
_LANGUAGE = re.compile(r"(ya?ml|json)\b", re.IGNORECASE)
_ENDPOINT = re.compile(
    r"\w+\s+(?:(\S+)\s+)?(get|put|post|delete|options|head|patch|trace|webhook)\s+(\S+)",
    re.IGNORECASE,
)
# What a site puts around the block of an endpoint, so that it may hold fences itself.
_SITE_FENCE = 4
# A form of the first line not known here must not lose the endpoint.
_OPENAPI = re.compile(r"""\s*(\{\s*)?["']?openapi["']?\s*:""")
_FILE = re.compile(r"\.(ya?ml|json)$", re.IGNORECASE)


class Block(NamedTuple):
    """The block of a page."""

    text: str
    """What stands between the fences, byte for byte."""
    source: str | None
    """The file it was taken from, as the page names it."""
    operation: tuple[str, str] | None
    """Method, in capitals, and path the page says it has; None for a webhook."""
    webhook: str | None = None
    """The webhook the page says it has."""


class Listing(NamedTuple):
    """The links of an index, each once."""

    files: list[str]
    """OpenAPI files."""
    pages: list[str]
    """Pages as markdown."""
    others: list[str]
    """The rest."""


def find_block(page: str, name: str) -> Block | None:
    """
    Return the OpenAPI block of *page*, or None if it has none.

    What has no endpoint in its first line and shorter fences than the site
    makes is a sample in a guide; that is told on stderr.

    Raises:
        PipelineError: It has two, or one without an end.
    """
    blocks = []
    for fence, info, text, closed in _fences(page):
        endpoint = _ENDPOINT.match(info)
        if not _LANGUAGE.match(info) or not (endpoint or _OPENAPI.match(text)):
            continue
        if not endpoint and len(fence) < _SITE_FENCE:
            print(
                f"note: {name} holds a sample of OpenAPI, and is taken for a guide", file=sys.stderr
            )
            continue
        if not closed:
            raise PipelineError(f"{name} ends within its OpenAPI block: cut off; fetch it again")
        source, method, target = endpoint.groups() if endpoint else (None, "webhook", "")
        is_webhook = method.lower() == "webhook"
        called = None if is_webhook else (method.upper(), target)
        blocks.append(Block(text, source, called, target if is_webhook and target else None))
    if len(blocks) > 1:
        raise PipelineError(
            f"{name} has {len(blocks)} OpenAPI blocks instead of one; "
            "save the right one as a file and vendor that"
        )
    return blocks[0] if blocks else None


def listing(index: str) -> Listing:
    """
    Return what *index*, the text of an ``llms.txt``, lists.

    Raises:
        PipelineError: A line of it holds a link that cannot be read.
    """
    found = Listing([], [], [])
    heading, known = "", definitions(index)
    for line in index.splitlines():
        heading = line if line.startswith("#") else heading
        for title, link in links(line, known):
            path = re.split("[?#]", link)[0]
            if heading.strip("# ").lower() == "openapi specs" or (
                _FILE.search(path) and "openapi" in f"{title} {path}".lower()
            ):
                kind = found.files
            else:
                kind = found.pages if path.lower().endswith((".md", ".mdx")) else found.others
            if link not in kind:
                kind.append(link)
    return found


def _fences(page: str) -> Iterator[tuple[str, str, str, bool]]:
    # Line by line, because a block may hold shorter fences, and a sample of a
    # whole page holds what looks like a block.
    fence, info, body = "", "", list[str]()
    for line in io.StringIO(page, newline=""):
        match = _FENCE.match(line)
        if not fence and match:
            fence, info, body = match[1], match[2], []
        elif match and match[1].startswith(fence) and not match[2].strip():
            yield fence, info, "".join(body), True
            fence = ""
        elif fence:
            body.append(line)
    if fence:
        yield fence, info, "".join(body), False
