"""The page of troubles holds every message of the package, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ENTRIES = re.findall(r"^#### `(.+)`\n((?:.+\n)+)", PAGE, re.MULTILINE)
HEADINGS = [heading for heading, _ in ENTRIES]
PRINTING = {"click.echo", "_tell", "getattr"}  # what comes out there is no trouble
# A message is what has two words or more; of one word, and a hole, others are made up.
WORD = re.compile(r"[a-z][\w'.-]+[,;:]?")


def silent_in(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """Yield what is no message: docstrings, annotations, help, and what a command prints."""
    helps = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "help"]
    named = {value.id for value in helps if isinstance(value, ast.Name)}
    yield from helps
    for node in nodes:
        if isinstance(node, ast.Expr | ast.Assign):
            targets = {*map(ast.unparse, getattr(node, "targets", ()))}
            if not targets or targets & named:
                yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING:
            yield from node.args
        for name in ("annotation", "returns"):
            yield from ast.walk(getattr(node, name, None) or ast.Pass())


def texts_of(code: str) -> Iterator[str]:
    """Yield every string in *code* that may be a message; holes become …"""
    nodes = [*ast.walk(ast.parse(code))]
    silent = {*silent_in(nodes)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            if node not in silent:
                yield "".join(map(str, parts))
            silent.update(node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
            yield node.value


TEXTS = {
    text: path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "wrapper").rglob("*.py"))
    for text in texts_of(path.read_text("utf-8"))
    if " " in text and any(map(WORD.fullmatch, text.split()))
}
MESSAGES = {
    text: path
    for text, path in TEXTS.items()
    if sum(map(bool, map(WORD.fullmatch, text.split()))) > 1
}


def fixed(text: str) -> list[str]:
    """Return the parts of *text* around its holes, which logging fills as well."""
    return [part for part in re.split(r"…+|%\(\w+\)[.\d]*[a-z]", text) if part.strip()]


def test_every_message_has_an_entry() -> None:
    """Whoever searches the page for what the package says finds it."""
    missing = {
        text: path
        for text, path in MESSAGES.items()
        if not any(re.search(".*".join(map(re.escape, fixed(text))), each) for each in HEADINGS)
    }
    assert missing == {}


def test_every_entry_is_of_a_message() -> None:
    """It is put together of what stands in the code, names in capitals, and holes."""
    parts = sorted({part.strip() for text in TEXTS for part in fixed(text)}, key=len, reverse=True)
    edge = r"(?:(?<!\w)|(?!\w))"  # not within a word
    left = HEADINGS
    for part in parts:
        left = [re.sub(edge + re.escape(part) + edge, "…", each) for each in left]
    assert [each for each in left if re.search("[a-z]", each)] == []


def test_every_entry_says_cause_and_remedy() -> None:
    """One of each, no message has two entries, and none is lost between the lines."""
    for heading, text in ENTRIES:
        assert text.count("**Cause.**") == text.count("**Remedy.**") == 1, heading
    assert len({*HEADINGS}) == len(ENTRIES) == PAGE.count("\n####")
