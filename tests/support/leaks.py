"""Secrets and tokens that are found wherever they show up, in part and in other words."""

import base64
import re
import secrets
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Every secret begins and ends so, and every token, so that a part of one is found as well. The
# letters are those that JSON, URLs and representations write otherwise.
SECRET = ('s3cr3t"of/the+day', 'ends"so\\%=')
TOKEN = ("t0ken~of/the+day", "that+ends/so==")
PASSWORD = "p4ssw0rd-of-the-day"


def made_up(ends: tuple[str, str]) -> str:
    return f"{ends[0]}{secrets.token_hex(24)}{ends[1]}"


def forms(mark: str) -> Iterator[str]:
    """Return *mark* as it stands in texts, URLs and Base64, each without backslashes."""
    yield mark.replace("\\", "")
    yield from (quote(mark), quote(mark, safe=""), quote_plus(mark))
    for before in range(3):  # where it may begin within the three bytes of a group
        coded = base64.b64encode(b"." * before + mark.encode()).decode()
        whole = coded[(4 * before + 2) // 3 : 8 * (before + len(mark)) // 6]
        yield whole
        yield whole.replace("+", "-").replace("/", "_")


MARKS = {form: mark for mark in (*SECRET, *TOKEN, PASSWORD) for form in forms(mark)}
MARK = re.compile("|".join(sorted(map(re.escape, MARKS), key=len, reverse=True)))


def leaks(name: str, content: bytes, *, but: tuple[str, ...] = ()) -> list[str]:
    """Return where in *content* there is a part of a secret, a token or a password, *but* those."""
    # JSON and repr put backslashes in, once or again and again.
    text = content.decode(errors="replace").replace("\\", "")
    return [
        f"{name}: {MARKS[found[0]]} in {text[max(0, found.start() - 300) : found.end() + 50]!r}"
        for found in MARK.finditer(text)
        if MARKS[found[0]] not in but
    ]
