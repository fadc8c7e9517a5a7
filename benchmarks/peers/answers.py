"""Answers of a token endpoint that no library should take for a token."""

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from setle.testing import Answer

_GOOD = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
_EXPIRES_IN = {
    "NaN": "NaN",
    "inf": "Infinity",
    "1e400": "1e400",
    "true": "true",
    "-5": "-5",
    "0": "0",
    '"abc"': '"abc"',
    "null": "null",
}
_TOKENS: dict[str, Any] = {
    "empty": "",
    "blank": "  ",
    "with CRLF": "a\r\nX-Injected: 1",
    "a number": 12345,
    "a list": ["a-token"],
}
REDIRECT = "redirect"
# By name, in the order of the table.
NAMES = (
    *(f"expires_in {value}" for value in _EXPIRES_IN),
    "expires_in missing",
    *(f"token {what}" for what in _TOKENS),
    "token missing",
    "token_type mac",
    "HTML with 200",
    "JSON list",
    "2 MiB of JSON",
    "compressed",
)
# The last one is a good token for all who ask for compression, as most HTTP clients do unasked.
# It is shown, but counts for nobody.
COUNTED = len(NAMES) - 1


def bad_answers(base_url: str) -> dict[str, "Answer"]:
    """Return them by name, and a redirect to another name of the sandbox at *base_url*."""
    from setle.testing import Answer

    def of(text: str, **headers: str) -> Answer:
        return Answer(body=text, headers={"content-type": "application/json", **headers})

    def without(field: str) -> Answer:
        return Answer(json={name: value for name, value in _GOOD.items() if name != field})

    text = json.dumps(_GOOD)
    html = {"content-type": "text/html; charset=utf-8"}
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    elsewhere = base_url.replace("127.0.0.1", "localhost") + "/elsewhere"
    answers = (
        *(of(text.replace("3600", value)) for value in _EXPIRES_IN.values()),
        without("expires_in"),
        *(Answer(json=_GOOD | {"access_token": token}) for token in _TOKENS.values()),
        without("access_token"),
        Answer(json=_GOOD | {"token_type": "mac"}),
        Answer(body="<html><body>Please log in</body></html>", headers=html),
        Answer(json=[_GOOD]),
        Answer(json=_GOOD | {"filler": "x" * (2 << 20)}),
        Answer(body=gzip.compress(text.encode()), headers=packed),
    )
    return dict(zip(NAMES, answers, strict=True)) | {
        REDIRECT: Answer(307, headers={"location": elsewhere})
    }
